#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <limits>
#include <tuple>
#include <utility>

#include "io/arrays/cache.h"
#include "io/arrays/cache_file.h"
#include "io/arrays/hdf5.h"
#include "io/files/atomic_file.h"
#include "io/files/hash.h"
#include "kernels/math/half.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShardItems = 64;
constexpr std::size_t kShardBytes = 64 << 20;
constexpr std::size_t kOpenShards = 4, kLenders = 32;

}  // namespace

CacheWriter::CacheWriter(std::string path, Cache head)
    : path_(std::move(path)),
      folder_(path_ + ".partial"),
      head_(std::move(head)),
      lent_files_(std::make_unique<CacheFiles>(kLenders)) {
  require(head_.items.empty() && head_.bands > 0 && (head_.dtype == DType::f16 || head_.dtype == DType::f32),
          "CacheWriter: {} bands of {}, {} items", head_.bands, name_of(head_.dtype), head_.items.size());
  expect_replaceable(path_);
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) fail(ErrorKind::output, "{}: cannot be created ({})", folder_, error.message());
  lock_.emplace(folder_, path_);
  try {
    if (fs::exists(path_)) adopt(path_, false);
    std::vector<fs::path> shards;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() == ".h5") shards.push_back(entry.path());
    }
    std::sort(shards.begin(), shards.end());  // later shards replace items of earlier ones
    for (const fs::path& shard : shards) adopt(shard.string(), true);
  } catch (...) {
    fs::remove(folder_, error);
    throw;
  }
  resumed_ = static_cast<std::int64_t>(done_.size());
}

CacheWriter::~CacheWriter() {
  try {
    flush();
  } catch (const std::exception&) {  // no room for the last shard: its items will be done again
  }
  std::error_code error;
  if (lock_) fs::remove(folder_, error);  // where no shards are left
}

// Takes over the intact items of a shard or of the finished cache. An unreadable shard is removed.
void CacheWriter::adopt(const std::string& file, bool shard) {
  int number = 0;
  if (shard && std::sscanf(fs::path(file).filename().c_str(), "shard-%d", &number) == 1) {
    next_shard_ = std::max(next_shard_, number + 1);
  }
  std::string difference;
  try {
    const H5File stored = H5File::open(file);
    Cache cache = read_head(stored);
    const H5Dataset features = open_features(stored, cache);
    difference = cache_difference(cache, head_);
    if (difference.empty()) adopt_items(cache, file);
  } catch (const Error& e) {
    if (!shard) fail(ErrorKind::input, "{}; remove it or choose another name for the new cache", e.what());
    fs::remove(file);
  }
  if (difference.empty()) return;
  fail(ErrorKind::input, "{}: was made with other options: {}; remove {} or choose another name", path_,
       difference, shard ? folder_ : path_);
}

void CacheWriter::adopt_items(const Cache& cache, const std::string& file) {
  CacheFiles files(1);
  std::vector<std::byte> bytes;
  for (const CacheItem& item : cache.items) {
    try {
      files.read(file, item.first_row, item.rows, bytes);
    } catch (const Error&) {
      continue;  // a damaged chunk; other items may be intact
    }
    if (xxh3(bytes) != item.digest) continue;
    done_.insert_or_assign(item.name, Done{file, item.first_row, item.rows, item.digest, item.source});
  }
}

void CacheWriter::lend(const std::string& cache) {
  const std::scoped_lock lock(write_mutex_, mutex_);
  if (lenders_ == kLenders) return;  // each stays open
  ++lenders_;
  try {
    const Cache other = read_cache(cache, {.features = false});
    if (!cache_difference(other, head_).empty()) return;
    for (const CacheItem& i : other.items)
      lent_.emplace(i.source.file, Done{cache, i.first_row, i.rows, i.digest, i.source, true});
  } catch (const Error&) {  // it is computed again
  }
}

bool CacheWriter::is_intact(const Done& item) {
  const std::lock_guard reading(write_mutex_);
  try {
    std::vector<std::byte> bytes;
    lent_files_->read(item.file, item.first_row, item.rows, bytes);
    return xxh3(bytes) == item.digest;
  } catch (const Error&) {
    return false;
  }
}

std::optional<CacheSource> CacheWriter::find(const std::string& name, std::uint64_t file,
                                             std::int64_t least_rows) {
  if (file == 0) return {};
  std::optional<Done> lent;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = done_.find(name); at != done_.end() && at->second.source.file == file)
      return at->second.source;
    if (const auto at = lent_.find(file); at != lent_.end()) lent = at->second;
  }
  if (!lent || lent->rows < least_rows || !is_intact(*lent)) return {};
  const std::lock_guard lock(mutex_);
  done_.insert_or_assign(name, *lent);
  return lent->source;
}

void CacheWriter::add(const std::string& name, CacheSource source, std::int64_t rows,
                      std::span<const float> features) {
  require(rows > 0 && static_cast<std::int64_t>(features.size()) == rows * head_.bands,
          "CacheWriter: item '{}' has {} values, not {} rows of {}", name, features.size(), rows,
          head_.bands);
  const float most = head_.dtype == DType::f16 ? 65504.0F : std::numeric_limits<float>::max();
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (std::abs(features[i]) <= most) continue;
    fail(ErrorKind::input, "{}: value {} in row {} cannot be stored as {}{}", name, features[i],
         static_cast<std::int64_t>(i) / head_.bands, name_of(head_.dtype),
         std::isfinite(features[i]) ? "; use f32" : "");
  }
  std::vector<std::byte> bytes(features.size() * static_cast<std::size_t>(size_of(head_.dtype)));
  if (head_.dtype == DType::f16) {
    float_to_half(features.data(), reinterpret_cast<std::uint16_t*>(bytes.data()),
                  static_cast<std::int64_t>(features.size()));
  } else {
    std::memcpy(bytes.data(), features.data(), bytes.size());
  }
  const std::uint64_t digest = xxh3(bytes);

  {
    const std::lock_guard lock(mutex_);
    require(added_.insert(name).second, "CacheWriter: item '{}' was added twice", name);
    CacheItem item{name, 0, rows, digest, source, {}, ""};
    if (!pending_.items.empty())
      item.first_row = pending_.items.back().first_row + pending_.items.back().rows;
    pending_.items.push_back(std::move(item));
    pending_.features.bytes.insert(pending_.features.bytes.end(), bytes.begin(), bytes.end());
    if (pending_.items.size() < kShardItems && pending_.features.bytes.size() < kShardBytes) return;
    full_.push_back(std::exchange(pending_, {}));
  }
  write_shards();
}

void CacheWriter::skip(const std::string& name, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  head_.skipped.push_back({name, reason});
}

void CacheWriter::flush() {
  {
    const std::lock_guard lock(mutex_);
    if (!pending_.items.empty()) full_.push_back(std::exchange(pending_, {}));
  }
  write_shards();
}

// While one thread writes, the others go on adding; whoever fills the next shard meanwhile waits here. A
// shard that could not be written stays, for the next call.
void CacheWriter::write_shards() {
  const std::lock_guard writing(write_mutex_);
  for (;;) {
    const Cache* items = nullptr;
    Cache shard;
    {
      const std::lock_guard lock(mutex_);
      if (full_.empty()) return;
      items = &full_.front();
      shard = head_;
    }
    shard.classes.clear();  // a shard holds features; labels, splits and columns are told at the end
    shard.columns.clear();
    shard.skipped.clear();
    shard.part.reset();
    shard.items = items->items;
    const std::string file = fmt::format("{}/shard-{:06}.h5", folder_, next_shard_);
    write_cache_file(file, shard, [&](H5Dataset& features) { features.write(items->features.bytes.data()); });
    ++next_shard_;
    const std::lock_guard lock(mutex_);
    for (const CacheItem& i : items->items) {
      done_.insert_or_assign(i.name, Done{file, i.first_row, i.rows, i.digest, i.source});
    }
    full_.pop_front();
  }
}

Cache CacheWriter::plan(const std::vector<CacheEntry>& entries) const {
  Cache cache = head_;
  std::sort(cache.skipped.begin(), cache.skipped.end(), [](const SkippedItem& a, const SkippedItem& b) {
    return std::tie(a.path, a.reason) < std::tie(b.path, b.reason);
  });
  std::unordered_set<std::string> skipped;
  for (const SkippedItem& s : cache.skipped) skipped.insert(s.path);
  std::int64_t row = 0;
  std::unordered_set<std::string> seen;
  for (const CacheEntry& entry : entries) {
    require(seen.insert(entry.name).second, "CacheWriter: item '{}' is listed twice", entry.name);
    if (skipped.contains(entry.name)) continue;
    const auto at = done_.find(entry.name);
    require(at != done_.end(), "CacheWriter: item '{}' was never added", entry.name);
    const Done& d = at->second;
    cache.items.push_back(
        {entry.name, row, d.rows, d.digest, d.source, entry.labels, entry.split, entry.columns});
    row += d.rows;
  }
  return cache;
}

std::int64_t CacheWriter::finish(const std::vector<CacheEntry>& entries) {
  flush();
  const std::scoped_lock lock(write_mutex_, mutex_);
  const Cache cache = plan(entries);
  write_cache_file(path_, cache, [&](H5Dataset& to) {
    CacheFiles shards(kOpenShards);
    std::vector<std::byte> bytes;
    for (const CacheItem& item : cache.items) {
      const Done& from = done_.at(item.name);
      (from.lent ? *lent_files_ : shards).read(from.file, from.first_row, from.rows, bytes);
      if (xxh3(bytes) != item.digest) {
        fail(ErrorKind::input, "{}: item '{}' is damaged; run again to do it again", from.file, item.name);
      }
      to.write_rows(item.first_row, item.rows, bytes.data());
    }
  });
  fs::remove_all(folder_);
  lock_.reset();  // from now on a folder of this name is another process's
  return static_cast<std::int64_t>(cache.items.size());
}

}  // namespace melgrad
