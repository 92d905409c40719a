// The learning rate at step t; the formulas stand at struct Schedule in kernels/op_settings.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/qualifier.h"
#include "kernels/ops.h"

namespace melgrad {

MELGRAD_HD inline double learning_rate_at(const Schedule& s, std::int64_t t) {
  const auto time = static_cast<double>(t);
  double rate = s.base;
  if (s.kind == Schedule::Kind::inverse_time) rate = s.base / (1 + s.decay * time);
  if (s.kind == Schedule::Kind::step) rate = s.base * std::pow(s.decay, static_cast<double>(t / s.period));
  if (s.kind == Schedule::Kind::cosine && s.total > 0) {
    const double phase = t < s.total ? time / static_cast<double>(s.total) : 1.0;
    constexpr double kPi = 3.14159265358979323846;
    rate = s.base * (s.final_fraction + (1 - s.final_fraction) * 0.5 * (1 + std::cos(kPi * phase)));
  }
  if (t < s.warmup) rate *= (time + 1) / static_cast<double>(s.warmup);
  return s.factor.data != nullptr ? rate * *static_cast<const float*>(s.factor.data) : rate;
}

}  // namespace melgrad
