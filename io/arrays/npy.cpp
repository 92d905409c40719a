// The .npy format: a magic number, a header that is a Python dictionary, the elements.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "io/arrays/npz.h"
#include "kernels/error.h"
#include "kernels/math/half.h"

namespace melgrad {
namespace {

constexpr std::size_t kMaxNpyRank = 32;
constexpr std::uint64_t kMaxHeader = 1 << 20, kMaxItem = 1 << 20;

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<std::int64_t> shape;
};

[[noreturn]] void broken(const std::string& label, const std::string& what) {
  fail(ErrorKind::input, "{}: {}", label, what);
}

// What follows 'key': in the header.
std::string_view value_of(const std::string& label, std::string_view header, std::string_view key) {
  auto at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) broken(label, fmt::format("has no '{}' in its header", key));
  header.remove_prefix(at + key.size() + 3);
  at = header.find_first_not_of(' ');
  return at == std::string_view::npos ? std::string_view() : header.substr(at);
}

std::vector<std::int64_t> parse_shape(const std::string& label, std::string_view text) {
  const auto end = text.find(')');
  if (text.empty() || text[0] != '(' || end == std::string_view::npos) broken(label, "has a damaged shape");
  std::vector<std::int64_t> shape;
  for (text = text.substr(1, end - 1); !text.empty();) {
    if (text[0] == ' ' || text[0] == ',') {
      text.remove_prefix(1);
      continue;
    }
    std::int64_t extent = -1;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent < 0 || shape.size() == kMaxNpyRank)
      broken(label, "has a damaged shape");
    shape.push_back(extent);
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  }
  return shape;
}

Header parse_header(const std::string& label, std::string_view text) {
  Header header;
  const std::string_view descr = value_of(label, text, "descr");
  const auto end = descr.empty() || descr[0] != '\'' ? std::string_view::npos : descr.find('\'', 1);
  if (end == std::string_view::npos) broken(label, "has fields (a structured type), which are not read");
  header.descr = descr.substr(1, end - 1);
  header.fortran = value_of(label, text, "fortran_order").starts_with("True");
  header.shape = parse_shape(label, value_of(label, text, "shape"));
  return header;
}

void set_type(const std::string& label, const std::string& descr, NpyArray& array) {
  std::string_view type = descr;
  if (!type.empty() && std::string_view("<|=>").find(type[0]) != std::string_view::npos) {
    if (type[0] == '>') broken(label, "is big-endian; save it with a little-endian type");
    type.remove_prefix(1);
  }
  std::uint64_t size = 0;
  if (type.size() >= 2) std::from_chars(type.data() + 1, type.data() + type.size(), size);
  const char kind = type.empty() ? '?' : type[0];
  const bool known = (kind == 'b' && size == 1) || (kind == 'f' && (size == 2 || size == 4 || size == 8)) ||
                     ((kind == 'u' || kind == 'i') && (size == 1 || size == 2 || size == 4 || size == 8)) ||
                     ((kind == 'U' || kind == 'S') && size <= kMaxItem);
  if (kind == 'O') broken(label, "holds Python objects, which are not read; save it as numbers or text");
  if (!known) broken(label, fmt::format("has type '{}', which is not read", descr));
  array.kind = kind;
  array.itemsize = static_cast<std::int64_t>(kind == 'U' ? 4 * size : size);
}

// Bytes of the elements; throws when they are more than `most`.
std::uint64_t checked_bytes(const std::string& label, const NpyArray& array, std::uint64_t most) {
  auto bytes = static_cast<std::uint64_t>(array.itemsize);
  for (std::int64_t e : array.shape) {
    if (e > 0 && bytes > most / static_cast<std::uint64_t>(e))
      broken(label, "declares more data than it holds");
    bytes *= static_cast<std::uint64_t>(e);
  }
  return bytes;
}

// First axis fastest -> last axis fastest.
void from_fortran(NpyArray& array) {
  const std::size_t rank = array.shape.size(), item = static_cast<std::size_t>(array.itemsize);
  std::vector<std::size_t> stride(rank), index(rank, 0);
  std::size_t step = item;
  for (std::size_t a = 0; a < rank; ++a) {
    stride[a] = step;
    step *= static_cast<std::size_t>(array.shape[a]);
  }
  std::vector<std::byte> sorted(array.bytes.size());
  for (std::size_t to = 0, from = 0; to < sorted.size(); to += item) {
    std::memcpy(&sorted[to], &array.bytes[from], item);
    for (std::size_t a = rank; a-- > 0;) {
      from += stride[a];
      if (++index[a] < static_cast<std::size_t>(array.shape[a])) break;
      from -= stride[a] * index[a];
      index[a] = 0;
    }
  }
  array.bytes = std::move(sorted);
}

void append_utf8(std::string& text, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = 0xFFFD;
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

// Calls `use` with the number at `at`, in its own type.
template <typename Use>
void visit_number(const NpyArray& array, const std::byte* at, Use&& use) {
  const auto as = [&]<typename T>(T value) {
    std::memcpy(&value, at, sizeof value);
    use(value);
  };
  const bool is_signed = array.kind == 'i';
  if (array.kind == 'f') {
    if (array.itemsize == 8) return as(double{});
    if (array.itemsize == 4) return as(float{});
    std::uint16_t half = 0;
    std::memcpy(&half, at, sizeof half);
    return use(half_to_float(half));
  }
  switch (array.itemsize) {
    case 1:
      return is_signed ? as(std::int8_t{}) : as(std::uint8_t{});
    case 2:
      return is_signed ? as(std::int16_t{}) : as(std::uint16_t{});
    case 4:
      return is_signed ? as(std::int32_t{}) : as(std::uint32_t{});
    default:
      return is_signed ? as(std::int64_t{}) : as(std::uint64_t{});
  }
}

}  // namespace

std::int64_t NpyArray::numel() const {
  std::int64_t n = 1;
  for (std::int64_t e : shape) n *= e;
  return n;
}

std::string NpyArray::dtype() const {
  return fmt::format("{}{}", kind, kind == 'U' ? itemsize / 4 : itemsize);
}

void NpyArray::to_float(std::int64_t first, std::int64_t count, float* out) const {
  require(!is_text() && first >= 0 && count >= 0 && first + count <= numel(),
          "NpyArray: {} elements from {} of {} {}", count, first, numel(), dtype());
  const std::byte* at = bytes.data() + first * itemsize;
  for (std::int64_t i = 0; i < count; ++i, at += itemsize) {
    visit_number(*this, at, [&](auto value) { out[i] = static_cast<float>(value); });
  }
}

std::vector<std::int64_t> NpyArray::to_i64() const {
  require(is_integer(), "NpyArray: {} as integers", dtype());
  std::vector<std::int64_t> values(static_cast<std::size_t>(numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    visit_number(*this, bytes.data() + i * static_cast<std::size_t>(itemsize),
                 // NOLINTNEXTLINE(bugprone-signed-char-misuse): a small number, no character
                 [&](auto value) { values[i] = static_cast<std::int64_t>(value); });
  }
  return values;
}

std::vector<std::string> NpyArray::to_text() const {
  require(is_text(), "NpyArray: {} as texts", dtype());
  std::vector<std::string> texts(static_cast<std::size_t>(numel()));
  const auto item = static_cast<std::size_t>(itemsize), unit = std::size_t{kind == 'U' ? 4U : 1U};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t at = i * item; at < (i + 1) * item; at += unit) {
      std::uint32_t c = 0;
      std::memcpy(&c, &bytes[at], unit);
      if (c == 0) break;
      if (unit == 1) texts[i] += static_cast<char>(c);
      else append_utf8(texts[i], c);
    }
  }
  return texts;
}

std::string npy_bytes(const std::vector<std::int64_t>& shape, const std::vector<float>& values) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}",
                                   fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');  // the data begin at a multiple of 64
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  std::string bytes = "\x93NUMPY";
  bytes += '\x01';
  bytes += '\0';
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return bytes;
}

NpyArray parse_npy(const std::string& label, std::uint64_t size,
                   const std::function<void(void*, std::size_t)>& read) {
  std::array<char, 12> head{};
  if (size < head.size()) broken(label, "is not an .npy array");
  read(head.data(), 10);
  if (std::memcmp(head.data(), "\x93NUMPY", 6) != 0) broken(label, "is not an .npy array");
  const int version = static_cast<unsigned char>(head[6]);
  if (version < 1 || version > 3)
    broken(label, fmt::format("is of .npy version {}; 1 to 3 are read", version));
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  if (version > 1) read(&head[10], 2);
  std::uint32_t length = 0;
  std::memcpy(&length, &head[8], length_bytes);
  const std::uint64_t header_bytes = 8 + length_bytes + length;
  if (length > kMaxHeader || header_bytes > size) broken(label, "has a damaged header");
  std::string text(length, '\0');
  read(text.data(), length);
  const Header header = parse_header(label, text);
  NpyArray array;
  set_type(label, header.descr, array);
  array.shape = header.shape;
  const std::uint64_t bytes = checked_bytes(label, array, size - header_bytes);
  if (bytes != size - header_bytes) {
    broken(label, fmt::format("holds {} bytes for {} of {}", size - header_bytes, bytes, header.descr));
  }
  array.bytes.resize(static_cast<std::size_t>(bytes));
  read(array.bytes.data(), array.bytes.size());
  if (header.fortran && array.shape.size() > 1) from_fortran(array);
  return array;
}

}  // namespace melgrad
