#include "kernels/text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <numeric>

namespace melgrad {
namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

struct CodePoint {
  std::size_t bytes;
  char32_t value;
};

// The code point that `text` starts with; no bytes if that is no UTF-8 (RFC 3629: no overlong forms, no
// surrogates).
CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {0, 0};
  char32_t value = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    value = value << 6 | (byte(i) & 0x3FU);
  }
  const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  if (overlong || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF) return {0, 0};
  return {bytes, value};
}

// Characters that are not shown but change how others are: controls, separators, directions of writing.
bool disturbs(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x61C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::string escape_of(char32_t c) {
  switch (c) {
    case U'\n':
      return "\\n";
    case U'\r':
      return "\\r";
    case U'\t':
      return "\\t";
    default:
      return c < 0x80 ? fmt::format("\\x{:02x}", static_cast<unsigned>(c))
                      : fmt::format("\\u{:04x}", static_cast<unsigned>(c));
  }
}

std::string escaped(std::string_view text, bool controls) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    const std::size_t bytes = std::max<std::size_t>(c.bytes, 1);
    if (c.bytes == 0) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    else if (controls && disturbs(c.value)) out += escape_of(c.value);
    else out += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& names) {
  const auto closer = [&](const std::string& a, const std::string& b) {
    return edit_distance(word, a) < edit_distance(word, b);
  };
  const auto best = std::min_element(names.begin(), names.end(), closer);
  return best == names.end() ? "" : *best;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& names) {
  std::vector<std::string> longer;
  for (const std::string& name : names)
    if (word.size() > 2 && name.starts_with(word)) longer.push_back(name);
  const std::string best = longer.size() == 1 ? longer[0] : nearest(word, names);
  const bool near = longer.size() == 1 || edit_distance(word, best) <= 1 + word.size() / 4;
  return near && !best.empty() ? fmt::format("; did you mean {}?", best) : "";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

std::string system_reason(int error) {
  const std::string text = std::strerror(error);
  switch (error) {
    case EFBIG:
      return text + ": the limit is ulimit -f's, or the file system's";
    case EMFILE:
      return text + ": the limit is ulimit -n's";
    default:
      return text;
  }
}

std::string printable(std::string_view text) { return escaped(text, true); }
std::string as_utf8(std::string_view text) { return escaped(text, false); }

// Adding 0 takes the sign off a negative zero.
std::string shortest(double value) { return fmt::format("{}", value + 0.0); }
std::string shortest(float value) { return fmt::format("{}", value + 0.0F); }

double decimal(float value) {
  const std::string text = shortest(value);
  double out = value;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return static_cast<float>(out) == value ? out : static_cast<double>(value);
}

}  // namespace melgrad
