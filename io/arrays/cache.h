// The spectrogram cache: the features of a whole data set in one HDF5 file, with everything that says how
// they were made (io/README.md has the schema). Features are [rows, bands], frame after frame, item after
// item. A cache is written by CacheWriter while tracks are being decoded (resumable, survives a kill at any
// time), or at once by write_cache. Every item carries the XXH3 digest of its stored features. Several
// threads may call a CacheWriter's functions; apart from that HDF5's rule holds (io/arrays/hdf5.h).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "io/arrays/cache_content.h"
#include "io/files/folder_lock.h"

namespace melgrad {

class CacheFiles;  // cache_file.h

struct CacheReadOptions {
  bool features = true;  // false: the description only, fast whatever the size
  std::int64_t max_bytes = std::int64_t{1} << 38;
};

// Throws Error (input) that names the file and the damaged item.
Cache read_cache(const std::string& path, const CacheReadOptions& options = {});
// A cache whose features stay in the file: memory does not grow with the data set.
class CacheFile {
 public:
  // Reads the description. Where there is no such file, but its parts are (io/files/part.h), these. Throws
  // Error (input) naming the file, as read_cache does.
  explicit CacheFile(const std::string& path);
  // The parts of one cache as the whole. Throws Error (input): one is missing, there twice, or not of it.
  explicit CacheFile(const std::vector<std::string>& parts);
  // One that was never a file; computes the items' digests.
  explicit CacheFile(Cache cache);
  CacheFile(CacheFile&&) noexcept;
  CacheFile& operator=(CacheFile&&) noexcept;
  ~CacheFile();

  const Cache& description() const;  // without features, if they are in a file
  std::int64_t rows() const;         // of all features
  // Rows [first, first + count) as they are stored. Whole items are checked against their digest, parts of
  // them by the checksums of the file. Throws Error (input) that names the file and the damaged item.
  void read(std::int64_t first, std::int64_t count, void* to) const;
  // All of them.
  HostArray read_all() const;

 private:
  class Content;
  class Stored;
  class Held;
  class Joined;
  std::unique_ptr<Content> content_;
};

// Computes the items' digests.
void write_cache(const std::string& path, const Cache& cache);
// Throws Error (input) naming the first field of `wanted` that the cache was not made with. `path` is for the
// message.
void expect_mel(const Cache& cache, const MelOptions& wanted, const std::string& path);

// What is known about an item besides its features.
struct CacheEntry {
  std::string name;
  std::vector<std::uint8_t> labels;  // [classes]
  std::string split;
  std::vector<std::string> columns = {};  // as Cache::columns
};

// Collects items in shards, small caches in the folder <path>.partial, each written atomically. A new writer
// for the same path takes over what an earlier one left there, and what the cache at `path` itself holds:
// items whose digest is right are done, others are done again. finish() puts the cache together.
class CacheWriter {
 public:
  // `head` describes the cache and has no items. Throws Error (input) naming the field when the cache or the
  // shards that exist were made with other options, Error (output) when another process is at work on it.
  CacheWriter(std::string path, Cache head);
  ~CacheWriter();  // keeps what was added so far in a shard, for the next run
  CacheWriter(const CacheWriter&) = delete;
  CacheWriter& operator=(const CacheWriter&) = delete;

  // Another finished cache whose features were made alike: where its items are intact they are taken over, by
  // the digest of their audio file. What cannot be read of it is left.
  void lend(const std::string& cache);

  // What the item was made of if it is done already, from a file with this digest (0: unknown, so it is not),
  // or a lent cache has at least that many rows of it.
  std::optional<CacheSource> find(const std::string& name, std::uint64_t file, std::int64_t least_rows = 0);
  // Items that earlier runs left, and that are intact.
  std::int64_t resumed() const { return resumed_; }

  // features: [rows, bands]. Throws Error (input) for values that are not finite or that f16 cannot hold.
  void add(const std::string& name, CacheSource source, std::int64_t rows, std::span<const float> features);
  void skip(const std::string& name, const std::string& reason);
  void flush();  // writes what was added so far

  // Writes the cache, its items in the order of `entries`, so that it is the same file whatever the order of
  // work was, and removes the shards. Entries that were skipped are left out; all others must be done.
  // The writer is spent then. Returns the number of items written.
  std::int64_t finish(const std::vector<CacheEntry>& entries);

 private:
  struct Done {
    std::string file;
    std::int64_t first_row, rows;
    std::uint64_t digest;
    CacheSource source;
    bool lent = false;
  };

  void adopt(const std::string& file, bool shard);
  void adopt_items(const Cache& cache, const std::string& file);
  bool is_intact(const Done& item);
  void write_shards();
  Cache plan(const std::vector<CacheEntry>& entries) const;

  std::string path_, folder_;
  Cache head_;              // without items
  Cache pending_;           // items not yet in a shard; features grow
  std::deque<Cache> full_;  // shards to be written
  std::optional<FolderLock> lock_;
  int next_shard_ = 0;
  std::int64_t resumed_ = 0;
  std::unordered_map<std::string, Done> done_;
  std::unordered_map<std::uint64_t, Done> lent_;  // by the digest of the audio file
  std::unique_ptr<CacheFiles> lent_files_;
  std::size_t lenders_ = 0;
  std::unordered_set<std::string> added_;
  mutable std::mutex mutex_;  // of all but what `write_mutex_` guards: files, HDF5 and their number
  std::mutex write_mutex_;    // taken before mutex_
};

}  // namespace melgrad
