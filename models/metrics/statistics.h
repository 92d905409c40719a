// Statistics of samples of numbers, without assuming any distribution. Values must not be NaN.
#pragma once

#include <cstddef>
#include <vector>

namespace melgrad {

// Of values in ascending order, at least one; 0 <= q <= 1. Linear between the two nearest ranks, as numpy.
double quantile(const std::vector<double>& ascending, double q);

double mean(const std::vector<double>& values);
// Of a sample: divided by n - 1; 0 for one value.
double deviation(const std::vector<double>& values);

struct Quartiles {
  std::size_t count = 0;
  double low = 0, median = 0, high = 0;  // NaN for count = 0
};
Quartiles quartiles(std::vector<double> values);

// Mann and Whitney (1947): do values of `a` tend to be larger than values of `b`?
//   auc    share of pairs (x of a, y of b) with x > y, ties count one half: 0.5 if neither does
//   delta  Cliff's delta, 2 auc - 1: -1 ... 1 (the rank-biserial correlation is the same number)
//   p      two-sided, from the normal approximation of U with the variance corrected for ties and U brought
//          one half nearer to its mean (scipy.stats.mannwhitneyu, "asymptotic"); good from about 8 values on
//          either side. It takes values to be independent, which clips cut from one track are not: with many
//          clips trust delta before p. May underflow to 0.
// All NaN if a side is empty.
struct RankTest {
  std::size_t a = 0, b = 0;  // values
  double auc = 0, delta = 0, z = 0, p = 0;
};
RankTest mann_whitney(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace melgrad
