// One element of the sigmoid cross-entropy (kernels/ops.h).
#pragma once

#include <cmath>

#include "kernels/math/qualifier.h"

namespace melgrad {

// log sigmoid(z) without overflow
MELGRAD_HD inline float log_sigmoid(float z) {
  return (z < 0 ? z : 0.0F) - std::log1p(std::exp(-std::fabs(z)));
}

// -(a t log p + (1 - t) log(1 - p)) with p = sigmoid(z)
MELGRAD_HD inline float tag_loss(float z, float target, float tag_weight) {
  return -(tag_weight * target * log_sigmoid(z) + (1 - target) * log_sigmoid(-z));
}

// its gradient with respect to z
MELGRAD_HD inline float tag_loss_slope(float p, float target, float tag_weight) {
  return p * (1 - target) - tag_weight * target * (1 - p);
}

}  // namespace melgrad
