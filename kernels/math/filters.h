// One element of the trainable triangular filters (kernels/ops.h): w = max(0, 1 - q slope).
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/qualifier.h"

namespace melgrad {

// 2 |k hz_per_bin - f| / (0.1079 f + 24.7): how far bin k is from the centre f, in bandwidths at q = 1. The
// bandwidth is Glasberg and Moore's (1990) equivalent rectangular one. In double, because the foot of a
// triangle, where the gradient jumps, must lie in the same place on every device.
MELGRAD_HD inline double filter_slope(float centre, float hz_per_bin, std::int64_t k) {
  const auto f = static_cast<double>(centre);
  return 2 * std::fabs(static_cast<double>(k) * static_cast<double>(hz_per_bin) - f) / (0.1079 * f + 24.7);
}

MELGRAD_HD inline float filter_weight(double slope, float q) {
  const double w = 1 - static_cast<double>(q) * slope;
  return w > 0 ? static_cast<float>(w) : 0.0F;
}

// dw/dq
MELGRAD_HD inline double filter_weight_slope(double slope, float q) {
  return static_cast<double>(q) * slope < 1 ? -slope : 0.0;
}

}  // namespace melgrad
