#include "apps/analysis/discriminants.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>

#include "kernels/error.h"

namespace melgrad {
namespace {

int extent(std::size_t n) { return static_cast<int>(n); }

// a b', both [rows, columns].
Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out{b.rows(), std::vector<double>(a.rows() * b.rows())};
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, extent(a.rows()), extent(b.rows()), extent(a.columns),
              1, a.values.data(), extent(a.columns), b.values.data(), extent(b.columns), 0, out.values.data(),
              extent(out.columns));
  return out;
}

Matrix transposed(const Matrix& a) {
  Matrix out{a.rows(), std::vector<double>(a.values.size())};
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.columns; ++j) out.values[j * out.columns + i] = a.values[i * a.columns + j];
  return out;
}

// Each row less the mean of its group.
Matrix centred(Matrix rows, const Matrix& means, const std::vector<std::int32_t>& group) {
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto mean = means.row(group.empty() ? 0 : static_cast<std::size_t>(group[i]));
    for (std::size_t j = 0; j < rows.columns; ++j) rows.values[i * rows.columns + j] -= mean[j];
  }
  return rows;
}

Matrix group_means(const Matrix& rows, const std::vector<std::int32_t>& group, std::size_t groups) {
  Matrix means{rows.columns, std::vector<double>(groups * rows.columns, 0)};
  std::vector<double> count(groups, 0);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto g = group.empty() ? 0 : static_cast<std::size_t>(group[i]);
    ++count[g];
    for (std::size_t j = 0; j < rows.columns; ++j) means.values[g * rows.columns + j] += rows.row(i)[j];
  }
  for (std::size_t k = 0; k < means.values.size(); ++k) means.values[k] /= count[k / rows.columns];
  return means;
}

// Eigenvectors of a [n, n], one a row, by falling eigenvalue, and these.
std::pair<Matrix, std::vector<double>> falling(Matrix a) {
  const std::size_t n = a.columns;
  std::vector<double> values = eigenvectors(a.values, extent(n));
  Matrix vectors{n, {}};
  for (std::size_t k = n; k-- > 0;) vectors.add_row(a.row(k));
  std::reverse(values.begin(), values.end());
  return {std::move(vectors), std::move(values)};
}

void make_largest_positive(Matrix& axes) {
  for (std::size_t a = 0; a < axes.rows(); ++a) {
    const auto row = axes.values.begin() + static_cast<std::ptrdiff_t>(a * axes.columns);
    const auto end = row + static_cast<std::ptrdiff_t>(axes.columns);
    if (*std::max_element(row, end, [](double x, double y) { return std::abs(x) < std::abs(y); }) < 0)
      std::for_each(row, end, [](double& x) { x = -x; });
  }
}

void keep_rows(Matrix& m, std::size_t rows) { m.values.resize(rows * m.columns); }

}  // namespace

Matrix LinearMap::operator()(const Matrix& rows) const {
  Matrix out = product(rows, axes);
  const Matrix shift = product(Matrix{mean.size(), mean}, axes);
  for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] -= shift.values[i % shift.values.size()];
  return out;
}

Components principal_components(const Matrix& rows, std::size_t count) {
  require(rows.rows() >= 2, "principal components: {} rows; two are needed", rows.rows());
  Components out;
  const Matrix mean = group_means(rows, {}, 1);
  const Matrix away = centred(rows, mean, {});
  const double n = static_cast<double>(rows.rows()) - 1;
  for (const double x : away.values) out.whole += x * x / n;
  // x x' and x' x have the same eigenvalues above 0; the eigenvectors of one, times x, are the other's.
  const bool wide = away.rows() < away.columns;
  const Matrix across = transposed(away);
  auto [vectors, values] = falling(wide ? product(away, away) : product(across, across));
  const double least = 1e-12 * std::max(values[0], 0.0);
  std::size_t kept = 0;
  while (kept < std::min(count, values.size()) && values[kept] > least) ++kept;
  keep_rows(vectors, kept);
  out.map = {mean.values, wide ? product(vectors, across) : vectors};
  for (std::size_t k = 0; k < kept; ++k) {
    out.variance.push_back(values[k] / n);
    if (!wide) continue;
    for (std::size_t j = 0; j < away.columns; ++j)
      out.map.axes.values[k * away.columns + j] /= std::sqrt(values[k]);
  }
  make_largest_positive(out.map.axes);
  return out;
}

Discriminants discriminants(const Matrix& rows, const std::vector<std::int32_t>& group, std::size_t groups) {
  require(rows.rows() > groups && groups >= 2, "discriminants: {} rows in {} groups", rows.rows(), groups);
  Discriminants out;
  out.share.assign(groups, 0);
  for (const std::int32_t g : group)
    out.share[static_cast<std::size_t>(g)] += 1 / static_cast<double>(group.size());
  for (std::size_t g = 0; g < groups; ++g)
    require(out.share[g] > 0, "discriminants: group {} has no rows", g);
  const Matrix means = group_means(rows, group, groups), mean = group_means(rows, {}, 1);
  // Within the groups: the directions in which that spread is round, and the weights that make it 1.
  const Matrix across = transposed(centred(rows, means, group));
  Matrix within = product(across, across);
  for (double& v : within.values) v /= static_cast<double>(rows.rows());
  auto [whiten, spread] = falling(std::move(within));
  std::size_t kept = 0;
  while (kept < spread.size() && spread[kept] > 1e-10 * spread[0]) ++kept;
  keep_rows(whiten, kept);
  for (std::size_t k = 0; k < whiten.values.size(); ++k)
    whiten.values[k] /= std::sqrt(spread[k / whiten.columns]);
  // Between them: principal axes of the means there, each weighed by its group's share.
  Matrix between = product(centred(means, mean, std::vector<std::int32_t>(groups, 0)), whiten);
  for (std::size_t k = 0; k < between.values.size(); ++k)
    between.values[k] *= std::sqrt(out.share[k / between.columns]);
  const Matrix columns = transposed(between);
  Matrix turn = falling(product(columns, columns)).first;
  keep_rows(turn, std::min(kept, groups - 1));
  out.map = {mean.values, product(turn, transposed(whiten))};
  make_largest_positive(out.map.axes);
  out.centres = out.map(means);
  return out;
}

std::vector<std::int32_t> Discriminants::classify(const Matrix& coordinates) const {
  std::vector<std::int32_t> answer;
  for (std::size_t i = 0; i < coordinates.rows(); ++i) {
    std::vector<double> score;
    for (std::size_t g = 0; g < centres.rows(); ++g) {
      double squares = 0;
      for (std::size_t a = 0; a < centres.columns; ++a) {
        const double away = coordinates.row(i)[a] - centres.row(g)[a];
        squares += away * away;
      }
      score.push_back(std::log(share[g]) - squares / 2);
    }
    answer.push_back(static_cast<std::int32_t>(std::max_element(score.begin(), score.end()) - score.begin()));
  }
  return answer;
}

}  // namespace melgrad
