#include "io/files/hash.h"

#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <vector>
#include <xxhash.h>

#include "io/files/byte_range.h"
#include "kernels/error.h"

namespace melgrad {

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit) table[i] = (table[i] >> 1) ^ ((table[i] & 1) != 0 ? 0x82f63b78U : 0);
    }
    return table;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8U; }

constexpr std::int64_t kMostBytes = std::int64_t{1} << 32;

std::uint64_t xxh3(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t xxh3_of_texts(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += std::to_string(text.size()) + ':' + text;
  return xxh3(std::as_bytes(std::span(all)));
}

std::uint64_t xxh3_of_file(const FilePart& part) {
  std::optional<InputFile> file;
  try {
    file.emplace(part);
  } catch (const Error&) {
    return 0;
  }
  if (file->size() > kMostBytes) return 0;
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<char> block(1 << 20);
  std::size_t bytes = file->read(0, block.data(), block.size());
  for (std::size_t at = bytes; bytes > 0; at += bytes) {
    XXH3_64bits_update(state.get(), block.data(), bytes);
    bytes = file->read(static_cast<std::int64_t>(at), block.data(), block.size());
  }
  return file->error() != 0 ? 0 : XXH3_64bits_digest(state.get());
}

}  // namespace melgrad
