// Notices a step whose loss stands far above what has been usual: a spike often comes before a divergence,
// and tells of a broken file or too high a rate.
#pragma once

#include <cmath>
#include <cstdint>

namespace melgrad {

struct LossWatch {
  static constexpr std::int64_t kMemory = 100;  // steps that the averages reach back
  static constexpr double kDeviations = 6;

  // Takes `loss` into the averages. Whether it is a spike: more than six standard deviations above the mean
  // of about the last hundred steps before it.
  bool add(double loss) {
    const double difference = loss - mean;
    const bool spike = steps >= kMemory && difference > kDeviations * std::sqrt(variance);
    const double share = 1 / static_cast<double>(++steps < kMemory ? steps : kMemory);
    mean += share * difference;
    variance = (1 - share) * (variance + share * difference * difference);
    return spike;
  }

  std::int64_t steps = 0;
  double mean = 0, variance = 0;
};

}  // namespace melgrad
