#include "io/arrays/cache_parts.h"

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "io/arrays/cache_file.h"
#include "io/files/atomic_file.h"
#include "kernels/error.h"

namespace melgrad {

bool is_cache(const std::string& file) { return H5File::open(file).has("/features"); }

bool has_cache(const std::string& path) { return std::filesystem::exists(path) || !parts_of(path).empty(); }

// The items of all parts by their names, as one process has them.
class CacheFile::Joined final : public Content {
 public:
  explicit Joined(const std::vector<std::string>& paths) {
    std::vector<const PartOf*> which;
    for (const std::string& path : paths) parts_.emplace_back(path);
    for (const CacheFile& part : parts_)
      which.push_back(part.description().part ? &*part.description().part : nullptr);
    expect_all_parts(paths, which);
    description = parts_.at(0).description();
    description.part.reset();
    description.items.clear();
    description.skipped.clear();
    std::vector<Place> places;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const Cache& part = parts_[p].description();
      if (const std::string difference = difference_to(part); !difference.empty())
        fail(ErrorKind::input, "{}: was made otherwise than {}: {}", paths[p], paths[0], difference);
      for (const CacheItem& item : part.items) places.push_back({p, &item});
      description.skipped.insert(description.skipped.end(), part.skipped.begin(), part.skipped.end());
    }
    add_items(places);
    std::sort(description.skipped.begin(), description.skipped.end(), [](const auto& a, const auto& b) {
      return std::tie(a.path, a.reason) < std::tie(b.path, b.reason);
    });
  }

  void read(std::int64_t first, std::int64_t count, void* to) const override {
    const std::int64_t row = description.bands * size_of(description.dtype);
    auto item = std::upper_bound(description.items.begin(), description.items.end(), first,
                                 [](std::int64_t at, const CacheItem& i) { return at < i.first_row; }) -
                1;
    for (std::int64_t done = 0; done < count; ++item) {
      const std::int64_t skip = first + done - item->first_row,
                         some = std::min(item->rows - skip, count - done);
      const From& from = from_[static_cast<std::size_t>(item - description.items.begin())];
      parts_[from.part].read(from.first_row + skip, some, static_cast<char*>(to) + done * row);
      done += some;
    }
  }

 private:
  struct Place {
    std::size_t part;
    const CacheItem* item;
  };
  struct From {
    std::size_t part;
    std::int64_t first_row;
  };

  std::string difference_to(const Cache& part) const {
    if (std::string difference = cache_difference(part, description); !difference.empty()) return difference;
    if (description.classes != part.classes) return "classes";
    return description.columns != part.columns ? "columns" : "";
  }

  void add_items(std::vector<Place>& places) {
    std::sort(places.begin(), places.end(),
              [](const Place& a, const Place& b) { return a.item->name < b.item->name; });
    for (const Place& place : places) {
      CacheItem item = *place.item;
      if (!description.items.empty() && description.items.back().name == item.name)
        fail(ErrorKind::input, "item '{}' is in two parts of the cache; extract them again", item.name);
      from_.push_back({place.part, item.first_row});
      item.first_row = rows;
      rows += item.rows;
      description.items.push_back(std::move(item));
    }
  }

  std::vector<CacheFile> parts_;
  std::vector<From> from_;  // of each item
};

CacheFile::CacheFile(const std::vector<std::string>& parts) : content_(std::make_unique<Joined>(parts)) {}

std::int64_t merge_caches(const std::vector<std::string>& parts, const std::string& to) {
  expect_replaceable(to);
  const CacheFile joined(parts);
  const Cache& cache = joined.description();
  write_cache_file(to, cache, [&](H5Dataset& features) {
    std::vector<std::byte> bytes;
    for (const CacheItem& item : cache.items) {
      bytes.resize(static_cast<std::size_t>(item.rows * cache.bands * size_of(cache.dtype)));
      joined.read(item.first_row, item.rows, bytes.data());
      features.write_rows(item.first_row, item.rows, bytes.data());
    }
  });
  return std::ssize(cache.items);
}

}  // namespace melgrad
