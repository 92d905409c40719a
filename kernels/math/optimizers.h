// The scale of a gradient and one element's update of each optimizer; the formulas stand in kernels/ops.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/qualifier.h"

namespace melgrad {

MELGRAD_HD inline float gradient_scale(double length, float max_norm) {
  if (!std::isfinite(static_cast<float>(length))) return 0;
  return max_norm > 0 && length > max_norm ? static_cast<float>(max_norm / length) : 1.0F;
}

MELGRAD_HD inline void sgd_element(float& w, float g, float& v, float rate, float momentum, bool nesterov,
                                   float l2) {
  g += l2 * w;
  v = momentum * v + g;
  w -= rate * (nesterov ? g + momentum * v : v);
}

// What of the mean of weights a step replaces (kernels/ops.h, average).
MELGRAD_HD inline float average_share(double decay, std::int64_t begin, std::int64_t counter) {
  if (counter < begin) return 1;
  const double plain = 1 / (static_cast<double>(counter - begin) + 1), least = 1 - decay;
  return static_cast<float>(plain > least ? plain : least);
}
// At a share of 1 exactly x, whatever the mean was.
MELGRAD_HD inline void average_element(float& mean, float x, float share) {
  mean = share < 1 ? mean + share * (x - mean) : x;
}

struct AdamSettings {
  float beta1, beta2, epsilon, decay, l2;
  float correction1, correction2;  // 1 - beta^t, computed once per step in double
};

MELGRAD_HD inline void adam_element(float& w, float g, float& m, float& v, float rate,
                                    const AdamSettings& s) {
  g += s.l2 * w;
  m = s.beta1 * m + (1 - s.beta1) * g;
  v = s.beta2 * v + (1 - s.beta2) * g * g;
  const float step = (m / s.correction1) / (std::sqrt(v / s.correction2) + s.epsilon);
  w -= rate * (step + s.decay * w);
}

MELGRAD_HD inline void adadelta_element(float& w, float g, float& a, float& d, float rate, float rho,
                                        float epsilon) {
  a = rho * a + (1 - rho) * g * g;
  const float u = g * std::sqrt(d + epsilon) / std::sqrt(a + epsilon);
  w -= rate * u;
  d = rho * d + (1 - rho) * u * u;
}

}  // namespace melgrad
