#include "io/files/encoding.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

void append(std::string& out, char32_t c) {
  const auto add = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) add(0xE0 | c >> 12);
    else add(0xF0 | c >> 18), add(0x80 | (c >> 12 & 0x3F));
    add(0x80 | (c >> 6 & 0x3F));
  }
  add(0x80 | (c & 0x3F));
}

// Half a pair of surrogates becomes U+FFFD.
std::string from_utf16(std::string_view bytes, bool little_endian) {
  const auto unit = [&](std::size_t i) -> char32_t {
    const auto first = static_cast<unsigned char>(bytes[i]),
               second = static_cast<unsigned char>(bytes[i + 1]);
    return little_endian ? first | second << 8U : second | first << 8U;
  };
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    char32_t c = unit(i);
    const char32_t next = i + 3 < bytes.size() ? unit(i + 2) : 0;
    if (c >= 0xD800 && c < 0xDC00 && next >= 0xDC00 && next < 0xE000) {
      c = 0x10000 + ((c - 0xD800) << 10) + (next - 0xDC00);
      i += 2;
    } else if (c >= 0xD800 && c < 0xE000) {
      c = 0xFFFD;
    }
    append(out, c);
  }
  return out;
}

}  // namespace

std::string decoded_text(std::string bytes, const std::string& path) {
  if (bytes.starts_with("\x89HDF"))
    fail(ErrorKind::input, "{}: is an HDF5 file, perhaps a cache, and no table; give the audio or a manifest",
         path);
  const bool little = bytes.starts_with("\xFF\xFE"), big = bytes.starts_with("\xFE\xFF");
  if (little || big) bytes = from_utf16(std::string_view(bytes).substr(2), little);
  else if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
  const std::size_t zero = bytes.find('\0');
  if (zero == std::string::npos) return bytes;
  // Half of UTF-16's bytes are 0 where the text is Latin.
  const std::string_view start = std::string_view(bytes).substr(0, 256);
  const bool utf16 = std::count(start.begin(), start.end(), '\0') * 3 > std::ssize(start);
  fail(ErrorKind::input, "{}:{}: {}; save the table as UTF-8", path,
       1 + std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(zero), '\n'),
       utf16 ? "is UTF-16 or UTF-32 without a byte order mark, or no text"
             : "holds a byte 0, so it is no text");
}

bool is_utf8(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  return ascii || as_utf8(text) == text;
}

std::string from_windows_1252(std::string_view text) {
  // What stands in Latin-1's place for controls, 0x80 to 0x9F.
  constexpr char32_t kOwn[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                 0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                 0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    append(out, byte >= 0x80 && byte < 0xA0 ? kOwn[byte - 0x80] : byte);
  }
  return out;
}

}  // namespace melgrad
