// Gates of channels, and copies that move channels or swap the axes before them: channel_loops.h.
#include "kernels/cuda/channel_loops.h"
#include "kernels/cuda/cuda_ops.h"

namespace melgrad {
namespace {

template <typename T, typename G>
struct Gate {
  const T* x;
  const G* g;  // [N, C]
  std::int64_t channels;

  struct At {
    const T* x;
    float g;
    std::int64_t channels;
    MELGRAD_DEVICE float operator()(std::int64_t row) const { return to_float(x[row * channels]) * g; }
  };
  MELGRAD_DEVICE At at(std::int64_t n, std::int64_t channel) const {
    return {x + channel, to_float(g[n * channels + channel]), channels};
  }
};

template <typename T>
struct GateSums {
  using State = Sums<1>;
  const T *x, *dy;
  std::int64_t channels;

  struct At {
    const T *x, *dy;
    std::int64_t channels;
    MELGRAD_DEVICE void operator()(State& sum, std::int64_t row) const {
      sum.of[0] += static_cast<double>(to_float(dy[row * channels])) * to_float(x[row * channels]);
    }
  };
  MELGRAD_DEVICE At at(std::int64_t /*n*/, std::int64_t channel) const {
    return {x + channel, dy + channel, channels};
  }
};

template <typename G>
struct StoreGate {
  G* dg;
  std::int64_t channels;
  bool accumulate;
  MELGRAD_DEVICE void operator()(const ChannelPlace& my, const Sums<1>& sum) const {
    G& to = dg[my.group * channels + my.channel];
    const auto v = static_cast<float>(sum.of[0]);
    to = from_float<G>(accumulate ? to_float(to) + v : v);
  }
};

template <typename T>
struct Columns {
  const T* from;  // its first column
  std::int64_t stride;

  struct At {
    const T* from;
    std::int64_t stride;
    MELGRAD_DEVICE float operator()(std::int64_t row) const { return to_float(from[row * stride]); }
  };
  MELGRAD_DEVICE At at(std::int64_t /*group*/, std::int64_t column) const { return {from + column, stride}; }
};

// Rows of y are counted through all b: row = b * A + a.
template <typename T>
struct Swap {
  const T* x;
  std::int64_t a_count, b_count, channels;

  struct At {
    const T* x;  // of (0, b)
    std::int64_t first, stride;
    MELGRAD_DEVICE float operator()(std::int64_t row) const { return to_float(x[(row - first) * stride]); }
  };
  MELGRAD_DEVICE At at(std::int64_t b, std::int64_t channel) const {
    return {x + b * channels + channel, b * a_count, b_count * channels};
  }
};

// body(T{}, G{}) for the types of an activation and of its gates, which a dense layer gives in f32.
template <typename Body>
void with_types_of(Tensor x, Tensor g, const Body& body) {
  with_type_of(x, [&](auto type) { with_type_of(g, [&](auto gate_type) { body(type, gate_type); }); });
}

}  // namespace

void CudaOps::scale_channels_forward(Tensor x, Tensor g, Out y) {
  const ChannelGrid grid(x.dim(0), x.dim(1), x.dim(2));
  with_types_of(x, g, [&](auto type, auto gate_type) {
    using T = decltype(type);
    using G = decltype(gate_type);
    launch_map(stream_, grid, elements<T>(y), Write::overwrite,
               Gate<T, G>{elements<T>(x), elements<G>(g), grid.channels});
  });
}

void CudaOps::scale_channels_backward(Tensor x, Tensor g, Tensor dy, Grad dx, Grad dg) {
  workspace_.restart();
  const ChannelGrid grid(x.dim(0), x.dim(1), x.dim(2));
  with_types_of(x, g, [&](auto type, auto gate_type) {
    using T = decltype(type);
    using G = decltype(gate_type);
    const T* from = elements<T>(dy);
    launch_map(stream_, grid, elements<T>(dx.tensor), dx.write,
               Gate<T, G>{from, elements<G>(g), grid.channels});
    void* part = scratch({reduce_bytes<GateSums<T>>(grid)}, DType::u8).data;
    launch_reduce(stream_, grid, GateSums<T>{elements<T>(x), from, grid.channels}, part,
                  StoreGate<G>{elements<G>(dg.tensor), grid.channels, dg.write == Write::accumulate});
  });
}

void CudaOps::copy_columns(Tensor from, std::int64_t from_column, InOut to, std::int64_t to_column,
                           std::int64_t columns, Write write) {
  const ChannelGrid grid(1, from.dim(0), columns);
  with_type_of(from, [&](auto type) {
    using T = decltype(type);
    const Columns<T> map{elements<T>(from) + from_column, from.dim(1)};
    launch(stream_, grid.blocks(),
           ChannelMap<T, Columns<T>>{grid, elements<T>(to) + to_column, to.dim(1), write == Write::accumulate,
                                     map});
  });
}

void CudaOps::swap_axes(Tensor x, Grad y) {
  const ChannelGrid grid(x.dim(1), x.dim(0), x.dim(2));
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    launch_map(stream_, grid, elements<T>(y.tensor), y.write,
               Swap<T>{elements<T>(x), x.dim(0), x.dim(1), x.dim(2)});
  });
}

}  // namespace melgrad
