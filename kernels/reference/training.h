// Reference of what surrounds the layers: loss, penalty, optimizers, schedule, batches. Conventions as in
// layers.h; the optimizers change their arguments in place, as the ops do.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/math/segments.h"
#include "kernels/ops.h"
#include "kernels/reference/array.h"

namespace melgrad::reference {

// ---- classification: logits [N, K], labels [N], weights [N]
template <typename R>
Array<R> softmax_forward(Array<R> logits) {
  const Index classes = logits.shape[1];
  for (Index n = 0; n < logits.shape[0]; ++n) {
    R top = logits(n, 0), sum = 0;
    for (Index k = 0; k < classes; ++k) top = std::max(top, logits(n, k));
    for (Index k = 0; k < classes; ++k) sum += logits(n, k) = std::exp(logits(n, k) - top);
    for (Index k = 0; k < classes; ++k) logits(n, k) /= sum;
  }
  return logits;
}

template <typename R>
struct CrossEntropy {
  Array<R> probs, loss, hits;
};

template <typename R>
R sum_of(const Array<R>& a) {
  R sum = 0;
  for (const R e : a.v) sum += e;
  return sum;
}

// shares [N, K]; the class of an example as a share of 1. A label that names none is of padding.
template <typename R>
Array<R> shares_of(const Array<std::int32_t>& labels, Index classes) {
  Array<R> shares({labels.size(), classes});
  for (Index n = 0; n < labels.size(); ++n)
    if (labels[n] >= 0 && labels[n] < classes) shares(n, labels[n]) = 1;
  return shares;
}

template <typename R>
CrossEntropy<R> cross_entropy_forward(const Array<R>& logits, const Array<R>& shares,
                                      const Array<R>& weights) {
  CrossEntropy<R> c{softmax_forward(logits), Array<R>({1}), Array<R>({1})};
  const R total = sum_of(weights);
  for (Index n = 0; n < logits.shape[0]; ++n) {
    if (weights[n] == 0) continue;
    // log softmax from the logits: -log probs would be infinite where probs has underflowed.
    R top = logits(n, 0), sum = 0;
    Index best = 0, largest = 0;
    for (Index k = 1; k < logits.shape[1]; ++k) {
      if (logits(n, k) > top) top = logits(n, best = k);
      if (shares(n, k) > shares(n, largest)) largest = k;
    }
    for (Index k = 0; k < logits.shape[1]; ++k) sum += std::exp(logits(n, k) - top);
    for (Index k = 0; k < logits.shape[1]; ++k)
      c.loss[0] += weights[n] / total * shares(n, k) * (top + std::log(sum) - logits(n, k));
    c.hits[0] += best == largest ? weights[n] / total : R{0};
  }
  return c;
}

template <typename R>
CrossEntropy<R> cross_entropy_forward(const Array<R>& logits, const Array<std::int32_t>& labels,
                                      const Array<R>& weights) {
  return cross_entropy_forward(logits, shares_of<R>(labels, logits.shape[1]), weights);
}

template <typename R>
Array<R> cross_entropy_backward(const Array<R>& probs, const Array<R>& shares, const Array<R>& weights,
                                R dloss) {
  Array<R> d(probs.shape);
  const R total = sum_of(weights);
  for (Index n = 0; n < probs.shape[0]; ++n) {
    if (weights[n] == 0) continue;
    for (Index k = 0; k < probs.shape[1]; ++k)
      d(n, k) = dloss * weights[n] / total * (probs(n, k) - shares(n, k));
  }
  return d;
}

template <typename R>
Array<R> cross_entropy_backward(const Array<R>& probs, const Array<std::int32_t>& labels,
                                const Array<R>& weights, R dloss) {
  return cross_entropy_backward(probs, shares_of<R>(labels, probs.shape[1]), weights, dloss);
}

// ---- tagging: logits, probs, targets [N, K], weights [N], tag_weights [K]
template <typename R>
CrossEntropy<R> sigmoid_cross_entropy_forward(const Array<R>& logits, const Array<R>& targets,
                                              const Array<R>& weights, const Array<R>& tag_weights) {
  CrossEntropy<R> out{activation_forward(logits, Activation::sigmoid), Array<R>({1}), Array<R>({1})};
  const R total = sum_of(weights), tags = static_cast<R>(logits.shape[1]);
  if (total == 0) return out;
  const auto log_sigmoid = [](R z) { return std::min(z, R{0}) - std::log1p(std::exp(-std::abs(z))); };
  for (Index n = 0; n < logits.shape[0]; ++n)
    for (Index k = 0; k < logits.shape[1]; ++k) {
      const R z = logits(n, k), t = targets(n, k), share = weights[n] / (total * tags);
      out.loss[0] -= share * (tag_weights[k] * t * log_sigmoid(z) + (1 - t) * log_sigmoid(-z));
      out.hits[0] += (z > 0) == (t > 0.5) ? share : R{0};
    }
  return out;
}

template <typename R>
Array<R> sigmoid_cross_entropy_backward(const Array<R>& probs, const Array<R>& targets,
                                        const Array<R>& weights, const Array<R>& tag_weights, R dloss) {
  Array<R> d(probs.shape);
  const R total = sum_of(weights), tags = static_cast<R>(probs.shape[1]);
  for (Index n = 0; n < probs.shape[0]; ++n)
    for (Index k = 0; k < probs.shape[1]; ++k) {
      const R p = probs(n, k), t = targets(n, k), a = tag_weights[k];
      if (weights[n] != 0) d(n, k) = dloss * weights[n] / (total * tags) * (p * (1 - t + a * t) - a * t);
    }
  return d;
}

// ---- L2 penalty
template <typename R>
Array<R> l2_penalty_forward(const Array<R>& w, double lambda) {
  return Array<R>({1}, static_cast<R>(lambda * dot(w, w)));
}

template <typename R>
Array<R> l2_penalty_backward(Array<R> w, double lambda, R dloss) {
  for (R& e : w.v) e *= static_cast<R>(2 * lambda) * dloss;
  return w;
}

// ---- optimizers
template <typename R>
void sgd_update(Array<R>& w, const Array<R>& g, Array<R>& v, R rate, R scale, R momentum, bool nesterov,
                R l2 = 0) {
  if (scale == 0) return;
  for (Index i = 0; i < w.size(); ++i) {
    const R gi = scale * g[i] + l2 * w[i];
    v[i] = momentum * v[i] + gi;
    w[i] -= rate * (nesterov ? gi + momentum * v[i] : v[i]);
  }
}

template <typename R>
struct Adam {
  R beta1, beta2, epsilon, decay, l2 = 0;
};

template <typename R>
void adam_update(Array<R>& w, const Array<R>& g, Array<R>& m, Array<R>& v, R rate, R scale, Index counter,
                 const Adam<R>& adam) {
  if (scale == 0) return;
  const R t = static_cast<R>(counter + 1);
  const R correct1 = 1 - std::pow(adam.beta1, t), correct2 = 1 - std::pow(adam.beta2, t);
  for (Index i = 0; i < w.size(); ++i) {
    const R gi = scale * g[i] + adam.l2 * w[i];
    m[i] = adam.beta1 * m[i] + (1 - adam.beta1) * gi;
    v[i] = adam.beta2 * v[i] + (1 - adam.beta2) * gi * gi;
    w[i] -= rate * (m[i] / correct1 / (std::sqrt(v[i] / correct2) + adam.epsilon) + adam.decay * w[i]);
  }
}

template <typename R>
void adadelta_update(Array<R>& w, const Array<R>& g, Array<R>& a, Array<R>& d, R rate, R scale, R rho,
                     R epsilon) {
  if (scale == 0) return;
  for (Index i = 0; i < w.size(); ++i) {
    const R gi = scale * g[i];
    a[i] = rho * a[i] + (1 - rho) * gi * gi;
    const R u = gi * std::sqrt(d[i] + epsilon) / std::sqrt(a[i] + epsilon);
    w[i] -= rate * u;
    d[i] = rho * d[i] + (1 - rho) * u * u;
  }
}

// { norm, scale }
template <typename R>
Array<R> gradient_norm(const Array<R>& g, double max_norm) {
  const double norm = std::sqrt(dot(g, g));
  Array<R> result({2});
  result[0] = static_cast<R>(norm);
  result[1] = static_cast<R>(max_norm > 0 ? std::min(1.0, max_norm / norm) : 1.0);
  if (!std::isfinite(static_cast<float>(norm))) result[1] = 0;  // norms are kept in float
  return result;
}

// x [N, T, F, 1], mean [N, F] -> [N, T, F, 2]
template <typename R>
Array<R> beside_mean(const Array<R>& x, const Array<R>& mean, double scale) {
  Array<R> y({x.shape[0], x.shape[1], x.shape[2], 2});
  for (Index n = 0; n < x.shape[0]; ++n)
    for (Index t = 0; t < x.shape[1]; ++t)
      for (Index f = 0; f < x.shape[2]; ++f) {
        y(n, t, f, 0) = x(n, t, f, 0);
        y(n, t, f, 1) = static_cast<R>(scale) * (x(n, t, f, 0) - mean(n, f));
      }
  return y;
}

// The mean after step `t`.
template <typename R>
Array<R> average(const Array<R>& x, double decay, Index begin, Index t, Array<R> mean) {
  const double share = t < begin ? 1 : std::max(1 - decay, 1 / static_cast<double>(t - begin + 1));
  for (Index i = 0; i < x.size(); ++i)
    mean[i] = share < 1 ? mean[i] + static_cast<R>(share) * (x[i] - mean[i]) : x[i];
  return mean;
}

// ---- schedule: the formulas of struct Schedule
inline double learning_rate(const Schedule& s, Index t) {
  const auto time = static_cast<double>(t), total = static_cast<double>(s.total);
  double rate = s.base;
  if (s.kind == Schedule::Kind::inverse_time) rate = s.base / (1 + s.decay * time);
  if (s.kind == Schedule::Kind::cosine && s.total > 0) {
    const double wave = (1 + std::cos(std::acos(-1.0) * std::min(time / total, 1.0))) / 2;
    rate = s.base * (s.final_fraction + (1 - s.final_fraction) * wave);
  }
  if (s.kind == Schedule::Kind::step)
    rate = s.base * std::pow(s.decay, std::floor(time / static_cast<double>(s.period)));
  if (s.factor) rate *= static_cast<double>(*s.factor.f32());
  return t < s.warmup ? rate * (time + 1) / static_cast<double>(s.warmup) : rate;
}

// ---- data
struct PickedBatch {
  Array<std::int64_t> first;
  Array<std::int32_t> labels;
  Array<float> weights;
};

// The tracks of one step [N], and what is known of all tracks; `settings` counts for all but its tensors.
inline PickedBatch pick_batch(const std::vector<std::int32_t>& order,
                              const std::vector<std::int64_t>& first_row,
                              const std::vector<std::int32_t>& rows, const std::vector<std::int32_t>& labels,
                              const BatchPlan& settings, Index counter, Index frames,
                              const std::vector<float>& class_weights = {}) {
  const auto n = static_cast<Index>(order.size());
  const auto starts = [&](std::int32_t track) {
    const Index all = rows[static_cast<std::size_t>(track)] - frames + 1;
    return settings.skip_last_start ? std::max<Index>(1, all - 1) : all;
  };
  const auto repeated = [](std::int32_t entry) { return entry < 0 ? -1 - entry : entry; };
  Index fewest = starts(repeated(order[0]));
  for (const std::int32_t entry : order) fewest = std::min(fewest, starts(repeated(entry)));
  PickedBatch b{Array<std::int64_t>({n}), Array<std::int32_t>({n}), Array<float>({n})};
  for (Index i = 0; i < n; ++i) {
    const std::int32_t entry = order[static_cast<std::size_t>(i)];
    const bool padding = entry < 0;
    const std::int32_t track = repeated(entry);
    b.first[i] = first_row[static_cast<std::size_t>(track)] +
                 drawn_start(settings.seed, counter, padding || settings.shared_start ? 0 : i,
                             settings.shared_start ? fewest : starts(track));
    b.labels[i] = padding ? 0 : labels[static_cast<std::size_t>(track)];
    b.weights[i] = padding                 ? 0.0F
                   : class_weights.empty() ? 1.0F
                                           : class_weights[static_cast<std::size_t>(b.labels[i])];
  }
  return b;
}

// IEEE half precision, bit by bit.
inline float half_to_float(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const float sign = bits >> 15 ? -1.0F : 1.0F;
  if (exponent == 31)
    return fraction != 0 ? std::numeric_limits<float>::quiet_NaN()
                         : sign * std::numeric_limits<float>::infinity();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

// x [N, frames, F, 1] = table rows first[n] ... first[n] + frames - 1
template <typename R>
Array<R> gather_segments(const Array<R>& table, const Array<std::int64_t>& first, Index frames) {
  Array<R> x({first.size(), frames, table.shape[1], 1});
  for (Index n = 0; n < first.size(); ++n)
    for (Index t = 0; t < frames; ++t)
      for (Index f = 0; f < table.shape[1]; ++f) x(n, t, f, 0) = table(first[n] + t, f);
  return x;
}

// y = (x - mean) * scale of each band; x [N, T, F, 1]
template <typename R>
Array<R> standardise(Array<R> x, const Array<R>& mean, const Array<R>& scale) {
  const Index bands = mean.size();
  for (Index i = 0; i < x.size(); ++i) x[i] = (x[i] - mean[i % bands]) * scale[i % bands];
  return x;
}

}  // namespace melgrad::reference
