// Reference layers: element-wise, linear, convolution, pooling, stem. The maths of kernels/ops.h as plain
// loops. Functions return their result; a gradient is returned alone, adding it to an earlier one is the
// caller's business. Valid for R = double (the specification) and float.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/math/philox.h"
#include "kernels/ops.h"
#include "kernels/reference/array.h"

namespace melgrad::reference {

// ---- element-wise
template <typename R>
Array<R> relu_forward(Array<R> x) {
  for (R& e : x.v) e = std::max(e, R{0});
  return x;
}

template <typename R>
Array<R> relu_backward(const Array<R>& y, Array<R> dy) {
  for (Index i = 0; i < y.size(); ++i) dy[i] = y[i] > 0 ? dy[i] : R{0};
  return dy;
}

// Phi(x) = (1 + erf(x / sqrt(2))) / 2, to all digits of small ones too.
template <typename R>
R normal_below(R x) {
  return std::erfc(-x / std::sqrt(R{2})) / 2;
}

// The formulas of enum Activation (kernels/ops.h).
template <typename R>
R activated(R x, Activation f) {
  switch (f) {
    case Activation::relu:
      return std::max(x, R{0});
    case Activation::elu:
      return x > 0 ? x : std::exp(x) - 1;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::decibels:
      return 10 * std::log10(std::max(x, static_cast<R>(1e-10)));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::gelu:
      return x * normal_below(x);
    case Activation::silu:
      return x / (1 + std::exp(-x));
  }
  return std::numeric_limits<R>::quiet_NaN();
}

// f'(x), of which y is f(x)
template <typename R>
R slope(R x, R y, Activation f) {
  switch (f) {
    case Activation::relu:
      return y > 0 ? R{1} : R{0};
    case Activation::elu:
      return y > 0 ? R{1} : y + 1;
    case Activation::sigmoid:
      return y * (1 - y);
    case Activation::decibels:
      return y > -100 ? static_cast<R>(10 / std::log(10.0)) * std::pow(R{10}, -y / 10) : R{0};
    case Activation::tanh:
      return 1 - y * y;
    case Activation::gelu:
      return normal_below(x) + x * std::exp(-x * x / 2) / static_cast<R>(std::sqrt(2 * std::acos(-1.0)));
    case Activation::silu: {
      const R s = 1 / (1 + std::exp(-x));
      return s * (1 + x * (1 - s));
    }
  }
  return std::numeric_limits<R>::quiet_NaN();
}

template <typename R>
Array<R> activation_forward(Array<R> x, Activation f) {
  for (R& e : x.v) e = activated(e, f);
  return x;
}

template <typename R>
Array<R> activation_backward(const Array<R>& x, const Array<R>& y, Array<R> dy, Activation f) {
  for (Index i = 0; i < y.size(); ++i) dy[i] *= slope(x[i], y[i], f);
  return dy;
}

// Forward and backward of dropout are the same map; `keep(i)` is the draw for element i.
template <typename R, typename Keep>
Array<R> dropout(Array<R> x, double rate, Keep keep) {
  for (Index i = 0; i < x.size(); ++i) x[i] = keep(i) ? static_cast<R>(x[i] / (1 - rate)) : R{0};
  return x;
}

// The draw of kernels/ops.h for element i; four neighbours share one block of the generator.
inline bool dropout_keeps(const Dropout& d, Index counter, Index i) {
  const Philox4 four =
      philox(d.seed, d.stream, static_cast<std::uint64_t>(counter), static_cast<std::uint64_t>(i / 4));
  return uniform01(four.word[i % 4]) >= d.rate;
}

// ---- linear: x [M, I], w [O, I], b [O], y [M, O]
template <typename R>
Array<R> linear_forward(const Array<R>& x, const Array<R>& w, const Array<R>& b) {
  Array<R> y({x.shape[0], w.shape[0]});
  for (Index m = 0; m < y.shape[0]; ++m)
    for (Index o = 0; o < y.shape[1]; ++o) {
      y(m, o) = b(o);
      for (Index i = 0; i < x.shape[1]; ++i) y(m, o) += x(m, i) * w(o, i);
    }
  return y;
}

template <typename R>
Array<R> linear_backward_input(const Array<R>& dy, const Array<R>& w) {
  Array<R> dx({dy.shape[0], w.shape[1]});
  for (Index m = 0; m < dy.shape[0]; ++m)
    for (Index o = 0; o < dy.shape[1]; ++o)
      for (Index i = 0; i < w.shape[1]; ++i) dx(m, i) += dy(m, o) * w(o, i);
  return dx;
}

template <typename R>
struct ParamGradients {
  Array<R> dw, db;
};

template <typename R>
ParamGradients<R> linear_backward_params(const Array<R>& x, const Array<R>& dy) {
  ParamGradients<R> g{Array<R>({dy.shape[1], x.shape[1]}), Array<R>({dy.shape[1]})};
  for (Index m = 0; m < dy.shape[0]; ++m)
    for (Index o = 0; o < dy.shape[1]; ++o) {
      g.db(o) += dy(m, o);
      for (Index i = 0; i < x.shape[1]; ++i) g.dw(o, i) += dy(m, o) * x(m, i);
    }
  return g;
}

// ---- convolution: x [N, T, F, C], w [O, kT, kF, C], b [O], y [N, T', F', O]
inline Shape conv2d_shape(const Shape& x, const Shape& w, const Conv2d& conv) {
  return {x[0], (x[1] + 2 * conv.pad_t - w[1]) / conv.stride_t + 1,
          (x[2] + 2 * conv.pad_f - w[2]) / conv.stride_f + 1, w[0]};
}

// Calls tap(y offset, w offset, x offset) for every product that the convolution sums; padding has none.
template <typename Tap>
void for_each_tap(const Shape& x, const Shape& w, const Conv2d& conv, Tap tap) {
  const Shape y = conv2d_shape(x, w, conv);
  for (Index n = 0; n < y[0]; ++n)
    for (Index t = 0; t < y[1]; ++t)
      for (Index f = 0; f < y[2]; ++f)
        for (Index o = 0; o < y[3]; ++o)
          for (Index i = 0; i < w[1]; ++i)
            for (Index j = 0; j < w[2]; ++j) {
              const Index xt = t * conv.stride_t + i - conv.pad_t, xf = f * conv.stride_f + j - conv.pad_f;
              if (xt < 0 || xt >= x[1] || xf < 0 || xf >= x[2]) continue;
              for (Index c = 0; c < w[3]; ++c)
                tap(((n * y[1] + t) * y[2] + f) * y[3] + o, ((o * w[1] + i) * w[2] + j) * w[3] + c,
                    ((n * x[1] + xt) * x[2] + xf) * x[3] + c);
            }
}

template <typename R>
Array<R> conv2d_forward(const Array<R>& x, const Array<R>& w, const Array<R>& b, const Conv2d& conv) {
  Array<R> y(conv2d_shape(x.shape, w.shape, conv));
  for (Index i = 0; i < y.size(); ++i) y[i] = b[i % b.size()];
  for_each_tap(x.shape, w.shape, conv, [&](Index iy, Index iw, Index ix) { y[iy] += w[iw] * x[ix]; });
  return y;
}

template <typename R>
Array<R> conv2d_backward_input(const Array<R>& dy, const Array<R>& w, const Conv2d& conv, const Shape& x) {
  Array<R> dx(x);
  for_each_tap(x, w.shape, conv, [&](Index iy, Index iw, Index ix) { dx[ix] += dy[iy] * w[iw]; });
  return dx;
}

template <typename R>
ParamGradients<R> conv2d_backward_params(const Array<R>& x, const Array<R>& dy, const Conv2d& conv,
                                         const Shape& w) {
  ParamGradients<R> g{Array<R>(w), Array<R>({w[0]})};
  for_each_tap(x.shape, w, conv, [&](Index iy, Index iw, Index ix) { g.dw[iw] += dy[iy] * x[ix]; });
  for (Index i = 0; i < dy.size(); ++i) g.db[i % w[0]] += dy[i];
  return g;
}

// ---- max pooling: x [N, T, F, C], y and argmax [N, windows over T, windows over F, C]
template <typename R>
struct Pooled {
  Array<R> y;
  Array<std::uint8_t> argmax;
};

template <typename R>
Pooled<R> max_pool_forward(const Array<R>& x, const Pool2d& pool) {
  const Shape to{x.shape[0], pool.frames_of(x.shape[1]), pool.bands_of(x.shape[2]), x.shape[3]};
  Pooled<R> p{Array<R>(to), Array<std::uint8_t>(to)};
  for (Index n = 0; n < to[0]; ++n)
    for (Index t = 0; t < to[1]; ++t)
      for (Index f = 0; f < to[2]; ++f)
        for (Index c = 0; c < to[3]; ++c)
          for (Index k = 0; k < pool.frames * pool.bands; ++k) {
            const R value = x(n, t * pool.step_t() + k / pool.bands, f * pool.step_f() + k % pool.bands, c);
            const R best = p.y(n, t, f, c);
            if (k > 0 && (value <= best || std::isnan(best))) continue;
            p.y(n, t, f, c) = value;
            p.argmax(n, t, f, c) = static_cast<std::uint8_t>(k);
          }
  return p;
}

template <typename R>
Array<R> max_pool_backward(const Array<R>& dy, const Array<std::uint8_t>& argmax, const Pool2d& pool,
                           const Shape& x) {
  Array<R> dx(x);
  for (Index n = 0; n < dy.shape[0]; ++n)
    for (Index t = 0; t < dy.shape[1]; ++t)
      for (Index f = 0; f < dy.shape[2]; ++f)
        for (Index c = 0; c < dy.shape[3]; ++c) {
          const Index k = argmax(n, t, f, c);
          dx(n, t * pool.step_t() + k / pool.bands, f * pool.step_f() + k % pool.bands, c) += dy(n, t, f, c);
        }
  return dx;
}

// ---- stem: max_pool(relu(conv2d))
template <typename R>
Pooled<R> stem_forward(const Array<R>& x, const Array<R>& w, const Array<R>& b, const Pool2d& pool) {
  return max_pool_forward(relu_forward(conv2d_forward(x, w, b, {})), pool);
}

template <typename R>
ParamGradients<R> stem_backward_params(const Array<R>& x, const Array<R>& y,
                                       const Array<std::uint8_t>& argmax, const Array<R>& dy,
                                       const Pool2d& pool, const Shape& w) {
  // ReLU and pooling commute: the gradient passes where the pooled value is positive.
  const Array<R> pooled = relu_backward(y, dy);
  return conv2d_backward_params(x, max_pool_backward(pooled, argmax, pool, conv2d_shape(x.shape, w, {})), {},
                                w);
}

}  // namespace melgrad::reference
