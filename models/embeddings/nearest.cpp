#include "models/embeddings/nearest.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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
                     {&zero_, {table.rows()}},
                     {&vector_, {1, table.width}},
                     {&product_, {1, table.rows()}}}) {
  std::vector<float> rows(table.values.size());
  for (std::int64_t i = 0; i < table.rows(); ++i) point(table.row(i), mean_, rows.data() + i * table.width);
  device.to_device(rows_, rows.data());
  device.ops().fill(zero_, 0.0F);
}

std::vector<float> NearestRows::similarities(std::span<const float> vector) {
  require(vector.size() == mean_.size(), "NearestRows: a vector of {} for rows of {}", vector.size(),
          mean_.size());
  std::vector<float> pointed(vector.size()), found(static_cast<std::size_t>(product_.numel()));
  point(vector, mean_, pointed.data());
  device_->to_device(vector_, pointed.data());
  device_->ops().linear_forward(vector_, rows_, zero_, product_);
  device_->to_host(found.data(), product_);
  return found;
}

std::vector<Near> NearestRows::nearest(std::span<const float> vector, std::size_t count,
                                       const std::function<bool(std::int64_t)>& wanted) {
  const std::vector<float> similarity = similarities(vector);
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < std::ssize(similarity); ++i)
    if (!wanted || wanted(i)) order.push_back(i);
  const std::size_t kept = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](std::int64_t a, std::int64_t b) {
                      const float x = similarity[static_cast<std::size_t>(a)],
                                  y = similarity[static_cast<std::size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  std::vector<Near> out;
  for (std::size_t k = 0; k < kept; ++k)
    out.push_back({order[k], similarity[static_cast<std::size_t>(order[k])]});
  return out;
}

}  // namespace melgrad
