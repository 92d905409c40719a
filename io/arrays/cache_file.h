// How a cache lies in its file: the parts that read_cache, write_cache and CacheWriter share. Only for these.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>

#include "io/arrays/cache.h"
#include "io/arrays/hdf5.h"

namespace melgrad {

Cache read_head(const H5File& file);                        // all but dtype, bands and features
H5Dataset open_features(const H5File& file, Cache& cache);  // sets dtype and bands, checks the items' rows
std::span<const std::byte> item_bytes(const Cache& cache, const CacheItem& item);

// Atomically; `write_features` is given the empty dataset.
void write_cache_file(const std::string& path, const Cache& cache,
                      const std::function<void(H5Dataset&)>& write_features);
// "" when the features of both caches mean the same, else the first difference.
std::string cache_difference(const Cache& a, const Cache& b);

// Where a CacheFile has its features.
class CacheFile::Content {
 public:
  virtual ~Content() = default;
  virtual void read(std::int64_t first, std::int64_t count, void* to) const = 0;
  Cache description;
  std::int64_t rows = 0;
};

// Reads items of several caches; the `most` files opened last stay open, and stay readable if they are
// removed.
class CacheFiles {
 public:
  explicit CacheFiles(std::size_t most) : most_(most) {}

  void read(const std::string& path, std::int64_t first, std::int64_t rows, std::vector<std::byte>& bytes) {
    auto at = std::find_if(open_.begin(), open_.end(), [&](const Open& o) { return o.file.path() == path; });
    if (at == open_.end()) {
      if (open_.size() == most_) open_.pop_back();
      H5File file = H5File::open(path);
      H5Dataset features = file.open_dataset("/features");
      open_.push_front({std::move(file), std::move(features)});
      at = open_.begin();
    }
    const H5Dataset& features = at->features;
    bytes.resize(static_cast<std::size_t>(rows * features.shape().at(1)) * features.type().bytes);
    features.read_rows(first, rows, bytes.data());
  }

 private:
  struct Open {
    H5File file;
    H5Dataset features;
  };
  std::size_t most_;
  std::deque<Open> open_;
};

}  // namespace melgrad
