#include "models/metrics/paired.h"

#include <algorithm>
#include <cmath>

#include "kernels/math/philox.h"
#include "models/metrics/statistics.h"

namespace melgrad {
namespace {

// Of philox: which draws a number is for.
constexpr std::uint32_t kBootstrap = 1, kFlips = 2;

// Sums that are equal but for the order of their terms count as equal.
bool as_far(double sum, double observed) { return std::abs(sum) >= observed * (1 - 1e-12); }

// The share of all sign flips of `d`, none of them 0.
double share_of_all_flips(const std::vector<double>& d, double observed) {
  const std::uint64_t flips = std::uint64_t{1} << d.size();
  std::uint64_t far = 0;
  for (std::uint64_t signs = 0; signs < flips; ++signs) {
    double sum = 0;
    for (std::size_t i = 0; i < d.size(); ++i) sum += (signs >> i & 1) != 0 ? -d[i] : d[i];
    far += as_far(sum, observed) ? 1 : 0;
  }
  return static_cast<double>(far) / static_cast<double>(flips);
}

}  // namespace

std::pair<double, double> bootstrap_mean(const std::vector<double>& values, const PairedOptions& options) {
  const std::size_t n = values.size();
  std::vector<double> means;
  for (int r = 0; r < options.resamples; ++r) {
    double sum = 0;
    for (std::size_t i = 0; i < n; i += 4) {
      const Philox4 random = philox(options.seed, kBootstrap, static_cast<std::uint64_t>(r), i / 4);
      for (std::size_t k = 0; k < std::min<std::size_t>(4, n - i); ++k)
        sum += values[static_cast<std::size_t>(uniform_below(random.word[k], static_cast<std::int64_t>(n)))];
    }
    means.push_back(sum / static_cast<double>(n));
  }
  std::sort(means.begin(), means.end());
  return {quantile(means, 0.025), quantile(means, 0.975)};
}

double sign_flip_p(const std::vector<double>& differences, const PairedOptions& options) {
  std::vector<double> d;
  double observed = 0;
  for (const double x : differences) {
    observed += x;
    if (x != 0) d.push_back(x);
  }
  observed = std::abs(observed);
  if (d.size() <= kMostFlipped) return share_of_all_flips(d, observed);
  std::int64_t far = 0;
  for (int r = 0; r < options.draws; ++r) {
    double sum = 0;
    for (std::size_t i = 0; i < d.size(); i += 128) {
      const Philox4 random = philox(options.seed, kFlips, static_cast<std::uint64_t>(r), i / 128);
      for (std::size_t k = 0; k < std::min<std::size_t>(128, d.size() - i); ++k)
        sum += (random.word[k / 32] >> k % 32 & 1) != 0 ? -d[i + k] : d[i + k];
    }
    far += as_far(sum, observed) ? 1 : 0;
  }
  return static_cast<double>(1 + far) / static_cast<double>(1 + options.draws);
}

PairedComparison compared(const std::vector<double>& differences, const PairedOptions& options) {
  const auto [low, high] = bootstrap_mean(differences, options);
  return {differences.size(), mean(differences), low, high, sign_flip_p(differences, options)};
}

}  // namespace melgrad
