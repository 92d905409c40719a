// XXH3 digests and TensorFlow's checksum: integrity and identity, not security.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/files/file_part.h"

namespace melgrad {

std::uint64_t xxh3(std::span<const std::byte> bytes);
// Of a list: each text stands behind its length, so that no two lists are the same.
std::uint64_t xxh3_of_texts(const std::vector<std::string>& texts);
// Of a file's content; 0, unknown, if it cannot be read or has more than 4 GB. Fast enough (several GB/s) to
// ask before decoding anything.
std::uint64_t xxh3_of_file(const FilePart& part);

// Castagnoli's CRC, reflected polynomial 82f63b78 (RFC 3720, B.4): "123456789" has e3069283.
std::uint32_t crc32c(std::string_view bytes);
// As TensorFlow's files have it: rotated and moved on, so that a checksum of data that holds checksums says
// something.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace melgrad
