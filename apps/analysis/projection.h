// Linear views of rows of numbers: principal components, and the discriminant of two groups with a figure of
// how far they can be told apart. LAPACK in double. Columns are standardised first (mean 0, standard
// deviation 1, both over the rows given, divided by n); a column without spread becomes 0.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace melgrad {

struct Matrix {
  std::size_t columns = 0;
  std::vector<double> values;  // [rows, columns]

  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
  std::span<const double> row(std::size_t i) const { return {values.data() + i * columns, columns}; }
  void add_row(std::span<const double> row) { values.insert(values.end(), row.begin(), row.end()); }
};

// `a` [n, n] symmetric becomes its eigenvectors, one a row, by rising eigenvalue; returns the eigenvalues.
std::vector<double> eigenvectors(std::vector<double>& a, int n);

// Eigenvectors of the covariance of the standardised columns, by falling variance.
struct PrincipalAxes {
  std::vector<double> mean, scale;  // [columns] of the standardisation
  Matrix axes;                      // [axes, columns], unit length, the largest entry positive
  std::vector<double> variance;     // [axes] along each (divided by rows - 1)

  double share(std::size_t axis) const;  // of the whole variance
  // Coordinates of a row on the first `count` axes.
  std::vector<double> project(std::span<const double> row, std::size_t count) const;
};
PrincipalAxes principal_axes(const Matrix& rows);

// Of the rows as they are, nothing taken away; descending, one a column.
std::vector<double> singular_values(const Matrix& rows);

// Fisher's linear discriminant of two groups, on the first principal axes, which hold at least 95 % of the
// variance but are at most one for five rows: with few rows and many columns the covariance within the groups
// could not be estimated otherwise. Folded back, it is one weight a column:
//   y = sum_j weight[j] (x[j] - centre[j])
// with variance 1 within the groups (pooled, divided by rows), 0 at the mean of all rows, larger for the
// second group (scikit-learn's StandardScaler, PCA, LinearDiscriminantAnalysis up to sign).
struct Discriminant {
  std::vector<double> weight, centre;  // [columns]
  std::size_t axes = 0;                // principal axes used

  double operator()(std::span<const double> row) const;
};
// `second[i]`: row i is of the second group. Both groups need two rows at least.
Discriminant discriminant(const Matrix& rows, const std::vector<bool>& second);

// How far the groups can be told apart by a straight line through clips that were not used to draw it:
// ROC-AUC of the discriminant, cross-validated. ROC-AUC rather than accuracy, because its baseline is 0.5
// whatever the size of the groups; held-out rows rather than silhouette or the scatter of the plot itself,
// because a discriminant of many columns separates even random groups on the rows it was fitted to. Each
// group is cut into five folds of rows in sequence, so that neighbours in the list, as clips cut from one
// track, mostly stay together; standardisation and axes are fitted anew without the fold.
struct Separability {
  double mean = 0, lowest = 0, highest = 0;  // ROC-AUC over the folds; 0.5 says nothing
};
constexpr std::size_t kFolds = 5;
// Both groups need kFolds rows at least.
Separability separability(const Matrix& rows, const std::vector<bool>& second);

}  // namespace melgrad
