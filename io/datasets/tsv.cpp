#include "io/datasets/tsv.h"

#include <algorithm>

#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

std::string_view unquoted(std::string_view field) {
  const bool quoted = field.size() >= 2 && field.front() == '"' && field.back() == '"';
  return quoted ? field.substr(1, field.size() - 2) : field;
}

}  // namespace

TsvReader::TsvReader(const std::filesystem::path& path) : path_(path), text_(read_text_file(path)) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

bool TsvReader::next() {
  while (at_ < text_.size()) {
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view line(text_.data() + at_, end - at_);
    at_ = end + 1;
    ++line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    row_.clear();
    for (std::size_t from = 0; from <= line.size();) {
      const std::size_t to = std::min(line.find('\t', from), line.size());
      row_.push_back(unquoted(line.substr(from, to - from)));
      from = to + 1;
    }
    return true;
  }
  return false;
}

std::string TsvReader::where() const { return fmt::format("{}:{}", path_.string(), line_); }

std::size_t TsvReader::column(const std::string& name) const {
  const auto at = std::find(row_.begin(), row_.end(), name);
  if (at == row_.end()) {
    fail(ErrorKind::input, "{}: no column \"{}\"; the nearest is \"{}\": rename it if it is the same",
         where(), name, nearest(name, {row_.begin(), row_.end()}));
  }
  return static_cast<std::size_t>(at - row_.begin());
}

std::string TsvReader::text_of(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const bool escapes = (field[i] == '"' || field[i] == '\\') && i + 1 < field.size() && field[i + 1] == '"';
    if (escapes) ++i;
    text += field[i];
  }
  text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace melgrad
