// Bootstrap and sign flips against distributions that are known exactly.
#include "models/metrics/paired.h"

#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <numeric>

#include "models/metrics/statistics.h"

namespace melgrad {
namespace {

// The share of all sign flips of whole numbers whose sum is as far from 0 as theirs, by the distribution of
// the sum, one number after another.
double exact_p(const std::vector<int>& d) {
  std::map<int, double> sums = {{0, 1.0}};
  for (const int x : d) {
    std::map<int, double> next;
    for (const auto& [sum, share] : sums) {
      next[sum + x] += share / 2;
      next[sum - x] += share / 2;
    }
    sums = std::move(next);
  }
  const int observed = std::abs(std::accumulate(d.begin(), d.end(), 0));
  double p = 0;
  for (const auto& [sum, share] : sums) p += std::abs(sum) >= observed ? share : 0;
  return p;
}

std::vector<double> thirds(const std::vector<int>& d) {
  std::vector<double> out;
  for (const int x : d) out.push_back(x / 3.0);
  return out;
}

TEST(Paired, FewTracksAreCountedExactly) {
  for (const std::vector<int>& d : {std::vector<int>{1, 1, 1, 1, 1},
                                    {1, -1},
                                    {3, 2, -1, 0, 0, 2},
                                    {2, 2, 2, -1, -1, 0, 3, 1, 1, 1, 2, -3}})
    EXPECT_DOUBLE_EQ(sign_flip_p(thirds(d)), exact_p(d));
  EXPECT_EQ(sign_flip_p({1, 1, 1, 1, 1}), 2.0 / 32);
  EXPECT_EQ(sign_flip_p({0, 0, 0}), 1);
}

TEST(Paired, ManyTracksAreDrawnNearTheExactShare) {
  for (const int ahead : {0, 3, 6, 12}) {
    std::vector<int> d;
    for (int i = 0; i < 40; ++i) d.push_back(i % 2 == 0 ? 1 + i % 3 : -1 - i % 3);
    for (int i = 0; i < ahead; ++i) d.push_back(2);
    d.resize(d.size() + 200);  // tracks on which both are right, or wrong
    const double exact = exact_p(d), p = sign_flip_p(thirds(d));
    EXPECT_NEAR(p, exact, 4 * std::sqrt(exact * (1 - exact) / 9999) + 2e-4) << ahead;
    EXPECT_EQ(p, sign_flip_p(thirds(d)));
  }
  // As far as no flip drawn goes: never 0.
  EXPECT_EQ(sign_flip_p(std::vector<double>(100, 1.0)), 1.0 / 10000);
}

// Of 0 and 1 the resampled mean is binomial.
TEST(Paired, BootstrapOfSharesIsBinomial) {
  const int n = 60, ones = 21;
  std::vector<double> values(n, 0.0);
  std::fill(values.begin(), values.begin() + ones, 1.0);
  const double share = static_cast<double>(ones) / n;
  const auto quantile_of = [&](double q) {
    double below = 0;
    for (int k = 0; k <= n; ++k) {
      below += std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) +
                        k * std::log(share) + (n - k) * std::log(1 - share));
      if (below >= q) return static_cast<double>(k) / n;
    }
    return 1.0;
  };
  const auto [low, high] = bootstrap_mean(values);
  EXPECT_NEAR(low, quantile_of(0.025), 1.01 / n);
  EXPECT_NEAR(high, quantile_of(0.975), 1.01 / n);
  EXPECT_EQ(bootstrap_mean(values), bootstrap_mean(values));
  EXPECT_NE(bootstrap_mean(values), bootstrap_mean(values, {.resamples = 300, .seed = 2}));
  EXPECT_EQ(bootstrap_mean({0.5}), (std::pair{0.5, 0.5}));
}

TEST(Paired, AComparisonIsOfTheMeanOverTracks) {
  std::vector<double> d;
  for (int i = 0; i < 400; ++i) d.push_back(i % 4 == 0 ? 0.5 : i % 4 == 1 ? -0.25 : 0);
  const PairedComparison found = compared(d);
  EXPECT_EQ(found.tracks, 400U);
  EXPECT_DOUBLE_EQ(found.difference, 0.0625);
  // The normal approximation, which is good here.
  const double half = 1.96 * deviation(d) / std::sqrt(400.0);
  EXPECT_NEAR(found.low, 0.0625 - half, 0.004);
  EXPECT_NEAR(found.high, 0.0625 + half, 0.004);
  EXPECT_LT(found.p, 0.001);
}

}  // namespace
}  // namespace melgrad
