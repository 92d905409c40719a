// Small .npy and .npz files made byte by byte, so that tests need no Python.
#pragma once

#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <span>
#include <string>
#include <utility>
#include <vector>
#include <zlib.h>

namespace melgrad {

template <typename T>
std::string little_endian(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// `descr` as NumPy writes it ("<f4"), `shape` as Python prints it ("(2, 3)").
inline std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                       int version = 1, bool fortran = false) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", descr,
                                   fortran ? "True" : "False", shape);
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  bytes += version == 1 ? little_endian(static_cast<std::uint16_t>(header.size()))
                        : little_endian(static_cast<std::uint32_t>(header.size()));
  return bytes + header + data;
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// <U`width` of ASCII texts.
inline std::string unicode(const std::vector<std::string>& texts, std::size_t width) {
  std::string bytes;
  for (const std::string& t : texts) {
    for (std::size_t i = 0; i < width; ++i) {
      bytes += little_endian(i < t.size() ? static_cast<std::uint32_t>(t[i]) : std::uint32_t{0});
    }
  }
  return bytes;
}

inline std::string deflated(const std::string& data) {
  std::string packed(data.size() + 1000, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string input = data;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

struct ZipOptions {
  bool deflate = false;
  bool zip64 = false;  // sizes in the zip64 fields, directory found through the zip64 records
};

inline std::string zip(const std::vector<std::pair<std::string, std::string>>& files,
                       ZipOptions options = {}) {
  std::string bytes, directory;
  const auto u16 = [](std::size_t v) { return little_endian(static_cast<std::uint16_t>(v)); };
  const auto u32 = [](std::size_t v) { return little_endian(static_cast<std::uint32_t>(v)); };
  const auto u64 = [](std::size_t v) { return little_endian(static_cast<std::uint64_t>(v)); };
  for (const auto& [name, data] : files) {
    const std::string packed = options.deflate ? deflated(data) : data;
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
    const std::size_t offset = bytes.size();
    const std::string wide =
        options.zip64 ? u16(1) + u16(24) + u64(data.size()) + u64(packed.size()) + u64(offset) : "";
    const auto size = [&](std::size_t v) { return u32(options.zip64 ? 0xFFFFFFFF : v); };
    const std::string common = u16(45) + u16(0) + u16(options.deflate ? 8 : 0) + u32(0) + u32(crc) +
                               size(packed.size()) + size(data.size()) + u16(name.size()) + u16(wide.size());
    bytes += "PK\3\4" + common + name + wide + packed;
    directory += "PK\1\2" + u16(45) + common + u16(0) + u16(0) + u16(0) + u32(0) + size(offset) + name + wide;
  }
  const std::size_t at = bytes.size(), n = files.size();
  bytes += directory;
  if (options.zip64) {
    const std::size_t record = bytes.size();
    bytes += "PK\6\6" + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) + u64(n) + u64(n) +
             u64(directory.size()) + u64(at);
    bytes += "PK\6\7" + u32(0) + u64(record) + u32(1);
  }
  return bytes + "PK\5\6" + u16(0) + u16(0) + u16(options.zip64 ? 0xFFFF : n) +
         u16(options.zip64 ? 0xFFFF : n) + u32(directory.size()) + u32(options.zip64 ? 0xFFFFFFFF : at) +
         u16(0);
}

}  // namespace melgrad
