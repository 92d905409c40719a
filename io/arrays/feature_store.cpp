#include "io/arrays/feature_store.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <span>
#include <unordered_set>

#include "io/files/atomic_file.h"
#include "io/files/hash.h"
#include "io/files/user_folder.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// Raise it when decoding or features change: what older programs kept is then not found and goes with time.
constexpr int kMadeBy = 1;

std::uint64_t xxh3_of(const std::string& text) { return xxh3(std::as_bytes(std::span(text))); }

// All that decides the features of a file, as the beginning of a name. The preset is only a label.
std::string made_how(const Cache& head, const std::string& device) {
  std::string text = fmt::format("{} {} {} {} ", kMadeBy, device, name_of(head.dtype), head.bands);
  for (const auto& [field, value] : mel_fields(head.mel)) {
    if (field != "preset") text += field + "=" + value + " ";
  }
  return fmt::format("{:016x}-", xxh3_of(text));
}

std::unordered_set<std::uint64_t> files_of(const Cache& cache) {
  std::unordered_set<std::uint64_t> files;
  for (const CacheItem& item : cache.items) files.insert(item.source.file);
  return files;
}

std::string name_for(const Cache& cache, const std::string& device) {
  const auto files = files_of(cache);
  std::vector<std::uint64_t> sorted(files.begin(), files.end());
  std::sort(sorted.begin(), sorted.end());
  return fmt::format("{}{:016x}.h5", made_how(cache, device), xxh3(std::as_bytes(std::span(sorted))));
}

bool holds_all(const std::unordered_set<std::uint64_t>& files, const Cache& other) {
  return std::all_of(other.items.begin(), other.items.end(),
                     [&](const CacheItem& item) { return files.contains(item.source.file); });
}

std::uint64_t bytes_in(const std::string& text) {
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const std::string_view unit(end, static_cast<std::size_t>(last - end));
  const std::size_t power = unit.empty() ? 0 : std::string_view("KMGT").find(unit[0]) + 1;
  if (error != std::errc{} || unit.size() > 1 || power > 4 || number >> (63 - 10 * power) != 0)
    fail(ErrorKind::usage, "MELGRAD_CACHE_BYTES={}: must be a number of bytes, or one with K, M, G or T",
         text);
  return number << (10 * power);
}

}  // namespace

std::optional<FeatureStore> FeatureStore::of_user() {
  const char* const size = std::getenv("MELGRAD_CACHE_BYTES");
  const std::uint64_t bytes = size == nullptr || *size == 0 ? kMaxBytes : bytes_in(size);
  const auto folder = user_folder("MELGRAD_CACHE", "XDG_CACHE_HOME", ".cache", "melgrad");
  return folder ? std::optional(FeatureStore(*folder, bytes)) : std::nullopt;
}

std::vector<FeatureStore::Kept> FeatureStore::all() const {
  std::vector<Kept> kept;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // another process may remove what this one lists
    const Kept one{at->path().string(), at->file_size(gone), at->last_write_time(gone)};
    if (!gone && at->path().extension() == ".h5") kept.push_back(one);
  }
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) {
    return std::tie(b.last_used, a.path) < std::tie(a.last_used, b.path);
  });
  return kept;
}

std::vector<std::string> FeatureStore::made_like(const Cache& head, const std::string& device) const {
  const std::string start = made_how(head, device);
  std::vector<std::string> paths;
  for (const Kept& kept : all()) {
    if (fs::path(kept.path).filename().string().starts_with(start)) paths.push_back(kept.path);
  }
  return paths;
}

void FeatureStore::keep(const std::string& path, const std::string& device) const {
  const Cache cache = read_cache(path, {.features = false});
  if (cache.items.empty()) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) fail(ErrorKind::output, "{}: cannot be created: {}", folder_.string(), error.message());
  const std::string kept = (folder_ / name_for(cache, device)).string();
  link_or_copy(path, kept);  // also where one of this name is there: it may be damaged
  fs::last_write_time(kept, fs::file_time_type::clock::now(), error);

  const auto files = files_of(cache);
  for (const std::string& other : made_like(cache, device)) {
    if (other == kept) continue;
    try {
      if (holds_all(files, read_cache(other, {.features = false}))) fs::remove(other, error);
    } catch (const Error&) {
      fs::remove(other, error);  // damaged
    }
  }
  std::uint64_t bytes = 0;
  for (const Kept& one : all()) {
    bytes += one.bytes;
    if (bytes > max_bytes_) fs::remove(one.path, error);
  }
}

void FeatureStore::clear() const {
  for (const Kept& one : all()) {
    std::error_code error;
    if (!fs::remove(one.path, error) && error)
      fail(ErrorKind::output, "{}: cannot be removed: {}", one.path, error.message());
  }
}

}  // namespace melgrad
