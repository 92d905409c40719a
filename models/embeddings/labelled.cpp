#include "models/embeddings/labelled.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include "io/datasets/column_table.h"
#include "io/datasets/dataset.h"
#include "io/files/hash.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

// What is known of the track that begins at a row; nothing if it plays no part.
using About = std::function<std::optional<CacheItem>(std::int64_t row)>;

Cache cache_of(const EmbeddingTable& table, const About& about) {
  Cache cache;
  cache.mel.preset = "imported";
  cache.dtype = DType::f32;
  cache.bands = table.width;
  std::vector<std::int64_t> rows(table.names.size());
  std::iota(rows.begin(), rows.end(), 0);
  const auto name_at = [&](std::int64_t row) -> const std::string& {
    return table.names[static_cast<std::size_t>(row)];
  };
  std::stable_sort(rows.begin(), rows.end(), [&](auto a, auto b) { return name_at(a) < name_at(b); });
  std::vector<float> values;
  for (std::size_t first = 0, end = 0; first < rows.size(); first = end) {
    while (end < rows.size() && name_at(rows[end]) == name_at(rows[first])) ++end;
    std::optional<CacheItem> item = about(rows[first]);
    if (!item) continue;
    item->name = name_at(rows[first]);
    item->first_row = std::ssize(values) / table.width;
    item->rows = static_cast<std::int64_t>(end - first);
    const std::size_t begin = values.size();
    for (std::size_t k = first; k < end; ++k)
      values.insert(values.end(), table.row(rows[k]).begin(), table.row(rows[k]).end());
    item->digest = xxh3(std::as_bytes(std::span(values).subspan(begin)));
    cache.items.push_back(std::move(*item));
  }
  cache.features =
      HostArray::of<float>({std::ssize(values) / table.width, table.width}, std::span<const float>(values));
  return cache;
}

std::int64_t count_of(const std::vector<std::uint8_t>& labels) {
  return std::count(labels.begin(), labels.end(), 1);
}

// In sets of genres a track without one is of no use; where others have several, none is an answer too.
void leave_out_unlabelled(Cache& cache, const std::string& path, const Notes& notes) {
  const auto has = [](std::int64_t least) {
    return [least](const CacheItem& item) { return count_of(item.labels) >= least; };
  };
  if (std::none_of(cache.items.begin(), cache.items.end(), has(1)))
    fail(ErrorKind::input, "{}: no track has a label; give --labels", path);
  if (std::any_of(cache.items.begin(), cache.items.end(), has(2))) return;
  const auto left_out =
      std::erase_if(cache.items, [](const CacheItem& item) { return count_of(item.labels) == 0; });
  if (left_out > 0) note(notes, "{}: {} tracks without a label are left out", path, left_out);
}

std::vector<std::string> names_of(const DataSet& set) {
  std::vector<std::string> names;
  for (const Track& track : set.tracks) names.push_back(track.name);
  return names;
}

}  // namespace

Cache labelled(const EmbeddingTable& table, const Notes& notes) {
  if (table.labels.empty()) fail(ErrorKind::input, "{}: has no labels; give --labels", table.path);
  std::vector<std::string> columns;
  for (const auto& [column, cells] : table.columns)
    if (column != "split") columns.push_back(column);
  const auto split = table.columns.find("split");
  Cache cache = cache_of(table, [&](std::int64_t row) -> std::optional<CacheItem> {
    const auto at = static_cast<std::size_t>(row), classes = table.classes.size();
    CacheItem item;
    item.labels.assign(table.labels.begin() + static_cast<std::ptrdiff_t>(at * classes),
                       table.labels.begin() + static_cast<std::ptrdiff_t>((at + 1) * classes));
    if (split != table.columns.end()) item.split = split->second[at];
    for (const std::string& column : columns) item.columns.push_back(table.columns.at(column)[at]);
    return item;
  });
  cache.classes = table.classes;
  cache.columns = columns;
  leave_out_unlabelled(cache, table.path, notes);
  return cache;
}

Cache labelled(const EmbeddingTable& table, const DataSet& set, const Notes& notes) {
  const TrackNames tracks(names_of(set));
  const ClassIndex index(set.classes);
  std::map<const Track*, std::string> taken;
  std::vector<std::string> unknown;
  Cache cache = cache_of(table, [&](std::int64_t row) -> std::optional<CacheItem> {
    const std::string& name = table.names[static_cast<std::size_t>(row)];
    const auto place = tracks.find(name);
    if (!place) {
      unknown.push_back(name);
      return std::nullopt;
    }
    const Track* track = &set.tracks[*place];
    const auto [at, fresh] = taken.emplace(track, name);
    if (!fresh)
      fail(ErrorKind::input, "{}: {} and {} are both {} of the labels", table.path, at->second, name,
           track->name);
    CacheItem item;
    item.labels.assign(set.classes.size(), 0);
    for (const std::string& label : track->labels) item.labels[index(label)] = 1;
    item.split = track->split;
    item.columns = track->columns;
    return item;
  });
  if (cache.items.empty())
    fail(ErrorKind::input, "{}: none of its names is among the labels, which have {}; its first is {}",
         table.path, set.tracks.empty() ? "none" : set.tracks.front().name,
         table.names.empty() ? "none" : table.names.front());
  if (!unknown.empty())
    note(notes, "{}: {} tracks are not among the labels (the first: {})", table.path, unknown.size(),
         unknown[0]);
  if (taken.size() < set.tracks.size())
    note(notes, "{}: has {} of the {} tracks of the labels", table.path, taken.size(), set.tracks.size());
  cache.classes = set.classes;
  cache.columns = set.columns;
  leave_out_unlabelled(cache, table.path, notes);
  return cache;
}

}  // namespace melgrad
