// Trainable triangular filters.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/sums.h"
#include "kernels/math/filters.h"

namespace melgrad {
namespace {

struct FilterWeight {
  const float *centres, *q;
  float hz_per_bin;
  std::int64_t bins;
  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    return filter_weight(filter_slope(centres[i / bins], hz_per_bin, i % bins), *q);
  }
};

struct FilterGradientTerm {
  const float *centres, *q;
  float hz_per_bin;
  std::int64_t bins;
  const float* dw;
  MELGRAD_DEVICE double operator()(std::int64_t i) const {
    const double slope = filter_slope(centres[i / bins], hz_per_bin, i % bins);
    return static_cast<double>(dw[i]) * filter_weight_slope(slope, *q);
  }
};

struct StoreSum {
  float* to;
  bool accumulate;
  MELGRAD_DEVICE void operator()(double sum) const {
    *to = static_cast<float>(sum + (accumulate ? static_cast<double>(*to) : 0.0));
  }
};

}  // namespace

void CudaOps::harmonic_filters_forward(Tensor centres, Tensor q, float hz_per_bin, Out w) {
  launch_elements(stream_, w.f32(), w.numel(), Write::overwrite,
                  FilterWeight{centres.f32(), q.f32(), hz_per_bin, w.dim(1)});
}

void CudaOps::harmonic_filters_backward(Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Grad dq) {
  workspace_.restart();
  const std::int64_t n = dw.numel();
  auto* pieces = static_cast<double*>(scratch({2 * sum_pieces(n)}).data);
  launch_sum(stream_, n, FilterGradientTerm{centres.f32(), q.f32(), hz_per_bin, dw.dim(1), dw.f32()}, pieces,
             StoreSum{dq.tensor.f32(), dq.write == Write::accumulate});
}

}  // namespace melgrad
