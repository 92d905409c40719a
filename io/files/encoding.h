// Text as other programs store it, as UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace melgrad {

// The text of a file: a byte order mark is taken off, UTF-16 with one is converted. Bytes that are no UTF-8
// stay. Throws Error (input) that names `path` and what it seems to be: an HDF5 file, UTF-16 without a mark,
// no text at all.
std::string decoded_text(std::string bytes, const std::string& path);

bool is_utf8(std::string_view text);
// Windows-1252, of which printable Latin-1 is a part.
std::string from_windows_1252(std::string_view text);

}  // namespace melgrad
