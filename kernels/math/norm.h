// Batch normalisation of one channel, from its sums; the maths stand in kernels/ops.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/qualifier.h"

namespace melgrad {

// y = factor (x - mean) + offset. The mean is rounded to float, so that x - mean is exact where the two are
// close; what that leaves out is in the offset.
struct NormMap {
  float mean, factor, offset;
};
MELGRAD_HD inline float normalised(float x, float mean, float factor, float offset) {
  return factor * (x - mean) + offset;
}

struct NormForward {
  const float *gamma, *beta;  // all [C]
  float *mean, *scale, *running_mean, *running_variance;
  double epsilon, momentum, rows;

  // `sum` and `squares` are those of x - first, where first is the channel's value in the first row. Its
  // distance from the mean is at most sqrt(rows variance), so the difference below loses at most a factor of
  // rows + 1 of the precision of double: the variance is good to 1e-9 for a million rows, whatever the mean.
  MELGRAD_HD NormMap finish(std::int64_t c, float first, double sum, double squares) const {
    const double shift = sum / rows, m = static_cast<double>(first) + shift;
    const double difference = (squares - sum * shift) / rows;
    const double variance = difference < 0 ? 0 : difference;  // NaN stays NaN
    const double unbiased = rows > 1 ? variance * rows / (rows - 1) : variance;
    const double s = 1 / std::sqrt(variance + epsilon), factor = static_cast<double>(gamma[c]) * s;
    mean[c] = static_cast<float>(m);
    scale[c] = static_cast<float>(s);
    if (std::isfinite(m) && std::isfinite(unbiased)) {
      running_mean[c] = static_cast<float>(running_mean[c] + momentum * (m - running_mean[c]));
      running_variance[c] =
          static_cast<float>(running_variance[c] + momentum * (unbiased - running_variance[c]));
    }
    const double rest = m - static_cast<double>(mean[c]);
    return {mean[c], static_cast<float>(factor), static_cast<float>(beta[c] - factor * rest)};
  }
};

struct NormInference {
  const float *gamma, *beta, *running_mean, *running_variance;
  double epsilon;

  MELGRAD_HD NormMap map(std::int64_t c) const {
    return {running_mean[c], static_cast<float>(gamma[c] / std::sqrt(running_variance[c] + epsilon)),
            beta[c]};
  }
};

// dx = factor (dy - level - slope (x - mean))
struct NormGradient {
  float mean, factor, level, slope;
};
MELGRAD_HD inline float norm_gradient(float x, float dy, float mean, float factor, float level, float slope) {
  return factor * (dy - level - slope * (x - mean));
}

struct NormBackward {
  const float *gamma, *mean, *scale;
  float *dgamma, *dbeta;
  bool add_gamma, add_beta;  // to what the gradients hold
  double rows;

  // `sum` of dy, `product` of dy (x - mean)
  MELGRAD_HD NormGradient finish(std::int64_t c, double sum, double product) const {
    const double s = scale[c];
    dbeta[c] = static_cast<float>(add_beta ? dbeta[c] + sum : sum);
    dgamma[c] = static_cast<float>(add_gamma ? dgamma[c] + s * product : s * product);
    return {mean[c], static_cast<float>(gamma[c] * s), static_cast<float>(sum / rows),
            static_cast<float>(s * s * product / rows)};
  }
};

}  // namespace melgrad
