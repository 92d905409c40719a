#include "models/embeddings/logistic.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <deque>
#include <functional>
#include <numeric>

namespace melgrad {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
double largest(const Vector& a) {
  return std::accumulate(a.begin(), a.end(), 0.0,
                         [](double m, double v) { return std::max(m, std::abs(v)); });
}
void add(Vector& to, double factor, const Vector& from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
}
Vector difference(const Vector& a, const Vector& b) {
  Vector out = a;
  add(out, -1, b);
  return out;
}

// The value of a function at x; sets its gradient there.
using Objective = std::function<double(const Vector& x, Vector& gradient)>;

// The last steps and changes of the gradient, which stand for the inverse of the Hessian.
class Curvature {
 public:
  void add_pair(Vector step, Vector change) {
    const double product = dot(step, change);
    if (product <= 1e-12 * dot(change, change)) return;  // no curvature to learn from
    if (pairs_.size() == kMost) pairs_.pop_front();
    pairs_.push_back({std::move(step), std::move(change), 1 / product});
  }
  // Minus the inverse Hessian times the gradient.
  Vector direction(const Vector& gradient) const {
    Vector q = gradient, alpha(pairs_.size());
    for (std::size_t k = pairs_.size(); k-- > 0;) {
      alpha[k] = pairs_[k].rho * dot(pairs_[k].step, q);
      add(q, -alpha[k], pairs_[k].change);
    }
    const double scale = pairs_.empty()
                             ? 1 / std::max(1e-300, std::sqrt(dot(gradient, gradient)))
                             : 1 / (pairs_.back().rho * dot(pairs_.back().change, pairs_.back().change));
    for (double& v : q) v *= scale;
    for (std::size_t k = 0; k < pairs_.size(); ++k)
      add(q, alpha[k] - pairs_[k].rho * dot(pairs_[k].change, q), pairs_[k].step);
    for (double& v : q) v = -v;
    return q;
  }

 private:
  static constexpr std::size_t kMost = 10;
  struct Pair {
    Vector step, change;
    double rho;
  };
  std::deque<Pair> pairs_;
};

// Whether the largest |gradient| came down to `tolerance`.
bool minimise(const Objective& f, Vector& x, int iterations, double tolerance) {
  Vector gradient(x.size()), next_gradient(x.size());
  double value = f(x, gradient);
  Curvature curvature;
  for (int i = 0; i < iterations && largest(gradient) > tolerance; ++i) {
    const Vector direction = curvature.direction(gradient);
    const double slope = dot(direction, gradient);
    Vector next;
    double step = 1, next_value = 0;
    for (;; step /= 2) {               // until it falls by a share of what the slope promises (Armijo)
      if (step < 1e-12) return false;  // as far as rounding goes
      next = x;
      add(next, step, direction);
      next_value = f(next, next_gradient);
      if (next_value <= value + 1e-4 * step * slope) break;
    }
    curvature.add_pair(difference(next, x), difference(next_gradient, gradient));
    x = std::move(next);
    value = next_value;
    gradient.swap(next_gradient);
  }
  return largest(gradient) <= tolerance;
}

// Rows in blocks, each worked on by one thread: how many threads there are does not change what is added up
// in which order.
constexpr std::int64_t kBlock = 512;
std::int64_t blocks_of(std::int64_t rows) { return (rows + kBlock - 1) / kBlock; }
template <typename Work>
void for_blocks(std::int64_t rows, const Work& work) {
#pragma omp parallel for schedule(static)
  for (std::int64_t b = 0; b < blocks_of(rows); ++b) work(b, b * kBlock, std::min(kBlock, rows - b * kBlock));
}

// Rows [first, first + count) of z [rows, classes] = x W' + b
void logits(std::span<const double> x, std::int64_t width, std::int64_t classes, const Vector& w,
            std::int64_t first, std::int64_t count, Vector& z) {
  double* const to = z.data() + first * classes;
  for (std::int64_t i = 0; i < count; ++i) std::copy(w.end() - classes, w.end(), to + i * classes);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(count), static_cast<int>(classes),
              static_cast<int>(width), 1, x.data() + first * width, static_cast<int>(width), w.data(),
              static_cast<int>(width), 1, to, static_cast<int>(classes));
}

// A row of logits becomes probabilities.
void to_probabilities(std::span<double> z, bool one_class) {
  if (!one_class) {
    for (double& v : z) v = 1 / (1 + std::exp(-v));
    return;
  }
  const double top = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (double& v : z) sum += v = std::exp(v - top);
  for (double& v : z) v /= sum;
}

// -log of what a row of logits gives its targets.
double loss_of(std::span<const double> z, std::span<const std::uint8_t> targets, bool one_class) {
  double loss = 0;
  if (one_class) {
    const double top = *std::max_element(z.begin(), z.end());
    double sum = 0;
    for (const double v : z) sum += std::exp(v - top);
    for (std::size_t k = 0; k < z.size(); ++k)
      if (targets[k] != 0) loss += top + std::log(sum) - z[k];
  } else {
    for (std::size_t k = 0; k < z.size(); ++k)
      loss += std::max(z[k], 0.0) - (targets[k] != 0 ? z[k] : 0) + std::log1p(std::exp(-std::abs(z[k])));
  }
  return loss;
}

}  // namespace

LogisticRegression::LogisticRegression(std::span<const double> x, std::int64_t width,
                                       std::span<const std::uint8_t> targets, std::int64_t classes,
                                       std::span<const double> weights, const LogisticOptions& options)
    : width_(width),
      classes_(classes),
      one_class_(options.one_class),
      w_(static_cast<std::size_t>(classes * (width + 1))) {
  const std::int64_t rows = std::ssize(weights), inner = classes * width;
  const auto columns = static_cast<std::size_t>(classes);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  const double penalty = 1 / (options.c * total);
  Vector z(static_cast<std::size_t>(rows * classes)), losses(static_cast<std::size_t>(rows));
  Vector parts(static_cast<std::size_t>(blocks_of(rows) * inner));  // of the gradient, a block after another
  const Objective objective = [&](const Vector& w, Vector& gradient) {
    for_blocks(rows, [&](std::int64_t block, std::int64_t first, std::int64_t count) {
      logits(x, width, classes, w, first, count, z);
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count); ++i) {
        const std::span row(z.data() + i * columns, columns);
        const std::span target = targets.subspan(i * columns, columns);
        losses[i] = weights[i] * loss_of(row, target, one_class_);
        to_probabilities(row, one_class_);
        for (std::size_t k = 0; k < columns; ++k) row[k] = weights[i] / total * (row[k] - target[k]);
      }
      cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(classes), static_cast<int>(width),
                  static_cast<int>(count), 1, z.data() + first * classes, static_cast<int>(classes),
                  x.data() + first * width, static_cast<int>(width), 0, parts.data() + block * inner,
                  static_cast<int>(width));
    });
    double value = std::accumulate(losses.begin(), losses.end(), 0.0) / total;
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (std::size_t i = 0; i < z.size(); ++i)
      gradient[static_cast<std::size_t>(inner) + i % columns] += z[i];
    for (std::size_t j = 0; j < static_cast<std::size_t>(inner); ++j) {
      value += penalty / 2 * w[j] * w[j];
      gradient[j] = penalty * w[j];
      for (std::size_t at = j; at < parts.size(); at += static_cast<std::size_t>(inner))
        gradient[j] += parts[at];
    }
    return value;
  };
  converged_ = minimise(objective, w_, options.iterations, options.tolerance);
}

std::vector<float> LogisticRegression::probabilities(std::span<const double> x) const {
  const std::int64_t rows = std::ssize(x) / width_;
  const auto columns = static_cast<std::size_t>(classes_);
  Vector z(static_cast<std::size_t>(rows * classes_));
  for_blocks(rows, [&](std::int64_t, std::int64_t first, std::int64_t count) {
    logits(x, width_, classes_, w_, first, count, z);
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count); ++i)
      to_probabilities({z.data() + i * columns, columns}, one_class_);
  });
  return {z.begin(), z.end()};
}

}  // namespace melgrad
