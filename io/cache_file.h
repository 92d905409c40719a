// How a cache lies in its file: the parts that read_cache, write_cache and CacheWriter share. Only for these.
#pragma once

#include <functional>

#include "io/cache.h"
#include "io/hdf5.h"

namespace melgrad {

Cache read_head(const H5File& file);                        // all but dtype, bands and features
H5Dataset open_features(const H5File& file, Cache& cache);  // sets dtype and bands, checks the items' rows
std::span<const std::byte> item_bytes(const Cache& cache, const CacheItem& item);

// Atomically; `write_features` is given the empty dataset.
void write_cache_file(const std::string& path, const Cache& cache,
                      const std::function<void(H5Dataset&)>& write_features);
// "" when the features of both caches mean the same, else the first difference.
std::string cache_difference(const Cache& a, const Cache& b);

}  // namespace melgrad
