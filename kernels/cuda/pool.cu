// Max pooling, channels last: one thread per element, the channel runs fastest, so that a warp reads and
// writes whole lines. The backward pass takes the elements of dx window by window where windows lie side by
// side: nothing is added up. Else an element of dx adds up what its windows give, in their order.
//
// Pooling over all positions: channel_loops.h.
#include "kernels/cuda/channel_loops.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/math/largest.h"
#include "kernels/math/pool.h"

namespace melgrad {
namespace {

// Extents in 32 bits: division by them is on every thread's path.
struct PoolShape {
  std::uint32_t frames, bands, out_t, out_f, channels, pool_t, pool_f, step_t, step_f;

  PoolShape(const Shape& x, const Pool2d& pool)
      : frames(narrow(x[1])),
        bands(narrow(x[2])),
        out_t(narrow(pool.frames_of(x[1]))),
        out_f(narrow(pool.bands_of(x[2]))),
        channels(narrow(x[3])),
        pool_t(narrow(pool.frames)),
        pool_f(narrow(pool.bands)),
        step_t(narrow(pool.step_t())),
        step_f(narrow(pool.step_f())) {
    require(x.numel() < std::int64_t{1} << 32, "max_pool: {} has 2^32 elements or more", x.str());
  }
  static std::uint32_t narrow(std::int64_t n) { return static_cast<std::uint32_t>(n); }
};

// Thread i's share of windows [N, height, width] of `packs` packs of kN channels.
template <int kN>
struct PoolShare {
  std::uint32_t c, f, row, example;
  MELGRAD_DEVICE PoolShare(std::int64_t i, std::uint32_t packs, std::uint32_t width, std::uint32_t height) {
    auto rest = static_cast<std::uint32_t>(i);
    c = rest % packs * kN, f = (rest /= packs) % width;
    row = (rest /= width) % height, example = rest / height;
  }
};

// A thread takes kN channels of a window.
template <typename T, int kN>
struct MaxPoolForward {
  static constexpr int kThreads = 256;
  PoolShape s;
  const T* x;
  T* y;
  std::uint8_t* argmax;
  std::int64_t n;  // of threads' shares

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      const auto [c, f, row, example] = PoolShare<kN>(i, s.channels / kN, s.out_f, s.out_t);
      const T* in =
          x +
          ((static_cast<std::int64_t>(example) * s.frames + row * s.step_t) * s.bands + f * s.step_f) *
              s.channels +
          c;
      auto best = reinterpret_cast<const Pack<T, kN>&>(*in);
      Pack<std::uint8_t, kN> where{};
      std::uint32_t position = 0;
      for (std::uint32_t down = 0; down < s.pool_t; ++down) {
        for (std::uint32_t right = 0; right < s.pool_f; ++right, ++position) {
          const auto v = reinterpret_cast<const Pack<T, kN>&>(
              in[(static_cast<std::int64_t>(down) * s.bands + right) * s.channels]);
#pragma unroll
          for (int k = 0; k < kN; ++k) {
            if (!is_larger(to_float(v.of[k]), to_float(best.of[k]))) continue;
            best.of[k] = v.of[k];
            where.of[k] = static_cast<std::uint8_t>(position);
          }
        }
      }
      reinterpret_cast<Pack<T, kN>*>(y)[i] = best;
      reinterpret_cast<Pack<std::uint8_t, kN>*>(argmax)[i] = where;
    }
  }
};

template <typename T, int kN>
void launch_max_pool_forward(Stream stream, Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) {
  const std::int64_t n = y.numel() / kN;
  launch(stream, blocks_for(n, 256),
         MaxPoolForward<T, kN>{{x.shape, pool}, elements<T>(x), elements<T>(y), argmax.u8(), n});
}

// For windows side by side. A thread takes kN channels of a window, or of what is left of one at the edge,
// where all is zero.
template <typename T, int kN>
struct MaxPoolBackward {
  static constexpr int kThreads = 256;
  PoolShape s;
  std::uint32_t windows_t, windows_f;  // those at the edge, too
  const T* dy;
  const std::uint8_t* argmax;
  T* dx;
  bool accumulate;
  std::int64_t n;  // of threads' shares

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      const auto [c, f, row, example] = PoolShare<kN>(i, s.channels / kN, windows_f, windows_t);
      Pack<T, kN> gradient{};
      Pack<std::uint8_t, kN> winner{};
      if (row < s.out_t && f < s.out_f) {
        const std::int64_t from =
            ((static_cast<std::int64_t>(example) * s.out_t + row) * s.out_f + f) * s.channels + c;
        gradient = reinterpret_cast<const Pack<T, kN>&>(dy[from]);
        winner = reinterpret_cast<const Pack<std::uint8_t, kN>&>(argmax[from]);
      }
      for (std::uint32_t down = 0; down < s.pool_t && row * s.pool_t + down < s.frames; ++down) {
        for (std::uint32_t right = 0; right < s.pool_f && f * s.pool_f + right < s.bands; ++right) {
          const std::int64_t frame = static_cast<std::int64_t>(example) * s.frames + row * s.pool_t + down;
          auto& to =
              reinterpret_cast<Pack<T, kN>&>(dx[(frame * s.bands + f * s.pool_f + right) * s.channels + c]);
          Pack<T, kN> result = accumulate ? to : Pack<T, kN>{};
#pragma unroll
          for (int k = 0; k < kN; ++k) {
            const bool won = winner.of[k] == down * s.pool_f + right;
            const float v = won ? to_float(gradient.of[k]) : 0.0F;
            result.of[k] = from_float<T>(accumulate ? to_float(result.of[k]) + v : v);
          }
          to = result;
        }
      }
    }
  }
};

// For windows anywhere. A thread takes kN channels of an element of dx.
template <typename T, int kN>
struct MaxPoolBackwardAnywhere {
  static constexpr int kThreads = 256;
  PoolShape s;
  const T* dy;
  const std::uint8_t* argmax;
  T* dx;
  bool accumulate;
  std::int64_t n;  // of threads' shares

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      const auto [c, f, row, example] = PoolShare<kN>(i, s.channels / kN, s.bands, s.frames);
      float sum[kN] = {};
      for (std::uint32_t w = first_window(row, s.pool_t, s.step_t); w < s.out_t && w * s.step_t <= row; ++w) {
        for (std::uint32_t v = first_window(f, s.pool_f, s.step_f); v < s.out_f && v * s.step_f <= f; ++v) {
          const std::int64_t from =
              ((static_cast<std::int64_t>(example) * s.out_t + w) * s.out_f + v) * s.channels + c;
          const std::uint32_t here = (row - w * s.step_t) * s.pool_f + (f - v * s.step_f);
          const auto& gradient = reinterpret_cast<const Pack<T, kN>&>(dy[from]);
          const auto& winner = reinterpret_cast<const Pack<std::uint8_t, kN>&>(argmax[from]);
#pragma unroll
          for (int k = 0; k < kN; ++k) sum[k] += winner.of[k] == here ? to_float(gradient.of[k]) : 0.0F;
        }
      }
      auto& to = reinterpret_cast<Pack<T, kN>*>(dx)[i];
      Pack<T, kN> result = accumulate ? to : Pack<T, kN>{};
#pragma unroll
      for (int k = 0; k < kN; ++k)
        result.of[k] = from_float<T>(accumulate ? to_float(result.of[k]) + sum[k] : sum[k]);
      to = result;
    }
  }
};

template <typename T, int kN>
void launch_max_pool_backward(Stream stream, Tensor dy, Tensor argmax, const Pool2d& pool, Grad dx) {
  const PoolShape s(dx.tensor.shape, pool);
  if (!pool.side_by_side()) {
    const std::int64_t n = dx.tensor.numel() / kN;
    launch(stream, blocks_for(n, 256),
           MaxPoolBackwardAnywhere<T, kN>{s, elements<T>(dy), argmax.u8(), elements<T>(dx.tensor),
                                          dx.write == Write::accumulate, n});
    return;
  }
  const std::uint32_t windows_t = (s.frames + s.pool_t - 1) / s.pool_t,
                      windows_f = (s.bands + s.pool_f - 1) / s.pool_f;
  const std::int64_t n = dx.tensor.dim(0) * windows_t * windows_f * (s.channels / kN);
  launch(stream, blocks_for(n, 256),
         MaxPoolBackward<T, kN>{s, windows_t, windows_f, elements<T>(dy), argmax.u8(), elements<T>(dx.tensor),
                                dx.write == Write::accumulate, n});
}

// A maximum and the first position that has it.
struct First {
  float value = 0;
  std::int32_t where = -1;  // none

  MELGRAD_DEVICE void take(const First& other) {
    if (other.where < 0) return;
    const bool not_smaller = !is_larger(value, other.value);
    if (where < 0 || is_larger(other.value, value) || (not_smaller && other.where < where)) *this = other;
  }
};

// How many positions of an example count.
struct Lengths {
  const std::int32_t* lengths;  // or null: all
  std::int64_t positions;

  Lengths(Tensor tensor, std::int64_t all) : lengths(tensor ? tensor.i32() : nullptr), positions(all) {}
  MELGRAD_DEVICE std::int64_t of(std::int64_t n) const { return lengths ? lengths[n] : positions; }
  // Rows of the example are counted through all examples.
  MELGRAD_DEVICE std::int64_t first_row(std::int64_t n) const { return n * positions; }
  MELGRAD_DEVICE std::int64_t end_row(std::int64_t n) const { return first_row(n) + of(n); }
};

template <typename T>
struct GlobalMax {
  using State = First;
  const T* x;
  std::int64_t channels;
  Lengths lengths;

  struct At {
    const T* x;
    std::int64_t channels, first, end;
    MELGRAD_DEVICE void operator()(First& best, std::int64_t row) const {
      if (row < end) best.take({to_float(x[row * channels]), static_cast<std::int32_t>(row - first)});
    }
  };
  MELGRAD_DEVICE At at(std::int64_t n, std::int64_t channel) const {
    return {x + channel, channels, lengths.first_row(n), lengths.end_row(n)};
  }
};

template <typename T>
struct StoreMax {
  T* y;
  std::int32_t* argmax;
  std::int64_t channels;
  MELGRAD_DEVICE void operator()(const ChannelPlace& my, const First& best) const {
    y[my.group * channels + my.channel] = from_float<T>(best.value);
    argmax[my.group * channels + my.channel] = best.where;
  }
};

template <typename T>
struct GlobalMaxBackward {
  const T* dy;
  const std::int32_t* argmax;
  std::int64_t positions, channels;

  struct At {
    float dy;
    std::int64_t winner;
    MELGRAD_DEVICE float operator()(std::int64_t row) const { return row == winner ? dy : 0.0F; }
  };
  MELGRAD_DEVICE At at(std::int64_t n, std::int64_t channel) const {
    const std::int64_t from = n * channels + channel;
    return {to_float(dy[from]), n * positions + argmax[from]};
  }
};

template <typename T>
struct GlobalSum {
  using State = Sums<1>;
  const T* x;
  std::int64_t channels;
  Lengths lengths;

  struct At {
    const T* x;
    std::int64_t channels, end;
    MELGRAD_DEVICE void operator()(State& sum, std::int64_t row) const {
      if (row < end) sum.of[0] += static_cast<double>(to_float(x[row * channels]));
    }
  };
  MELGRAD_DEVICE At at(std::int64_t n, std::int64_t channel) const {
    return {x + channel, channels, lengths.end_row(n)};
  }
};

template <typename T>
struct StoreMean {
  T* y;
  std::int64_t channels;
  Lengths lengths;
  MELGRAD_DEVICE void operator()(const ChannelPlace& my, const Sums<1>& sum) const {
    const double mean = sum.of[0] / static_cast<double>(lengths.of(my.group));
    y[my.group * channels + my.channel] = from_float<T>(static_cast<float>(mean));
  }
};

template <typename T>
struct GlobalMeanBackward {
  const T* dy;
  std::int64_t channels;
  Lengths lengths;

  struct At {
    float share;
    std::int64_t end;
    MELGRAD_DEVICE float operator()(std::int64_t row) const { return row < end ? share : 0.0F; }
  };
  MELGRAD_DEVICE At at(std::int64_t n, std::int64_t channel) const {
    return {to_float(dy[n * channels + channel]) / static_cast<float>(lengths.of(n)), lengths.end_row(n)};
  }
};

ChannelGrid grid_of(Tensor x) { return {x.dim(0), x.dim(1), x.dim(2)}; }

}  // namespace

void CudaOps::max_pool_forward(Tensor x, const Pool2d& pool, Out y, Out argmax) {
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const auto call =
        in_packs({x, y, argmax}) ? launch_max_pool_forward<T, kWide> : launch_max_pool_forward<T, 1>;
    call(stream_, x, pool, y, argmax);
  });
}

void CudaOps::max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Grad dx) {
  with_type_of(dy, [&](auto type) {
    using T = decltype(type);
    const auto call = in_packs({dy, argmax, dx.tensor}) ? launch_max_pool_backward<T, kWide>
                                                        : launch_max_pool_backward<T, 1>;
    call(stream_, dy, argmax, pool, dx);
  });
}

void CudaOps::global_max_forward(Tensor x, Tensor lengths, Out y, Out argmax) {
  workspace_.restart();
  const ChannelGrid grid = grid_of(x);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const GlobalMax<T> reduce{elements<T>(x), grid.channels, {lengths, grid.rows}};
    void* part = scratch({reduce_bytes<GlobalMax<T>>(grid)}, DType::u8).data;
    launch_reduce(stream_, grid, reduce, part, StoreMax<T>{elements<T>(y), argmax.i32(), grid.channels});
  });
}

void CudaOps::global_max_backward(Tensor dy, Tensor argmax, Grad dx) {
  const ChannelGrid grid = grid_of(dx.tensor);
  with_type_of(dx.tensor, [&](auto type) {
    using T = decltype(type);
    launch_map(stream_, grid, elements<T>(dx.tensor), dx.write,
               GlobalMaxBackward<T>{elements<T>(dy), argmax.i32(), grid.rows, grid.channels});
  });
}

void CudaOps::global_mean_forward(Tensor x, Tensor lengths, Out y) {
  workspace_.restart();
  const ChannelGrid grid = grid_of(x);
  const Lengths counts(lengths, grid.rows);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const GlobalSum<T> reduce{elements<T>(x), grid.channels, counts};
    void* part = scratch({reduce_bytes<GlobalSum<T>>(grid)}, DType::u8).data;
    launch_reduce(stream_, grid, reduce, part, StoreMean<T>{elements<T>(y), grid.channels, counts});
  });
}

void CudaOps::global_mean_backward(Tensor dy, Tensor lengths, Grad dx) {
  const ChannelGrid grid = grid_of(dx.tensor);
  with_type_of(dx.tensor, [&](auto type) {
    using T = decltype(type);
    launch_map(stream_, grid, elements<T>(dx.tensor), dx.write,
               GlobalMeanBackward<T>{elements<T>(dy), grid.channels, {lengths, grid.rows}});
  });
}

}  // namespace melgrad
