// Trainable triangular filters.
#include "kernels/math/filters.h"

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {

void CpuOps::harmonic_filters_forward(Tensor centres, Tensor q, float hz_per_bin, Out w) {
  const std::int64_t bins = w.dim(1);
  parallel_for(w.dim(0), threads_, 16, [&](std::int64_t o) {
    for (std::int64_t k = 0; k < bins; ++k)
      w.f32()[o * bins + k] = filter_weight(filter_slope(centres.f32()[o], hz_per_bin, k), *q.f32());
  });
}

void CpuOps::harmonic_filters_backward(Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Grad dq) {
  const std::int64_t bins = dw.dim(1);
  const double sum = blocked_sum(dw.numel(), threads_, [&](std::int64_t first, std::int64_t last) {
    double part = 0;
    for (std::int64_t i = first; i < last; ++i) {
      const double slope = filter_slope(centres.f32()[i / bins], hz_per_bin, i % bins);
      part += static_cast<double>(dw.f32()[i]) * filter_weight_slope(slope, *q.f32());
    }
    return part;
  });
  *dq.tensor.f32() =
      static_cast<float>(sum + (dq.write == Write::accumulate ? static_cast<double>(*dq.tensor.f32()) : 0.0));
}

}  // namespace melgrad
