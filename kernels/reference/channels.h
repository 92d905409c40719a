// Reference of what works along the channels: global pooling, batch normalisation, gates, copies of columns
// and of axes. As layers.h.
#pragma once

#include <cmath>

#include "kernels/ops.h"
#include "kernels/reference/array.h"

namespace melgrad::reference {

// ---- global pooling: x [N, P, C], y [N, C]; lengths [N], or empty: all positions count
inline Index length_of(const Array<std::int32_t>& lengths, Index n, Index positions) {
  return lengths.size() == 0 ? positions : lengths(n);
}

template <typename R>
struct GlobalMax {
  Array<R> y;
  Array<std::int32_t> argmax;
};

template <typename R>
GlobalMax<R> global_max_forward(const Array<R>& x, const Array<std::int32_t>& lengths) {
  const Shape to{x.shape[0], x.shape[2]};
  GlobalMax<R> g{Array<R>(to), Array<std::int32_t>(to)};
  for (Index n = 0; n < to[0]; ++n)
    for (Index c = 0; c < to[1]; ++c)
      for (Index p = 0; p < length_of(lengths, n, x.shape[1]); ++p) {
        const R best = g.y(n, c);
        if (p > 0 && (x(n, p, c) <= best || std::isnan(best))) continue;
        g.y(n, c) = x(n, p, c);
        g.argmax(n, c) = static_cast<std::int32_t>(p);
      }
  return g;
}

template <typename R>
Array<R> global_max_backward(const Array<R>& dy, const Array<std::int32_t>& argmax, const Shape& x) {
  Array<R> dx(x);
  for (Index n = 0; n < x[0]; ++n)
    for (Index c = 0; c < x[2]; ++c) dx(n, argmax(n, c), c) = dy(n, c);
  return dx;
}

template <typename R>
Array<R> global_mean_forward(const Array<R>& x, const Array<std::int32_t>& lengths) {
  Array<R> y({x.shape[0], x.shape[2]});
  for (Index n = 0; n < x.shape[0]; ++n)
    for (Index c = 0; c < x.shape[2]; ++c) {
      const Index length = length_of(lengths, n, x.shape[1]);
      for (Index p = 0; p < length; ++p) y(n, c) += x(n, p, c);
      y(n, c) /= static_cast<R>(length);
    }
  return y;
}

template <typename R>
Array<R> global_mean_backward(const Array<R>& dy, const Array<std::int32_t>& lengths, const Shape& x) {
  Array<R> dx(x);
  for (Index n = 0; n < x[0]; ++n)
    for (Index c = 0; c < x[2]; ++c) {
      const Index length = length_of(lengths, n, x[1]);
      for (Index p = 0; p < length; ++p) dx(n, p, c) = dy(n, c) / static_cast<R>(length);
    }
  return dx;
}

// ---- attention pooling: x [N, P, C], scores and weights [N, P, H], y [N, C]
template <typename R>
struct AttentionPooled {
  Array<R> weights, y;
};

template <typename R>
AttentionPooled<R> attention_pool_forward(const Array<R>& x, const Array<R>& scores) {
  const Index examples = x.shape[0], positions = x.shape[1], channels = x.shape[2], heads = scores.shape[2];
  AttentionPooled<R> out{Array<R>(scores.shape), Array<R>({examples, channels})};
  for (Index n = 0; n < examples; ++n) {
    for (Index h = 0; h < heads; ++h) {
      R top = scores(n, 0, h), sum = 0;
      for (Index p = 1; p < positions; ++p) top = std::max(top, scores(n, p, h));
      for (Index p = 0; p < positions; ++p) sum += std::exp(scores(n, p, h) - top);
      for (Index p = 0; p < positions; ++p) out.weights(n, p, h) = std::exp(scores(n, p, h) - top) / sum;
    }
    for (Index c = 0; c < channels; ++c)
      for (Index p = 0; p < positions; ++p)
        out.y(n, c) += out.weights(n, p, c * heads / channels) * x(n, p, c);
  }
  return out;
}

template <typename R>
struct AttentionGradients {
  Array<R> dx, dscores;
};

template <typename R>
AttentionGradients<R> attention_pool_backward(const Array<R>& x, const Array<R>& weights,
                                              const Array<R>& dy) {
  const Index examples = x.shape[0], positions = x.shape[1], channels = x.shape[2], heads = weights.shape[2];
  AttentionGradients<R> d{Array<R>(x.shape), Array<R>(weights.shape)};
  for (Index n = 0; n < examples; ++n) {
    for (Index p = 0; p < positions; ++p)
      for (Index c = 0; c < channels; ++c) {
        const Index h = c * heads / channels;
        d.dx(n, p, c) = weights(n, p, h) * dy(n, c);
        d.dscores(n, p, h) += x(n, p, c) * dy(n, c);
      }
    for (Index h = 0; h < heads; ++h) {
      R mean = 0;
      for (Index p = 0; p < positions; ++p) mean += weights(n, p, h) * d.dscores(n, p, h);
      for (Index p = 0; p < positions; ++p)
        d.dscores(n, p, h) = weights(n, p, h) * (d.dscores(n, p, h) - mean);
    }
  }
  return d;
}

// ---- batch normalisation: x, y [..., C] of M rows; all else [C]
template <typename R>
struct BatchNormed {
  Array<R> y, mean, scale, running_mean, running_variance;
};

template <typename R>
Array<R> batch_norm_inference(Array<R> x, const Array<R>& gamma, const Array<R>& beta, const Array<R>& mean,
                              const Array<R>& variance, double epsilon) {
  for (Index i = 0; i < x.size(); ++i) {
    const Index c = i % gamma.size();
    x[i] = gamma[c] * (x[i] - mean[c]) / static_cast<R>(std::sqrt(variance[c] + epsilon)) + beta[c];
  }
  return x;
}

template <typename R>
BatchNormed<R> batch_norm_forward(const Array<R>& x, const Array<R>& gamma, const Array<R>& beta,
                                  double epsilon, double momentum, const Array<R>& running_mean,
                                  const Array<R>& running_variance) {
  const Index channels = gamma.size(), rows = x.size() / channels;
  const auto m = static_cast<R>(rows), share = static_cast<R>(momentum);
  BatchNormed<R> b{{}, Array<R>({channels}), Array<R>({channels}), running_mean, running_variance};
  Array<R> variance({channels});
  for (Index c = 0; c < channels; ++c) {
    for (Index r = 0; r < rows; ++r) b.mean[c] += x[r * channels + c] / m;
    for (Index r = 0; r < rows; ++r) {
      const R d = x[r * channels + c] - b.mean[c];
      variance[c] += d * d / m;
    }
    b.scale[c] = static_cast<R>(1 / std::sqrt(variance[c] + epsilon));
    const R unbiased = rows > 1 ? variance[c] * m / (m - 1) : variance[c];
    if (!std::isfinite(unbiased)) continue;  // nor is it if the mean is not
    b.running_mean[c] += share * (b.mean[c] - b.running_mean[c]);
    b.running_variance[c] += share * (unbiased - b.running_variance[c]);
  }
  b.y = batch_norm_inference(x, gamma, beta, b.mean, variance, epsilon);
  return b;
}

template <typename R>
struct BatchNormGradients {
  Array<R> dx, dgamma, dbeta;
};

template <typename R>
BatchNormGradients<R> batch_norm_backward(const Array<R>& x, const Array<R>& gamma, const Array<R>& mean,
                                          const Array<R>& scale, const Array<R>& dy) {
  const Index channels = gamma.size();
  const auto m = static_cast<R>(x.size() / channels);
  BatchNormGradients<R> g{Array<R>(x.shape), Array<R>({channels}), Array<R>({channels})};
  const auto z = [&](Index i) { return (x[i] - mean[i % channels]) * scale[i % channels]; };
  for (Index i = 0; i < x.size(); ++i) {
    g.dbeta[i % channels] += dy[i];
    g.dgamma[i % channels] += dy[i] * z(i);
  }
  for (Index i = 0; i < x.size(); ++i) {
    const Index c = i % channels;
    g.dx[i] = gamma[c] * scale[c] * (dy[i] - (g.dbeta[c] + z(i) * g.dgamma[c]) / m);
  }
  return g;
}

// ---- gates of channels: x [N, P, C], g [N, C]
template <typename R>
Array<R> scale_channels_forward(const Array<R>& x, const Array<R>& g) {
  Array<R> y(x.shape);
  for (Index n = 0; n < x.shape[0]; ++n)
    for (Index p = 0; p < x.shape[1]; ++p)
      for (Index c = 0; c < x.shape[2]; ++c) y(n, p, c) = x(n, p, c) * g(n, c);
  return y;
}

template <typename R>
struct GateGradients {
  Array<R> dx, dg;
};

template <typename R>
GateGradients<R> scale_channels_backward(const Array<R>& x, const Array<R>& g, const Array<R>& dy) {
  GateGradients<R> d{scale_channels_forward(dy, g), Array<R>(g.shape)};
  for (Index n = 0; n < x.shape[0]; ++n)
    for (Index p = 0; p < x.shape[1]; ++p)
      for (Index c = 0; c < x.shape[2]; ++c) d.dg(n, c) += dy(n, p, c) * x(n, p, c);
  return d;
}

// ---- copies
template <typename R>
Array<R> copy_columns(const Array<R>& from, Index from_column, Array<R> to, Index to_column, Index columns,
                      Write write) {
  for (Index m = 0; m < from.shape[0]; ++m)
    for (Index j = 0; j < columns; ++j) {
      R& e = to(m, to_column + j);
      e = (write == Write::accumulate ? e : R{0}) + from(m, from_column + j);
    }
  return to;
}

template <typename R>
Array<R> swap_axes(const Array<R>& x) {
  Array<R> y({x.shape[1], x.shape[0], x.shape[2]});
  for (Index a = 0; a < x.shape[0]; ++a)
    for (Index b = 0; b < x.shape[1]; ++b)
      for (Index c = 0; c < x.shape[2]; ++c) y(b, a, c) = x(a, b, c);
  return y;
}

}  // namespace melgrad::reference
