#include "apps/terminal/text_table.h"

#include <algorithm>
#include <fmt/format.h>

#include "kernels/text.h"

namespace melgrad {

std::string align(TextRows rows) {
  for (auto& row : rows)
    for (std::string& cell : row) cell = printable(cell);
  // Letters, not bytes: the bytes that continue a UTF-8 letter are 10xxxxxx.
  const auto letters = [](const std::string& cell) {
    return std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xC0) != 0x80; });
  };
  std::vector<std::ptrdiff_t> width;
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()), 0);
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], letters(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string padding(static_cast<std::size_t>(width[c] - letters(row[c])), ' ');
      text += c == 0 ? row[c] + (row.size() > 1 ? padding : "") : "  " + padding + row[c];
    }
    text += "\n";
  }
  return text;
}

std::string more(std::size_t rows, const std::string& what) {
  return rows == 0 ? "" : fmt::format("... and {} more {}\n", rows, what);
}

}  // namespace melgrad
