// Batch normalisation: sums per channel (channel_loops.h), from which the thread that finishes a channel
// makes its map (kernels/math/norm.h); then one pass over the activations.
#include "kernels/cuda/channel_loops.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/math/norm.h"

namespace melgrad {
namespace {

// Of x - first, where first is the channel's value in the first row, and of its square.
template <typename T>
struct Moments {
  using State = Sums<2>;
  const T* x;
  std::int64_t channels;

  struct At {
    const T* x;
    std::int64_t channels;
    double first;
    MELGRAD_DEVICE void operator()(State& sum, std::int64_t row) const {
      const double d = static_cast<double>(to_float(x[row * channels])) - first;
      sum.of[0] += d;
      sum.of[1] += d * d;
    }
  };
  MELGRAD_DEVICE At at(std::int64_t /*group*/, std::int64_t channel) const {
    return {x + channel, channels, static_cast<double>(to_float(x[channel]))};
  }
};

template <typename T>
struct FinishForward {
  NormForward norm;
  const T* x;
  NormMap* maps;
  MELGRAD_DEVICE void operator()(const ChannelPlace& my, const Sums<2>& sum) const {
    maps[my.channel] = norm.finish(my.channel, to_float(x[my.channel]), sum.of[0], sum.of[1]);
  }
};

// `maps` gives the NormMap of a channel.
template <typename T, typename Maps>
struct Normalise {
  Maps maps;
  const T* x;
  std::int64_t channels;

  struct At {
    NormMap map;
    const T* x;
    std::int64_t channels;
    MELGRAD_DEVICE float operator()(std::int64_t row) const {
      return normalised(to_float(x[row * channels]), map.mean, map.factor, map.offset);
    }
  };
  MELGRAD_DEVICE At at(std::int64_t /*group*/, std::int64_t channel) const {
    return {maps.map(channel), x + channel, channels};
  }
};

struct StoredMaps {
  const NormMap* maps;
  MELGRAD_DEVICE NormMap map(std::int64_t channel) const { return maps[channel]; }
};

// Of dy, and of dy (x - mean).
template <typename T>
struct GradientSums {
  using State = Sums<2>;
  const T *x, *dy;
  const float* mean;
  std::int64_t channels;

  struct At {
    const T *x, *dy;
    std::int64_t channels;
    double mean;
    MELGRAD_DEVICE void operator()(State& sum, std::int64_t row) const {
      const auto d = static_cast<double>(to_float(dy[row * channels]));
      sum.of[0] += d;
      sum.of[1] += d * (static_cast<double>(to_float(x[row * channels])) - mean);
    }
  };
  MELGRAD_DEVICE At at(std::int64_t /*group*/, std::int64_t channel) const {
    return {x + channel, dy + channel, channels, static_cast<double>(mean[channel])};
  }
};

struct FinishBackward {
  NormBackward norm;
  NormGradient* maps;
  MELGRAD_DEVICE void operator()(const ChannelPlace& my, const Sums<2>& sum) const {
    maps[my.channel] = norm.finish(my.channel, sum.of[0], sum.of[1]);
  }
};

template <typename T>
struct NormaliseBackward {
  const NormGradient* maps;
  const T *x, *dy;
  std::int64_t channels;

  struct At {
    NormGradient map;
    const T *x, *dy;
    std::int64_t channels;
    MELGRAD_DEVICE float operator()(std::int64_t row) const {
      return norm_gradient(to_float(x[row * channels]), to_float(dy[row * channels]), map.mean, map.factor,
                           map.level, map.slope);
    }
  };
  MELGRAD_DEVICE At at(std::int64_t /*group*/, std::int64_t channel) const {
    return {maps[channel], x + channel, dy + channel, channels};
  }
};

ChannelGrid grid_over(Tensor x, Tensor gamma) { return {1, x.numel() / gamma.dim(0), gamma.dim(0)}; }

}  // namespace

void CudaOps::batch_norm_forward(Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Out y, Out mean,
                                 Out scale, InOut running_mean, InOut running_variance) {
  workspace_.restart();
  const ChannelGrid grid = grid_over(x, gamma);
  auto* maps = static_cast<NormMap*>(scratch({grid.channels, 3}).data);
  const NormForward forward{gamma.f32(),  beta.f32(),         mean.f32(),
                            scale.f32(),  running_mean.f32(), running_variance.f32(),
                            norm.epsilon, norm.momentum,      static_cast<double>(grid.rows)};
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const T* in = elements<T>(x);
    void* part = scratch({reduce_bytes<Moments<T>>(grid)}, DType::u8).data;
    launch_reduce(stream_, grid, Moments<T>{in, grid.channels}, part, FinishForward<T>{forward, in, maps});
    launch_map(stream_, grid, elements<T>(y), Write::overwrite,
               Normalise<T, StoredMaps>{{maps}, in, grid.channels});
  });
}

void CudaOps::batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean,
                                   Tensor running_variance, float epsilon, Out y) {
  const ChannelGrid grid = grid_over(x, gamma);
  const NormInference inference{gamma.f32(), beta.f32(), running_mean.f32(), running_variance.f32(), epsilon};
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    launch_map(stream_, grid, elements<T>(y), Write::overwrite,
               Normalise<T, NormInference>{inference, elements<T>(x), grid.channels});
  });
}

void CudaOps::batch_norm_backward(Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Grad dx,
                                  Grad dgamma, Grad dbeta) {
  workspace_.restart();
  const ChannelGrid grid = grid_over(x, gamma);
  auto* maps = static_cast<NormGradient*>(scratch({grid.channels, 4}).data);
  const NormBackward backward{gamma.f32(),
                              mean.f32(),
                              scale.f32(),
                              dgamma.tensor.f32(),
                              dbeta.tensor.f32(),
                              dgamma.write == Write::accumulate,
                              dbeta.write == Write::accumulate,
                              static_cast<double>(grid.rows)};
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const T *in = elements<T>(x), *from = elements<T>(dy);
    void* part = scratch({reduce_bytes<GradientSums<T>>(grid)}, DType::u8).data;
    launch_reduce(stream_, grid, GradientSums<T>{in, from, mean.f32(), grid.channels}, part,
                  FinishBackward{backward, maps});
    if (dx.tensor) {
      launch_map(stream_, grid, elements<T>(dx.tensor), dx.write,
                 NormaliseBackward<T>{maps, in, from, grid.channels});
    }
  });
}

}  // namespace melgrad
