#include "models/metrics/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace melgrad {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double centre = mean(values);
  double squares = 0;
  for (const double x : values) squares += (x - centre) * (x - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double quantile(const std::vector<double>& ascending, double q) {
  const double at = q * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  return ascending[below] + (at - static_cast<double>(below)) * (ascending[above] - ascending[below]);
}

Quartiles quartiles(std::vector<double> values) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {0, kNone, kNone, kNone};
  std::sort(values.begin(), values.end());
  return {values.size(), quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)};
}

RankTest mann_whitney(const std::vector<double>& a, const std::vector<double>& b) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (a.empty() || b.empty()) return {a.size(), b.size(), kNone, kNone, kNone, kNone};
  std::vector<std::pair<double, bool>> all;  // value, of a
  for (const double x : a) all.emplace_back(x, true);
  for (const double x : b) all.emplace_back(x, false);
  std::sort(all.begin(), all.end());

  const auto n_a = static_cast<double>(a.size()), n_b = static_cast<double>(b.size()), n = n_a + n_b;
  double u = 0, b_below = 0,
         ties = 0;  // u: pairs with the value of a above, ties one half; ties: sum t^3 - t
  for (std::size_t from = 0; from < all.size();) {
    std::size_t to = from;
    double of_a = 0;
    for (; to < all.size() && all[to].first == all[from].first; ++to) of_a += all[to].second ? 1 : 0;
    const auto tied = static_cast<double>(to - from);
    u += of_a * (b_below + 0.5 * (tied - of_a));
    b_below += tied - of_a;
    ties += tied * tied * tied - tied;
    from = to;
  }
  const double variance = n_a * n_b / 12 * (n + 1 - ties / (n * (n - 1)));
  const double away = u - n_a * n_b / 2;
  const double z = variance > 0 ? std::max(0.0, std::abs(away) - 0.5) / std::sqrt(variance) : 0;
  const double auc = u / (n_a * n_b);
  return {a.size(), b.size(), auc, 2 * auc - 1, std::copysign(z, away), std::erfc(z / std::numbers::sqrt2)};
}

}  // namespace melgrad
