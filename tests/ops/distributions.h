// Whether draws are spread as they should be.
#pragma once

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace melgrad {

// Counts that should all be the same: chi-squared within five sigma of its mean.
inline void expect_even(const std::vector<double>& counts) {
  double total = 0, chi2 = 0;
  for (const double c : counts) total += c;
  const double mean = total / static_cast<double>(counts.size());
  ASSERT_GE(mean, 5);
  for (const double c : counts) chi2 += (c - mean) * (c - mean) / mean;
  const auto freedom = static_cast<double>(counts.size() - 1);
  EXPECT_LE(chi2, freedom + 5 * std::sqrt(2 * freedom));
}

// u / limit of many examples: uniform in -1 ... 1.
inline void expect_uniform(const std::vector<double>& u) {
  std::vector<double> counts(20);
  for (const double v : u) {
    ASSERT_LE(std::abs(v), 1 + 1e-5);
    ++counts[static_cast<std::size_t>(std::clamp((v + 1) * 10, 0.0, 19.0))];
  }
  expect_even(counts);
}

}  // namespace melgrad
