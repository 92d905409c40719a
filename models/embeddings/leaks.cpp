#include "models/embeddings/leaks.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <set>

#include "io/files/json.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

// Beyond it, each with each takes minutes.
constexpr std::size_t kMostCompared = 30000;
constexpr double kNearly = 0.98;

// Means of each track's rows, standardised over the tracks, of length 1: [tracks, width].
std::vector<float> directions(const Cache& cache) {
  const auto width = static_cast<std::size_t>(cache.bands);
  const auto rows = cache.features.as<float>();
  std::vector<float> out;
  for (const CacheItem& item : cache.items) {
    std::vector<double> mean(width);
    for (std::int64_t r = item.first_row; r < item.first_row + item.rows; ++r)
      for (std::size_t j = 0; j < width; ++j) mean[j] += rows[static_cast<std::size_t>(r) * width + j];
    for (const double sum : mean) out.push_back(static_cast<float>(sum / static_cast<double>(item.rows)));
  }
  const std::size_t tracks = cache.items.size();
  for (std::size_t j = 0; j < width; ++j) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < tracks; ++i) {
      const double v = out[i * width + j];
      sum += v;
      squares += v * v;
    }
    const double mean = sum / static_cast<double>(tracks);
    const double deviation = std::sqrt(std::max(0.0, squares / static_cast<double>(tracks) - mean * mean));
    for (std::size_t i = 0; i < tracks; ++i) {
      float& v = out[i * width + j];
      v = deviation > 0 ? static_cast<float>((v - mean) / deviation) : 0;
    }
  }
  for (std::size_t i = 0; i < tracks; ++i) {
    double length = 0;
    for (std::size_t j = 0; j < width; ++j) length += out[i * width + j] * out[i * width + j];
    for (std::size_t j = 0; j < width && length > 0; ++j)
      out[i * width + j] = static_cast<float>(out[i * width + j] / std::sqrt(length));
  }
  return out;
}

std::vector<std::int32_t> learned_from(const Split& split) {
  std::vector<std::int32_t> tracks = split.train;
  tracks.insert(tracks.end(), split.valid.begin(), split.valid.end());
  return tracks;
}

struct Twin {
  float cosine;
  std::int32_t test, other;
};

std::vector<float> gathered(const std::vector<float>& rows, std::size_t width,
                            std::span<const std::int32_t> tracks) {
  std::vector<float> out;
  for (const std::int32_t t : tracks) {
    const auto at = rows.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(t) * width);
    out.insert(out.end(), at, at + static_cast<std::ptrdiff_t>(width));
  }
  return out;
}

// The test tracks that have a training track so near, with the nearest.
std::vector<Twin> nearly_same(const std::vector<float>& rows, std::size_t width, const Split& split) {
  std::vector<Twin> found;
  const std::vector<std::int32_t> others = learned_from(split);
  const std::vector<float> b = gathered(rows, width, others);
  constexpr std::size_t kBlock = 256;
  std::vector<float> product(kBlock * others.size());
  for (std::size_t first = 0; first < split.test.size() && !others.empty(); first += kBlock) {
    const std::span block(split.test.data() + first, std::min(kBlock, split.test.size() - first));
    const std::vector<float> a = gathered(rows, width, block);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(block.size()),
                static_cast<int>(others.size()), static_cast<int>(width), 1, a.data(),
                static_cast<int>(width), b.data(), static_cast<int>(width), 0, product.data(),
                static_cast<int>(others.size()));
    for (std::size_t i = 0; i < block.size(); ++i) {
      const float* row = product.data() + i * others.size();
      const auto best = static_cast<std::size_t>(std::max_element(row, row + others.size()) - row);
      if (row[best] >= kNearly) found.push_back({row[best], block[i], others[best]});
    }
  }
  return found;
}

// Test tracks of whose `keys` a training track has the same; "" is nothing.
template <typename Key>
std::size_t shared(const std::vector<Key>& keys, const std::vector<Split>& splits) {
  std::size_t count = 0;
  for (const Split& split : splits) {
    std::set<Key> known;
    for (const std::int32_t t : learned_from(split)) known.insert(keys[static_cast<std::size_t>(t)]);
    known.erase(Key{});
    for (const std::int32_t t : split.test) count += known.count(keys[static_cast<std::size_t>(t)]);
  }
  return count;
}

}  // namespace

nlohmann::ordered_json leaks(const TrainingData& data, const Cache& cache, const std::vector<Split>& splits) {
  std::vector<std::uint64_t> digests;
  for (const CacheItem& item : cache.items) digests.push_back(item.digest);
  std::size_t tests = 0;
  for (const Split& split : splits) tests += split.test.size();
  nlohmann::ordered_json out = {{"test_tracks", tests}, {"identical", shared(digests, splits)}};
  if (cache.items.size() <= kMostCompared) {
    std::vector<Twin> found;
    const std::vector<float> rows = directions(cache);
    for (const Split& split : splits)
      for (const Twin& near : nearly_same(rows, static_cast<std::size_t>(cache.bands), split))
        found.push_back(near);
    std::stable_sort(found.begin(), found.end(),
                     [](const Twin& a, const Twin& b) { return a.cosine > b.cosine; });
    auto nearest = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(5, found.size()); ++i)
      nearest.push_back({{"test", data.names()[static_cast<std::size_t>(found[i].test)]},
                         {"other", data.names()[static_cast<std::size_t>(found[i].other)]},
                         {"cosine", decimal(found[i].cosine)}});
    out["nearly"] = {{"threshold", kNearly}, {"tracks", found.size()}, {"nearest", nearest}};
  } else {
    out["nearly"] = nullptr;
  }
  auto& columns = out["columns"] = nlohmann::ordered_json::object();
  for (const std::string& column : data.columns())
    if (column != "fold") columns[column] = shared(data.column(column), splits);
  return out;
}

}  // namespace melgrad
