#include "models/embeddings/nearest.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "kernels/ops.h"

namespace melgrad {
namespace {

std::vector<float> mean_of(const EmbeddingTable& table) {
  const auto width = static_cast<std::size_t>(table.width);
  std::vector<double> sum(width, 0.0);
  for (std::size_t i = 0; i < table.values.size(); ++i) sum[i % width] += table.values[i];
  std::vector<float> mean;
  for (const double s : sum) mean.push_back(static_cast<float>(s / static_cast<double>(table.rows())));
  return mean;
}

// Less the mean, of length 1; zeros stay zeros.
void point(std::span<const float> from, const std::vector<float>& mean, float* to) {
  double square = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = from[i] - mean[i];
    square += static_cast<double>(to[i]) * to[i];
  }
  const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(to[i] * scale);
}

}  // namespace

NearestRows::NearestRows(Device& device, const EmbeddingTable& table, bool centre)
    : device_(&device),
      mean_(centre ? mean_of(table) : std::vector<float>(static_cast<std::size_t>(table.width), 0.0F)),
      slab_(device, {{&rows_, {table.rows(), table.width}},
                     {&vector_, {1, table.width}},
                     {&zero_, {1}},
                     {&product_, {table.rows(), 1}}}) {
  constexpr std::int64_t kRows = 4096;  // on the way at a time
  std::vector<float> some(static_cast<std::size_t>(kRows * table.width));
  for (std::int64_t first = 0; first < table.rows(); first += kRows) {
    const std::int64_t count = std::min(kRows, table.rows() - first);
    for (std::int64_t i = 0; i < count; ++i)
      point(table.row(first + i), mean_, some.data() + i * table.width);
    device.to_device(rows_.span(first * table.width, count * table.width, {count, table.width}), some.data());
  }
  device.ops().fill(zero_, 0.0F);
}

std::vector<float> NearestRows::similarities(std::span<const float> vector) {
  require(vector.size() == mean_.size(), "NearestRows: a vector of {} for rows of {}", vector.size(),
          mean_.size());
  std::vector<float> pointed(vector.size()), found(static_cast<std::size_t>(product_.numel()));
  point(vector, mean_, pointed.data());
  device_->to_device(vector_, pointed.data());
  device_->ops().linear_forward(rows_, vector_, zero_, product_);
  device_->to_host(found.data(), product_);
  return found;
}

std::vector<Near> NearestRows::nearest(std::span<const float> vector, std::size_t count,
                                       const std::function<bool(std::int64_t)>& wanted) {
  const auto nearer = [](const Near& a, const Near& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.row < b.row;
  };
  if (count == 0) return {};
  const std::vector<float> similarity = similarities(vector);
  std::vector<Near> kept;  // a heap, the farthest on top
  for (std::int64_t i = 0; i < std::ssize(similarity); ++i) {
    const Near near = {i, similarity[static_cast<std::size_t>(i)]};
    const bool full = kept.size() == count;
    if ((full && !nearer(near, kept.front())) || (wanted && !wanted(i))) continue;
    if (full) {
      std::pop_heap(kept.begin(), kept.end(), nearer);
      kept.pop_back();
    }
    kept.push_back(near);
    std::push_heap(kept.begin(), kept.end(), nearer);
  }
  std::sort_heap(kept.begin(), kept.end(), nearer);
  return kept;
}

}  // namespace melgrad
