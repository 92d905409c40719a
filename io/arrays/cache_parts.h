// A cache that several processes made, each of a part of the tracks (extract --part). CacheFile reads the
// parts as one (io/arrays/cache.h), so they need not be put together to be used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace melgrad {

// Whether the HDF5 file is one, and no other table. Throws Error (input) where it cannot be read.
bool is_cache(const std::string& file);
// Whether there is such a cache: a file, or its parts.
bool has_cache(const std::string& path);

// Writes the cache that one process would have made, to the byte. Returns the number of its items. Throws as
// CacheFile does, and Error (output).
std::int64_t merge_caches(const std::vector<std::string>& parts, const std::string& to);

}  // namespace melgrad
