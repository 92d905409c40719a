// Linear views of many rows in several groups: principal components of rows as long as segments of a
// spectrogram, and Fisher's discriminants. BLAS and LAPACK in double.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/analysis/projection.h"

namespace melgrad {

// Coordinates z = axes (x - mean).
struct LinearMap {
  std::vector<double> mean;  // [columns]
  Matrix axes;               // [axes, columns], the largest entry of each positive

  Matrix operator()(const Matrix& rows) const;  // [rows, axes]
};

// Orthogonal axes of the largest variance about the mean; columns keep their scale (scikit-learn's PCA up to
// sign).
struct Components {
  LinearMap map;
  std::vector<double> variance;  // along each axis, divided by rows - 1
  double whole = 0;              // the variance of all columns together
};
// At most `count`, and as many as rows and columns allow. The work grows with the cube of the fewer of these
// two.
Components principal_components(const Matrix& rows, std::size_t count);

// Axes along which the groups' means lie apart most, in units of the deviation within groups (pooled, divided
// by rows), by falling distance: groups - 1 at most (scikit-learn's LinearDiscriminantAnalysis up to sign).
// Directions without spread within the groups are left out.
struct Discriminants {
  LinearMap map;
  Matrix centres;             // [groups, axes] of the groups' means
  std::vector<double> share;  // of the rows

  // Most probable group of each row of coordinates (the map's), if the groups are normal with one covariance.
  std::vector<std::int32_t> classify(const Matrix& coordinates) const;
};
// `group[i]` of row i is 0 ... groups - 1; none is empty, and there are more rows than groups.
Discriminants discriminants(const Matrix& rows, const std::vector<std::int32_t>& group, std::size_t groups);

}  // namespace melgrad
