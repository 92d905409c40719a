#include "io/audio/flac_frames.h"

#include <bit>
#include <limits>
#include <optional>

namespace melgrad {
namespace {

constexpr std::size_t kLongest = 16;  // bytes of a header

std::uint8_t crc8(std::string_view bytes) {
  std::uint8_t crc = 0;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = static_cast<std::uint8_t>(crc << 1 ^ (crc & 0x80 ? 0x07 : 0));
  }
  return crc;
}

// The first sample of the frame whose header begins with `bytes`, by `blocksize` where frames are numbered.
std::optional<std::int64_t> first_sample(std::string_view bytes, std::int64_t blocksize) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  if (bytes.size() < 6 || at(0) != 0xFF || (at(1) & 0xFE) != 0xF8) return std::nullopt;
  const int size_code = at(2) >> 4, rate_code = at(2) & 15;
  if (size_code == 0 || rate_code == 15 || (at(3) & 1) != 0) return std::nullopt;
  // The number is coded as UTF-8 codes a character, up to 7 bytes.
  const int ones = std::countl_one(at(4));
  const std::size_t length = ones == 0 ? 1 : static_cast<std::size_t>(ones);
  if (ones == 1 || ones == 8) return std::nullopt;
  const std::size_t more = (size_code == 6   ? 1
                            : size_code == 7 ? 2
                                             : 0) +
                           (rate_code == 12                      ? 1
                            : rate_code == 13 || rate_code == 14 ? 2
                                                                 : 0);
  const std::size_t end = 4 + length + more;
  if (bytes.size() <= end || crc8(bytes.substr(0, end)) != at(end)) return std::nullopt;
  std::int64_t number = ones == 0 ? at(4) : at(4) & (0x7F >> ones);
  for (std::size_t i = 1; i < length; ++i) number = number << 6 | (at(4 + i) & 0x3F);
  return (at(1) & 1) != 0 ? number : number * blocksize;
}

}  // namespace

bool flac_goes_on_after(const InputFile& file, std::int64_t sample, std::int64_t promised) {
  ByteWalker bytes(file);
  const std::int64_t blocksize = bytes.u32_be(8) & 0xFFFF;  // the largest, of STREAMINFO
  const std::int64_t end = promised > 0 ? promised : std::numeric_limits<std::int64_t>::max();
  for (std::int64_t at = 0; at < bytes.size(); ++at) {
    const std::string_view ahead = bytes.peek(at, kLongest);
    if (ahead.empty() || ahead[0] != '\xFF') continue;
    const auto first = first_sample(ahead, blocksize);
    if (first && *first > sample && *first < end) return true;
  }
  return false;
}

}  // namespace melgrad
