// XXH3 digests: integrity and identity, not security.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace melgrad {

std::uint64_t xxh3(std::span<const std::byte> bytes);
// Of a file's content; 0, unknown, if it cannot be read or has more than 4 GB. Fast enough (several GB/s) to
// ask before decoding anything.
std::uint64_t xxh3_of_file(const std::filesystem::path& path);

}  // namespace melgrad
