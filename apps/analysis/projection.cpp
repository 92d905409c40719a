#include "apps/analysis/projection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <omp.h>

#include "kernels/cpu/blas_memory.h"
#include "kernels/error.h"
#include "models/metrics/statistics.h"

// LAPACK, part of OpenBLAS: eigenvectors of a symmetric matrix; solution of a positive definite system.
extern "C" {  // NOLINTBEGIN(readability-identifier-naming)
void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w,
             double* work, const int* lwork, int* iwork, const int* liwork, int* info);
void dposv_(const char* uplo, const int* n, const int* nrhs, double* a, const int* lda, double* b,
            const int* ldb, int* info);
}  // NOLINTEND(readability-identifier-naming)

namespace melgrad {
namespace {

constexpr double kShareKept = 0.95;
constexpr std::size_t kRowsPerAxis = 5;

// LAPACK on one thread: the matrices are small, and the bits do not depend on the number of threads.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    omp_set_num_threads(1);
    start_blas();
  }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace

std::vector<double> eigenvectors(std::vector<double>& a, int n) {
  const OneThread one_thread;
  std::vector<double> values(static_cast<std::size_t>(n)), work(1);
  std::vector<int> integers(1);
  int work_size = -1, integer_size = -1, info = 0;  // -1 asks for the sizes
  for (int pass = 0; pass < 2; ++pass) {
    dsyevd_("V", "U", &n, a.data(), &n, values.data(), work.data(), &work_size, integers.data(),
            &integer_size, &info);
    require(info == 0, "principal axes: LAPACK dsyevd says {}", info);
    work.resize(static_cast<std::size_t>(work[0]));
    integers.resize(static_cast<std::size_t>(integers[0]));
    work_size = static_cast<int>(work.size());
    integer_size = static_cast<int>(integers.size());
  }
  return values;
}

namespace {

// The solution of a x = b; a [n, n] is symmetric and has no negative eigenvalue. A ridge far below anything
// that matters keeps it definite when rows are all alike.
std::vector<double> solve(std::vector<double> a, std::vector<double> b) {
  const OneThread one_thread;
  double trace = 0;
  for (std::size_t i = 0; i < b.size(); ++i) trace += a[i * b.size() + i];
  for (std::size_t i = 0; i < b.size(); ++i) a[i * b.size() + i] += 1e-12 * trace + 1e-200;
  const int n = static_cast<int>(b.size()), one = 1;
  int info = 0;
  dposv_("U", &n, &one, a.data(), &n, b.data(), &n, &info);
  require(info == 0, "discriminant: LAPACK dposv says {}", info);
  return b;
}

std::vector<double> column_means(const Matrix& x) {
  std::vector<double> mean(x.columns, 0);
  for (std::size_t i = 0; i < x.values.size(); ++i) mean[i % x.columns] += x.values[i];
  for (double& m : mean) m /= static_cast<double>(x.rows());
  return mean;
}

// Sum over the rows of (row - mean of its group) (row - mean of its group)'. [columns, columns]
std::vector<double> scatter(const Matrix& x, const std::vector<std::vector<double>>& means,
                            const std::vector<bool>& second) {
  const std::size_t d = x.columns;
  std::vector<double> sum(d * d, 0), away(d);
  for (std::size_t i = 0; i < x.rows(); ++i) {
    const auto& mean = means[second.empty() || !second[i] ? 0 : 1];
    for (std::size_t j = 0; j < d; ++j) away[j] = x.row(i)[j] - mean[j];
    for (std::size_t j = 0; j < d; ++j)
      for (std::size_t k = 0; k < d; ++k) sum[j * d + k] += away[j] * away[k];
  }
  return sum;
}

std::size_t axes_kept(const PrincipalAxes& pca, std::size_t rows) {
  std::size_t axes = 0;
  double share = 0;
  while (axes < pca.variance.size() && share < kShareKept) share += pca.share(axes++);
  return std::clamp<std::size_t>(axes, 1, std::max<std::size_t>(1, rows / kRowsPerAxis));
}

}  // namespace

double PrincipalAxes::share(std::size_t axis) const {
  const double whole = std::accumulate(variance.begin(), variance.end(), 0.0);
  return whole > 0 ? variance[axis] / whole : 0;
}

std::vector<double> PrincipalAxes::project(std::span<const double> row, std::size_t count) const {
  std::vector<double> out(count, 0);
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t j = 0; j < row.size(); ++j) out[a] += axes.row(a)[j] * (row[j] - mean[j]) / scale[j];
  }
  return out;
}

std::vector<double> singular_values(const Matrix& rows) {
  const std::vector<double> nothing(rows.columns, 0);
  std::vector<double> products = scatter(rows, {nothing}, {});
  std::vector<double> squares = eigenvectors(products, static_cast<int>(rows.columns));
  std::reverse(squares.begin(), squares.end());
  for (double& v : squares) v = std::sqrt(std::max(v, 0.0));
  return squares;
}

PrincipalAxes principal_axes(const Matrix& rows) {
  require(rows.rows() >= 2, "principal axes: {} rows; two are needed", rows.rows());
  const std::size_t d = rows.columns;
  const auto n = static_cast<double>(rows.rows());
  PrincipalAxes out;
  out.mean = column_means(rows);
  std::vector<double> covariance = scatter(rows, {out.mean}, {});
  for (std::size_t j = 0; j < d; ++j) {
    const double spread = std::sqrt(covariance[j * d + j] / n);
    // What is left of a constant column is rounding of its mean.
    out.scale.push_back(spread > 1e-12 * std::abs(out.mean[j]) ? spread
                                                               : std::numeric_limits<double>::infinity());
  }
  for (std::size_t i = 0; i < d * d; ++i) covariance[i] /= out.scale[i / d] * out.scale[i % d] * (n - 1);
  out.variance = eigenvectors(covariance, static_cast<int>(d));
  std::reverse(out.variance.begin(), out.variance.end());
  for (double& v : out.variance) v = std::max(v, 0.0);
  out.axes.columns = d;
  for (std::size_t a = d; a-- > 0;) {
    std::span<double> axis(covariance.data() + a * d, d);
    const double largest = *std::max_element(axis.begin(), axis.end(),
                                             [](double x, double y) { return std::abs(x) < std::abs(y); });
    for (double& x : axis) x = largest < 0 ? -x : x;
    out.axes.add_row(axis);
  }
  return out;
}

double Discriminant::operator()(std::span<const double> row) const {
  double y = 0;
  for (std::size_t j = 0; j < row.size(); ++j) y += weight[j] * (row[j] - centre[j]);
  return y;
}

Discriminant discriminant(const Matrix& rows, const std::vector<bool>& second) {
  const PrincipalAxes pca = principal_axes(rows);
  const std::size_t k = axes_kept(pca, rows.rows());
  std::vector<Matrix> groups(2, Matrix{k, {}});
  Matrix all{k, {}};
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto z = pca.project(rows.row(i), k);
    groups[second[i] ? 1 : 0].add_row(z);
    all.add_row(z);
  }
  require(groups[0].rows() > 1 && groups[1].rows() > 1, "discriminant: groups of {} and {} rows",
          groups[0].rows(), groups[1].rows());
  const std::vector<std::vector<double>> means = {column_means(groups[0]), column_means(groups[1])};
  std::vector<double> within = scatter(all, means, second), difference(k);
  for (double& v : within) v /= static_cast<double>(rows.rows());
  for (std::size_t a = 0; a < k; ++a) difference[a] = means[1][a] - means[0][a];
  // w = within^-1 difference; then w' within w = w' difference is the variance along it.
  std::vector<double> w = solve(within, difference);
  const double length = std::sqrt(std::inner_product(w.begin(), w.end(), difference.begin(), 0.0));

  Discriminant out{std::vector<double>(rows.columns, 0), pca.mean, k};
  if (length == 0) return out;  // the groups have the same mean: no direction is better than another
  for (std::size_t a = 0; a < k; ++a)
    for (std::size_t j = 0; j < rows.columns; ++j)
      out.weight[j] += w[a] / length * pca.axes.row(a)[j] / pca.scale[j];
  return out;
}

Separability separability(const Matrix& rows, const std::vector<bool>& second) {
  const auto in_second = static_cast<std::size_t>(std::count(second.begin(), second.end(), true));
  const std::size_t size[2] = {rows.rows() - in_second, in_second};
  require(size[0] >= kFolds && size[1] >= kFolds, "separability: groups of {} and {} rows", size[0], size[1]);
  std::vector<std::size_t> fold;
  std::size_t seen[2] = {0, 0};
  for (const bool s : second) fold.push_back(seen[s ? 1 : 0]++ * kFolds / size[s ? 1 : 0]);

  Separability out{0, 1, 0};
  for (std::size_t f = 0; f < kFolds; ++f) {
    Matrix fit{rows.columns, {}};
    std::vector<bool> fit_second;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      if (fold[i] == f) continue;
      fit.add_row(rows.row(i));
      fit_second.push_back(second[i]);
    }
    const Discriminant line = discriminant(fit, fit_second);
    std::vector<double> held_out[2];
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      if (fold[i] == f) held_out[second[i] ? 1 : 0].push_back(line(rows.row(i)));
    }
    const double auc = mann_whitney(held_out[1], held_out[0]).auc;
    out.mean += auc / kFolds;
    out.lowest = std::min(out.lowest, auc);
    out.highest = std::max(out.highest, auc);
  }
  return out;
}

}  // namespace melgrad
