#include "io/arrays/cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <unordered_set>

#include "io/arrays/cache_file.h"
#include "io/arrays/hdf5.h"
#include "io/files/atomic_file.h"
#include "io/files/hash.h"

namespace melgrad {
namespace {

constexpr const char* kFormat = "melgrad-cache";
constexpr std::int64_t kVersion = 1;
constexpr const char* kMelPrefix = "mel_";

std::int64_t total_rows(const Cache& cache) {
  std::int64_t rows = 0;
  for (const CacheItem& item : cache.items) rows = std::max(rows, item.first_row + item.rows);
  return rows;
}

template <typename T, typename Member>
std::vector<T> column(const std::vector<CacheItem>& items, Member member) {
  std::vector<T> values;
  values.reserve(items.size());
  for (const CacheItem& item : items) values.push_back(item.*member);
  return values;
}

std::string column_name(std::size_t c) { return fmt::format("/items/column{}", c); }

// Only if there are any: older caches have none, and caches without them are the same bytes as ever.
void write_columns(H5File& file, const Cache& cache) {
  if (cache.columns.empty()) return;
  file.write("/columns", cache.columns);
  for (std::size_t c = 0; c < cache.columns.size(); ++c) {
    std::vector<std::string> values;
    for (const CacheItem& item : cache.items) {
      require(item.columns.size() == cache.columns.size(), "{}: item '{}' has {} values for {} columns",
              file.path(), item.name, item.columns.size(), cache.columns.size());
      values.push_back(item.columns[c]);
    }
    file.write(column_name(c), values);
  }
}

void read_columns(const H5File& file, Cache& cache) {
  if (!file.has("/columns")) return;
  cache.columns = file.read_text("/columns");
  for (std::size_t c = 0; c < cache.columns.size(); ++c) {
    auto values = file.read_text(column_name(c), std::ssize(cache.items));
    for (std::size_t i = 0; i < cache.items.size(); ++i)
      cache.items[i].columns.push_back(std::move(values[i]));
  }
}

// Fields that came after version 1 and are written only where they differ from what was meant before.
bool later_and_default(const std::string& field, const std::string& value) {
  return field == "mix" && value == "mean";
}

void write_head(H5File& file, const Cache& cache) {
  file.set_format(kFormat, kVersion);
  file.set_attribute("/", "frame_seconds", cache.frame_seconds);
  file.set_attribute("/", "value_scale", cache.value_scale);
  if (cache.part) {
    file.set_attribute("/", "part", cache.part->part.index);
    file.set_attribute("/", "parts", cache.part->part.count);
    file.set_attribute("/", "part_of", cache.part->whole);
  }
  for (const auto& [field, value] : mel_fields(cache.mel))
    if (!later_and_default(field, value)) file.set_attribute("/", kMelPrefix + field, value);
  file.write("/classes", cache.classes);
  file.write("/items/name", column<std::string>(cache.items, &CacheItem::name));
  file.write("/items/first_row", column<std::int64_t>(cache.items, &CacheItem::first_row));
  file.write("/items/rows", column<std::int64_t>(cache.items, &CacheItem::rows));
  file.write("/items/digest", column<std::uint64_t>(cache.items, &CacheItem::digest));
  std::vector<std::uint64_t> files, contents;
  std::vector<std::string> findings;
  for (const CacheItem& item : cache.items) {
    files.push_back(item.source.file);
    contents.push_back(item.source.content);
    findings.push_back(item.source.findings);
  }
  file.write("/items/file", files);
  file.write("/items/content", contents);
  if (std::any_of(findings.begin(), findings.end(), [](const std::string& f) { return !f.empty(); }))
    file.write("/items/findings", findings);
  file.write("/items/split", column<std::string>(cache.items, &CacheItem::split));
  const std::size_t classes = cache.classes.size();
  std::vector<std::uint8_t> labels;
  for (const CacheItem& item : cache.items) {
    require(item.labels.size() == classes, "{}: item '{}' has {} labels for {} classes", file.path(),
            item.name, item.labels.size(), classes);
    labels.insert(labels.end(), item.labels.begin(), item.labels.end());
  }
  file.create_dataset("/items/labels", H5Type(DType::u8),
                      {static_cast<std::int64_t>(cache.items.size()), static_cast<std::int64_t>(classes)})
      .write(labels.data());
  write_columns(file, cache);
  std::vector<std::string> paths, reasons;
  for (const SkippedItem& s : cache.skipped) {
    paths.push_back(s.path);
    reasons.push_back(s.reason);
  }
  file.write("/skipped/path", paths);
  file.write("/skipped/reason", reasons);
}

MelOptions read_mel(const H5File& file) {
  MelOptions mel;
  for (const auto& [field, unused] : mel_fields(MelOptions{})) {
    if (later_and_default(field, unused) && !file.has_attribute("/", kMelPrefix + field)) continue;
    const std::string value = file.text_attribute("/", kMelPrefix + field);
    try {
      if (field == "preset") mel.preset = value;  // a label; "imported" is known to caches only
      else set_mel_field(mel, field, value);
    } catch (const Error& e) {
      fail(ErrorKind::input, "{}: {}", file.path(), e.what());
    }
  }
  return mel;
}

void read_items(const H5File& file, Cache& cache) {
  const auto names = file.read_text("/items/name");
  const auto n = static_cast<std::int64_t>(names.size());
  const auto classes = static_cast<std::int64_t>(cache.classes.size());
  const auto first = file.read_i64("/items/first_row", n), rows = file.read_i64("/items/rows", n);
  const auto digest = file.read_u64("/items/digest", n), source = file.read_u64("/items/file", n),
             content = file.read_u64("/items/content", n);
  const auto split = file.read_text("/items/split", n);
  const auto findings = file.has("/items/findings") ? file.read_text("/items/findings", n)
                                                    : std::vector<std::string>(names.size());
  const H5Dataset stored = file.open_dataset("/items/labels");
  stored.expect(H5Type(DType::u8), {n, classes});
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(n * classes));
  stored.read(labels.data());
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!seen.insert(names[i]).second)
      fail(ErrorKind::input, "{}: item '{}' is there twice", file.path(), names[i]);
    const auto* l = labels.data() + i * cache.classes.size();
    cache.items.push_back({names[i],
                           first[i],
                           rows[i],
                           digest[i],
                           {source[i], content[i], findings[i]},
                           {l, l + cache.classes.size()},
                           split[i],
                           {}});
  }
}

void check_rows(const std::string& path, const Cache& cache, std::int64_t rows) {
  for (const CacheItem& item : cache.items) {
    if (item.first_row < 0 || item.rows < 1 || item.rows > rows || item.first_row > rows - item.rows) {
      fail(ErrorKind::input, "{}: item '{}' has rows {} to {}, the file has {}", path, item.name,
           item.first_row, item.first_row + item.rows, rows);
    }
  }
}

}  // namespace

// ---- shared with the writer (cache_file.h) ----------------------------------------------------------------

H5Dataset open_features(const H5File& file, Cache& cache) {
  H5Dataset features = file.open_dataset("/features");
  const DType dtype = features.type() == H5Type(DType::f16) ? DType::f16 : DType::f32;
  features.expect(H5Type(dtype), {-1, -1});
  cache.dtype = dtype;
  cache.bands = features.shape()[1];
  check_rows(file.path(), cache, features.shape()[0]);
  return features;
}

Cache read_head(const H5File& file) {
  file.expect_format(kFormat, kVersion);
  Cache cache;
  cache.frame_seconds = file.f64_attribute("/", "frame_seconds");
  cache.value_scale = file.f64_attribute("/", "value_scale");
  if (file.has_attribute("/", "parts")) {
    cache.part = {{file.i64_attribute("/", "part"), file.i64_attribute("/", "parts")},
                  file.u64_attribute("/", "part_of")};
    if (const Part& p = cache.part->part; p.index < 0 || p.index >= p.count)
      fail(ErrorKind::input, "{}: is part {} of {}, which cannot be", file.path(), p.index, p.count);
  }
  cache.mel = read_mel(file);
  cache.classes = file.read_text("/classes");
  read_items(file, cache);
  read_columns(file, cache);
  const auto paths = file.read_text("/skipped/path");
  const auto reasons = file.read_text("/skipped/reason", static_cast<std::int64_t>(paths.size()));
  for (std::size_t i = 0; i < paths.size(); ++i) cache.skipped.push_back({paths[i], reasons[i]});
  return cache;
}

std::span<const std::byte> item_bytes(const Cache& cache, const CacheItem& item) {
  const auto row = static_cast<std::size_t>(cache.bands * size_of(cache.dtype));
  return std::span(cache.features.bytes)
      .subspan(static_cast<std::size_t>(item.first_row) * row, static_cast<std::size_t>(item.rows) * row);
}

void write_cache_file(const std::string& path, const Cache& cache,
                      const std::function<void(H5Dataset&)>& write_features) {
  const std::int64_t rows = total_rows(cache);
  AtomicFile target(path);
  H5File file = H5File::create(target.temp_path(), path);
  write_head(file, cache);
  {
    H5Dataset features = file.create_dataset("/features", H5Type(cache.dtype), {rows, cache.bands});
    write_features(features);
  }
  file.close();
  target.commit();
}

std::string cache_difference(const Cache& a, const Cache& b) {
  if ((a.mel.preset == "imported") != (b.mel.preset == "imported")) {
    return fmt::format("mel preset: {} against {}", a.mel.preset, b.mel.preset);
  }
  if (std::string mel = mel_difference(a.mel, b.mel); !mel.empty()) return mel;
  if (a.bands != b.bands) return fmt::format("bands: {} against {}", a.bands, b.bands);
  if (a.dtype != b.dtype) return fmt::format("dtype: {} against {}", name_of(a.dtype), name_of(b.dtype));
  if (a.frame_seconds != b.frame_seconds) {
    return fmt::format("frame_seconds: {} against {}", a.frame_seconds, b.frame_seconds);
  }
  if (a.value_scale != b.value_scale) {
    return fmt::format("value_scale: {} against {}", a.value_scale, b.value_scale);
  }
  return "";
}

// ---- the whole cache at once ------------------------------------------------------------------------------

namespace {

void expect_digest(const std::string& path, const CacheItem& item, std::span<const std::byte> bytes) {
  if (xxh3(bytes) == item.digest) return;
  fail(ErrorKind::input, "{}: item '{}' is damaged (its digest differs); make the cache again", path,
       item.name);
}

}  // namespace

Cache read_cache(const std::string& path, const CacheReadOptions& options) {
  const H5File file = H5File::open(path, options.max_bytes);
  Cache cache = read_head(file);
  const H5Dataset features = open_features(file, cache);
  if (!options.features) return cache;
  cache.features = HostArray(cache.dtype, features.shape());
  features.read(cache.features.bytes.data());
  for (const CacheItem& item : cache.items) expect_digest(path, item, item_bytes(cache, item));
  return cache;
}

// ---- piece by piece ---------------------------------------------------------------------------------------

class CacheFile::Stored final : public Content {
 public:
  explicit Stored(const std::string& path) : file_(H5File::open(path)) {
    description = read_head(file_);
    features_.emplace(open_features(file_, description));
    rows = features_->shape()[0];
    for (const CacheItem& item : description.items) item_at_[item.first_row] = &item;
  }

  void read(std::int64_t first, std::int64_t count, void* to) const override {
    features_->read_rows(first, count, to);
    const auto item = item_at_.find(first);
    if (item == item_at_.end() || item->second->rows != count) return;
    const std::int64_t bytes = count * description.bands * size_of(description.dtype);
    expect_digest(file_.path(), *item->second,
                  {static_cast<const std::byte*>(to), static_cast<std::size_t>(bytes)});
  }

 private:
  H5File file_;
  std::optional<H5Dataset> features_;
  std::unordered_map<std::int64_t, const CacheItem*> item_at_;  // by first row
};

class CacheFile::Held final : public Content {
 public:
  explicit Held(Cache cache) {
    description = std::move(cache);
    rows = total_rows(description);
    for (CacheItem& item : description.items) item.digest = xxh3(item_bytes(description, item));
  }

  void read(std::int64_t first, std::int64_t count, void* to) const override {
    const std::int64_t row = description.bands * size_of(description.dtype);
    std::memcpy(to, description.features.bytes.data() + first * row, static_cast<std::size_t>(count * row));
  }
};

CacheFile::CacheFile(const std::string& path) {
  std::vector<std::string> parts;
  if (!std::filesystem::exists(path)) parts = parts_of(path);
  if (parts.empty()) content_ = std::make_unique<Stored>(path);
  else *this = CacheFile(parts);
}
CacheFile::CacheFile(Cache cache) : content_(std::make_unique<Held>(std::move(cache))) {}
CacheFile::CacheFile(CacheFile&&) noexcept = default;
CacheFile& CacheFile::operator=(CacheFile&&) noexcept = default;
CacheFile::~CacheFile() = default;

const Cache& CacheFile::description() const { return content_->description; }
std::int64_t CacheFile::rows() const { return content_->rows; }
void CacheFile::read(std::int64_t first, std::int64_t count, void* to) const {
  content_->read(first, count, to);
}

HostArray CacheFile::read_all() const {
  const Cache& cache = description();
  HostArray all(cache.dtype, {rows(), cache.bands});
  const std::int64_t row = cache.bands * size_of(cache.dtype);
  for (const CacheItem& item : cache.items)
    read(item.first_row, item.rows, all.bytes.data() + item.first_row * row);
  return all;
}

void write_cache(const std::string& path, const Cache& cache) {
  require(cache.features.dtype == cache.dtype && cache.features.shape.size() == 2 &&
              cache.features.shape[1] == cache.bands && cache.features.shape[0] == total_rows(cache),
          "{}: features do not have the {} rows of {} bands that the items promise", path, total_rows(cache),
          cache.bands);
  Cache sealed = cache;
  sealed.features = {};
  for (CacheItem& item : sealed.items) item.digest = xxh3(item_bytes(cache, item));
  write_cache_file(path, sealed, [&](H5Dataset& features) { features.write(cache.features.bytes.data()); });
}

void expect_mel(const Cache& cache, const MelOptions& wanted, const std::string& path) {
  Cache other = cache;
  other.mel = wanted;
  const std::string difference = cache_difference(cache, other);
  if (difference.empty()) return;
  fail(ErrorKind::input,
       "{}: was made with other features than asked for: {}; extract again or ask for these", path,
       difference);
}

}  // namespace melgrad
