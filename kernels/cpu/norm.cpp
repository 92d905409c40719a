// Batch normalisation. Statistics and the map they give are computed per channel in double
// (kernels/math/norm.h); the activations are read twice, once for the sums and once for the map.
#include "kernels/math/norm.h"

#include "kernels/cpu/channel_loops.h"
#include "kernels/cpu/cpu_ops.h"

namespace melgrad {
namespace {

ChannelLoop loop_over(Tensor x, Tensor gamma, int threads) {
  return {1, x.numel() / gamma.dim(0), gamma.dim(0), threads};
}

// finish(c, sums) for every channel; sums as ChannelLoop::sums gives them.
template <typename Finish>
auto each_channel(std::int64_t channels, const std::vector<double>& sums, const Finish& finish) {
  std::vector<decltype(finish(0, 0.0, 0.0))> results;
  for (std::int64_t c = 0; c < channels; ++c) {
    results.push_back(
        finish(c, sums[static_cast<std::size_t>(c)], sums[static_cast<std::size_t>(channels + c)]));
  }
  return results;
}

// [width] of one member of every channel's map.
template <typename Map>
std::vector<float> table_of(const ChannelLoop& loop, const std::vector<Map>& maps, float Map::*member) {
  return loop.table([&](std::int64_t c) { return maps[static_cast<std::size_t>(c)].*member; });
}

void apply(const ChannelLoop& loop, const std::vector<NormMap>& maps, const float* x, float* y) {
  const auto mean = table_of(loop, maps, &NormMap::mean), factor = table_of(loop, maps, &NormMap::factor),
             offset = table_of(loop, maps, &NormMap::offset);
  loop.for_each([&, m = mean.data(), f = factor.data(), o = offset.data()](std::int64_t, std::int64_t i,
                                                                           std::int64_t n) {
    put(y + i, n, Write::overwrite, [=](std::int64_t j) { return normalised(x[i + j], m[j], f[j], o[j]); });
  });
}

}  // namespace

void CpuOps::batch_norm_forward(Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Out y, Out mean,
                                Out scale, InOut running_mean, InOut running_variance) {
  const ChannelLoop loop = loop_over(x, gamma, threads_);
  const float* in = x.f32();
  const auto first = loop.table([=](std::int64_t c) { return in[c]; });
  const auto sums = loop.sums<2>([=, width = loop.width(), from = first.data()](std::int64_t, std::int64_t i,
                                                                                std::int64_t n, double* sum) {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) {
      const double d = static_cast<double>(in[i + j]) - static_cast<double>(from[j]);
      sum[j] += d;
      sum[width + j] += d * d;
    }
  });
  const std::int64_t channels = gamma.numel();
  const NormForward forward{gamma.f32(),  beta.f32(),         mean.f32(),
                            scale.f32(),  running_mean.f32(), running_variance.f32(),
                            norm.epsilon, norm.momentum,      static_cast<double>(x.numel() / channels)};
  const auto maps = each_channel(channels, sums, [&](std::int64_t c, double sum, double squares) {
    return forward.finish(c, in[c], sum, squares);
  });
  apply(loop, maps, in, y.f32());
}

void CpuOps::batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean,
                                  Tensor running_variance, float epsilon, Out y) {
  const NormInference inference{gamma.f32(), beta.f32(), running_mean.f32(), running_variance.f32(), epsilon};
  std::vector<NormMap> maps;
  for (std::int64_t c = 0; c < gamma.numel(); ++c) maps.push_back(inference.map(c));
  apply(loop_over(x, gamma, threads_), maps, x.f32(), y.f32());
}

void CpuOps::batch_norm_backward(Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Grad dx,
                                 Grad dgamma, Grad dbeta) {
  const ChannelLoop loop = loop_over(x, gamma, threads_);
  const float *in = x.f32(), *g = dy.f32();
  const auto means = loop.table([p = mean.f32()](std::int64_t c) { return p[c]; });
  const float* m = means.data();
  const auto sums =
      loop.sums<2>([=, width = loop.width()](std::int64_t, std::int64_t i, std::int64_t n, double* sum) {
#pragma omp simd
        for (std::int64_t j = 0; j < n; ++j) {
          const double d = g[i + j];
          sum[j] += d;
          sum[width + j] += d * (static_cast<double>(in[i + j]) - static_cast<double>(m[j]));
        }
      });
  const std::int64_t channels = gamma.numel();
  const NormBackward backward{gamma.f32(),
                              mean.f32(),
                              scale.f32(),
                              dgamma.tensor.f32(),
                              dbeta.tensor.f32(),
                              dgamma.write == Write::accumulate,
                              dbeta.write == Write::accumulate,
                              static_cast<double>(x.numel() / channels)};
  const auto maps = each_channel(channels, sums, [&](std::int64_t c, double sum, double product) {
    return backward.finish(c, sum, product);
  });
  if (!dx.tensor) return;
  const auto factor = table_of(loop, maps, &NormGradient::factor),
             level = table_of(loop, maps, &NormGradient::level),
             slope = table_of(loop, maps, &NormGradient::slope);
  loop.for_each([=, out = dx.tensor.f32(), f = factor.data(), l = level.data(), s = slope.data()](
                    std::int64_t, std::int64_t i, std::int64_t n) {
    put(out + i, n, dx.write,
        [=](std::int64_t j) { return norm_gradient(in[i + j], g[i + j], m[j], f[j], l[j], s[j]); });
  });
}

}  // namespace melgrad
