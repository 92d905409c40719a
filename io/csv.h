// CSV as RFC 4180 has it: comma-separated, fields optionally in double quotes (a quote inside is doubled;
// commas and line breaks may stand inside quotes), lines ending in LF or CRLF. A byte order mark and blank
// lines are skipped.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace melgrad {

struct CsvRow {
  std::size_t line = 0;  // where it starts, from 1
  std::vector<std::string> fields;
};

// Throws Error (input) with the line for a quote that is never closed or text behind a closing quote.
std::vector<CsvRow> read_csv(const std::filesystem::path& path);

// A text as one field of a table to be written: printable (kernels/text.h), quoted where it must be, and with
// a ' before it where a spreadsheet would take it for a formula (= + - @ first). Numbers are written without
// this.
std::string csv_field(std::string_view text);

}  // namespace melgrad
