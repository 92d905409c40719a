// What cross_entropy (kernels/ops.h) is told of an example: its class, or a share of each class.
#pragma once

#include <cmath>

#include "kernels/math/qualifier.h"
#include "kernels/tensor.h"

namespace melgrad {

struct Targets {
  const std::int32_t* labels;  // [N]; null: `shares` instead
  const float* shares;         // [N, K]
  std::int64_t classes;        // K

  MELGRAD_HD bool is_class(std::int64_t n) const {
    return labels == nullptr || (labels[n] >= 0 && labels[n] < classes);
  }
  MELGRAD_HD float share(std::int64_t n, std::int64_t k) const {
    if (labels == nullptr) return shares[n * classes + k];
    return labels[n] == k ? 1.0F : 0.0F;
  }
  // The class, or the first of the largest shares.
  MELGRAD_HD std::int64_t answer(std::int64_t n) const {
    if (labels != nullptr) return labels[n];
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < classes; ++k) best = share(n, k) > share(n, best) ? k : best;
    return best;
  }
  // sum_k share (log sum exp z - z[k]); of a class from `log_sum`, of shares in double, where the difference
  // loses nothing.
  MELGRAD_HD double loss(std::int64_t n, const float* z, float log_sum) const {
    if (labels != nullptr) return static_cast<double>(log_sum - z[labels[n]]);
    double top = z[0], sum = 0, loss = 0;
    for (std::int64_t k = 1; k < classes; ++k) top = z[k] > top ? z[k] : top;
    for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(z[k] - top);
    const double log_of_sum = std::log(sum);
    for (std::int64_t k = 0; k < classes; ++k)
      loss += static_cast<double>(share(n, k)) * (log_of_sum + (top - z[k]));
    return loss;
  }
};

// labels i32 [N] or f32 [N, K]
inline Targets targets_of(Tensor labels, std::int64_t classes) {
  if (labels.dtype == DType::f32) return {nullptr, labels.f32(), classes};
  return {labels.i32(), nullptr, classes};
}

}  // namespace melgrad
