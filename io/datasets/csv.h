// Tables of separated fields, as people's programs write them: RFC 4180 (fields optionally in double quotes,
// a quote inside is doubled, separators and line breaks may stand inside quotes) with a comma, semicolon, tab
// or | between the fields, which the header line tells; lines end in LF, CRLF or CR; UTF-8 or UTF-16 with or
// without a byte order mark. Blank rows are skipped. Read row by row: a table of 300 MB needs little more.
// Text that is no UTF-8 stays as it is in fields(), as it may name a file; text() takes it for Windows-1252.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace melgrad {

class CsvReader {
 public:
  // Throws Error (input) for what is no regular file, too large, or no text.
  explicit CsvReader(const std::filesystem::path& path);

  // The next row; false at the end. Throws Error (input) with the line for a quote that is never closed, text
  // behind a closing quote, or another number of fields than the first row has.
  bool next();
  const std::vector<std::string>& fields() const { return fields_; }
  // Field `i` as UTF-8, without blanks around it.
  std::string text(std::size_t i);
  std::size_t line() const { return line_; }  // where the row starts, from 1
  std::string where() const;                  // "tracks.csv:17"
  // "," or "tab", for messages
  std::string separator() const;
  // Position of a column in the current row, which is a header; case and blanks around it play no part.
  // Throws Error (input) that names the nearest column there is.
  std::size_t column(const std::string& name);
  // A line that says where text was taken for Windows-1252, "" if nowhere.
  std::string encoding_note() const;

 private:
  char find_separator() const;
  bool at_line_end() const { return text_[at_] == '\n' || text_[at_] == '\r'; }
  void read_field(std::string& value);
  void end_line();

  std::string path_, text_;
  char separator_ = ',';
  std::size_t at_ = 0, next_line_ = 1, line_ = 0, columns_ = 0, foreign_line_ = 0;
  std::vector<std::string> fields_;
};

struct CsvRow {
  std::size_t line = 0;  // where it starts, from 1
  std::vector<std::string> fields;
};
// The whole table at once.
std::vector<CsvRow> read_csv(const std::filesystem::path& path);

// In lower case, without blanks around it: how names of columns are compared.
std::string column_key(std::string_view name);

// A text as one field of a table that programs read back: quoted where it must be, and else as it is.
std::string csv_exact(std::string_view text);
// A text as one field of a table to be written: printable (kernels/text.h), quoted where it must be, and with
// a ' before it where a spreadsheet would take it for a formula (= + - @ first). Numbers are written without
// this.
std::string csv_field(std::string_view text);

}  // namespace melgrad
