#include "io/datasets/csv.h"

#include <algorithm>
#include <array>

#include "io/files/encoding.h"
#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

constexpr std::string_view kSeparators = ",;\t|";

std::string_view without_blanks(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(first, last == std::string_view::npos ? 0 : last - first + 1);
}

}  // namespace

CsvReader::CsvReader(const std::filesystem::path& path)
    : path_(path.string()), text_(decoded_text(read_text_file(path), path_)) {
  // A first line for spreadsheets alone: "sep=;"
  if (text_.size() > 5 && text_.starts_with("sep=") && (text_[5] == '\n' || text_[5] == '\r')) {
    separator_ = text_[4];
    at_ = 5;
    end_line();
  } else {
    separator_ = find_separator();
  }
}

// Of the first line that is not blank: what divides it into the most fields.
char CsvReader::find_separator() const {
  std::array<std::size_t, kSeparators.size()> counts{};
  const std::size_t first = std::min(text_.find_first_not_of(" \r\n"), text_.size());
  bool quoted = false;
  for (std::size_t i = first; i < text_.size(); ++i) {
    if (text_[i] == '"') quoted = !quoted;
    if (quoted) continue;
    if (text_[i] == '\n' || text_[i] == '\r') break;
    if (const std::size_t s = kSeparators.find(text_[i]); s != std::string_view::npos) ++counts[s];
  }
  return kSeparators[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) -
                                              counts.begin())];
}

void CsvReader::end_line() {
  const bool cr = text_[at_++] == '\r';
  if (cr && at_ < text_.size() && text_[at_] == '\n') ++at_;
  ++next_line_;
}

// Reads one field that starts at `at_`; leaves `at_` on the separator, the line break or the end behind it.
void CsvReader::read_field(std::string& value) {
  const std::size_t first_line = next_line_;
  value.clear();
  if (at_ >= text_.size() || text_[at_] != '"') {
    const std::size_t first = at_;
    while (at_ < text_.size() && text_[at_] != separator_ && !at_line_end()) ++at_;
    value.assign(text_, first, at_ - first);
    return;
  }
  for (++at_;; ++at_) {
    if (at_ >= text_.size()) {
      fail(ErrorKind::input, "{}:{}: a quoted field is never closed; add the missing \"", path_, first_line);
    }
    if (text_[at_] == '\n' || (text_[at_] == '\r' && !(at_ + 1 < text_.size() && text_[at_ + 1] == '\n')))
      ++next_line_;
    if (text_[at_] != '"') {
      value += text_[at_];
    } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
      value += text_[at_++];
    } else {
      break;
    }
  }
  ++at_;
  if (at_ < text_.size() && text_[at_] != separator_ && !at_line_end()) {
    fail(ErrorKind::input, "{}:{}: text behind a closing quote; double the quotes inside a field", path_,
         next_line_);
  }
}

bool CsvReader::next() {
  while (at_ < text_.size()) {
    line_ = next_line_;
    std::size_t n = 0;
    for (bool more = true; more; ++n) {
      if (n == fields_.size()) fields_.emplace_back();
      read_field(fields_[n]);
      more = at_ < text_.size() && text_[at_] == separator_;
      at_ += more ? 1 : 0;
    }
    fields_.resize(n);
    if (at_ < text_.size()) end_line();
    if (std::all_of(fields_.begin(), fields_.end(), [](const auto& f) { return f.empty(); })) continue;
    if (columns_ == 0) columns_ = n;
    if (n != columns_) {
      fail(ErrorKind::input,
           "{}: {} fields, the header has {}; the separator seen is {}: quote fields that "
           "contain it",
           where(), n, columns_, separator());
    }
    return true;
  }
  return false;
}

std::string CsvReader::text(std::size_t i) {
  const std::string_view field = without_blanks(fields_.at(i));
  if (is_utf8(field)) return std::string(field);
  if (foreign_line_ == 0) foreign_line_ = line_;
  return from_windows_1252(field);
}

std::string CsvReader::where() const { return fmt::format("{}:{}", path_, line_); }

std::string CsvReader::separator() const {
  return separator_ == '\t' ? "tab" : fmt::format("\"{}\"", separator_);
}

std::size_t CsvReader::column(const std::string& name) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < fields_.size(); ++i) names.push_back(column_key(text(i)));
  const auto at = std::find(names.begin(), names.end(), column_key(name));
  if (at == names.end()) {
    fail(ErrorKind::input, "{}: no column \"{}\"; the nearest is \"{}\": rename it if it is the same",
         where(), name, nearest(name, names));
  }
  return static_cast<std::size_t>(at - names.begin());
}

std::string CsvReader::encoding_note() const {
  if (foreign_line_ == 0) return "";
  return fmt::format("{}:{}: not UTF-8; its text is read as Windows-1252 (Latin-1)", path_, foreign_line_);
}

std::vector<CsvRow> read_csv(const std::filesystem::path& path) {
  std::vector<CsvRow> rows;
  for (CsvReader reader(path); reader.next();) rows.push_back({reader.line(), reader.fields()});
  return rows;
}

std::string column_key(std::string_view name) {
  std::string key(without_blanks(name));
  std::transform(key.begin(), key.end(), key.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return key;
}

std::string csv_exact(std::string_view text) {
  if (text.find_first_of(",;|\t\"\r\n") == std::string_view::npos && !text.starts_with(' ') &&
      !text.ends_with(' '))
    return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string csv_field(std::string_view text) {
  std::string field = printable(text);
  if (!field.empty() && std::string_view("=+-@").find(field[0]) != std::string_view::npos)
    field.insert(0, 1, '\'');
  if (field.find_first_of(",;\"") == std::string::npos && !field.starts_with(' ')) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

}  // namespace melgrad
