// Logistic regression, in double precision on the host: the linear probe of embeddings. The optimum is that
// of scikit-learn's LogisticRegression with the same C, as the problem is convex:
//
//   minimise  C sum_i weight_i loss(y_i, W x_i + b) + 1/2 sum W^2       (b is not penalised)
//
// with the cross entropy of a softmax over the classes where a row has one, or the sum of a sigmoid's binary
// cross entropy for each class by itself where it may have any number. By L-BFGS (Nocedal and Wright 2006,
// algorithm 7.5) from zero; the number of threads changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace melgrad {

struct LogisticOptions {
  double c = 1;             // larger: less penalty
  bool one_class = true;    // a row has one class; false: any number
  int iterations = 1000;    // at most
  double tolerance = 1e-8;  // largest |gradient| of the objective divided by C sum_i weight_i
};

class LogisticRegression {
 public:
  // x [rows, width]; targets [rows, classes] of 0 and 1; weights [rows].
  LogisticRegression(std::span<const double> x, std::int64_t width, std::span<const std::uint8_t> targets,
                     std::int64_t classes, std::span<const double> weights, const LogisticOptions& options);

  // x [rows, width] -> [rows, classes]
  std::vector<float> probabilities(std::span<const double> x) const;
  bool converged() const { return converged_; }
  const std::vector<double>& coefficients() const { return w_; }  // [classes, width], then [classes] of b

 private:
  std::int64_t width_, classes_;
  bool one_class_, converged_ = false;
  std::vector<double> w_;
};

}  // namespace melgrad
