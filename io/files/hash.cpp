#include "io/files/hash.h"

#include <memory>
#include <optional>
#include <vector>
#include <xxhash.h>

#include "io/files/text_file.h"
#include "kernels/error.h"

namespace melgrad {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;

std::uint64_t xxh3(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint64_t xxh3_of_file(const std::filesystem::path& path) {
  std::optional<RegularFile> file;
  try {
    file.emplace(path, kMostBytes);
  } catch (const Error&) {
    return 0;
  }
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<char> block(1 << 20);
  std::size_t bytes = file->read(0, block.data(), block.size());
  for (std::uint64_t at = bytes; bytes > 0; at += bytes) {
    XXH3_64bits_update(state.get(), block.data(), bytes);
    bytes = file->read(at, block.data(), block.size());
  }
  return XXH3_64bits_digest(state.get());
}

}  // namespace melgrad
