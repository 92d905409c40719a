#include "io/csv.h"

#include "io/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

// Reads one field that starts at text[at]; leaves `at` on the comma, the line break or the end behind it.
std::string field(const std::string& path, const std::string& text, std::size_t& at, std::size_t& line) {
  const std::size_t first_line = line;
  std::string value;
  if (at >= text.size() || text[at] != '"') {
    while (at < text.size() && text[at] != ',' && text[at] != '\n') value += text[at++];
    if (!value.empty() && value.back() == '\r') value.pop_back();
    return value;
  }
  for (++at;; ++at) {
    if (at >= text.size()) {
      fail(ErrorKind::input, "{}:{}: a quoted field is never closed; add the missing \"", path, first_line);
    }
    if (text[at] == '\n') ++line;
    if (text[at] != '"') {
      value += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == '"') {
      value += text[at++];
    } else {
      break;
    }
  }
  ++at;
  if (at < text.size() && text[at] == '\r') ++at;
  if (at < text.size() && text[at] != ',' && text[at] != '\n') {
    fail(ErrorKind::input, "{}:{}: text behind a closing quote; double the quotes inside a field", path,
         line);
  }
  return value;
}

}  // namespace

std::vector<CsvRow> read_csv(const std::filesystem::path& path) {
  const std::string text = read_text_file(path);
  std::vector<CsvRow> rows;
  std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  for (std::size_t line = 1; at < text.size(); ++line, ++at) {
    CsvRow row{line, {}};
    row.fields.push_back(field(path.string(), text, at, line));
    while (at < text.size() && text[at] == ',') {
      row.fields.push_back(field(path.string(), text, ++at, line));
    }
    if (row.fields.size() > 1 || !row.fields[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

std::string csv_field(std::string_view text) {
  std::string field = printable(text);
  if (!field.empty() && std::string_view("=+-@").find(field[0]) != std::string_view::npos)
    field.insert(0, 1, '\'');
  if (field.find_first_of(",;\"") == std::string::npos && field.find_first_of(" ") != 0) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

}  // namespace melgrad
