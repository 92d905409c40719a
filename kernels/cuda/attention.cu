// Pooling over positions with learned weights: the weights are a softmax by one block for each example and
// head, all that goes over the activations is in channel_loops.h.
#include "kernels/cuda/block.h"
#include "kernels/cuda/channel_loops.h"
#include "kernels/cuda/cuda_ops.h"

namespace melgrad {
namespace {

// The column of one example and head in scores or weights [N, P, H].
struct HeadColumns {
  std::int64_t positions, heads;
  MELGRAD_DEVICE std::int64_t at(std::int64_t column, std::int64_t p) const {
    return (column / heads * positions + p) * heads + column % heads;
  }
};

struct SoftmaxOverPositions {
  static constexpr int kThreads = kReduceThreads;
  HeadColumns columns;
  const float* scores;
  float* weights;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<float>() + reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    auto* tops = t.template shared<float>(kReduceThreads);
    auto* sums = t.template shared<double>(kReduceThreads);
    const std::int64_t column = t.block();
    float top = scores[columns.at(column, 0)];
    for (std::int64_t p = t.index(); p < columns.positions; p += t.count())
      top = Larger{}(top, scores[columns.at(column, p)]);
    top = block_reduce(t, tops, top, Larger{});
    double sum = 0;
    for (std::int64_t p = t.index(); p < columns.positions; p += t.count())
      sum += static_cast<double>(std::exp(scores[columns.at(column, p)] - top));
    const auto share = static_cast<float>(1 / block_sum(t, sums, sum));
    for (std::int64_t p = t.index(); p < columns.positions; p += t.count())
      weights[columns.at(column, p)] = share * std::exp(scores[columns.at(column, p)] - top);
  }
};

// Rows are positions, counted through all examples.
template <typename T>
struct WeightedSum {
  using State = Sums<1>;
  const T* x;
  const float* weights;
  std::int64_t channels, heads;

  struct At {
    const T* x;
    const float* weights;
    std::int64_t channels, heads;
    MELGRAD_DEVICE void operator()(State& sum, std::int64_t row) const {
      sum.of[0] += static_cast<double>(weights[row * heads]) * to_float(x[row * channels]);
    }
  };
  MELGRAD_DEVICE At at(std::int64_t /*n*/, std::int64_t channel) const {
    return {x + channel, weights + channel * heads / channels, channels, heads};
  }
};

template <typename T>
struct StoreSum {
  T* y;
  std::int64_t channels;
  MELGRAD_DEVICE void operator()(const ChannelPlace& my, const Sums<1>& sum) const {
    y[my.group * channels + my.channel] = from_float<T>(static_cast<float>(sum.of[0]));
  }
};

template <typename T>
struct SpreadByWeight {
  const T* dy;
  const float* weights;
  std::int64_t channels, heads;

  struct At {
    float dy;
    const float* weights;
    std::int64_t heads;
    MELGRAD_DEVICE float operator()(std::int64_t row) const { return weights[row * heads] * dy; }
  };
  MELGRAD_DEVICE At at(std::int64_t n, std::int64_t channel) const {
    return {to_float(dy[n * channels + channel]), weights + channel * heads / channels, heads};
  }
};

// One block for each example and head. What a position's channels give is computed twice rather than kept:
// there may be more positions than fit in a block's memory.
template <typename T>
struct ScoreGradients {
  static constexpr int kThreads = kReduceThreads;
  HeadColumns columns;
  const T *x, *dy;
  const float* weights;
  std::int64_t channels;
  float* dscores;
  bool accumulate;

  MELGRAD_DEVICE double gradient(std::int64_t column, std::int64_t p) const {
    const std::int64_t n = column / columns.heads, wide = channels / columns.heads,
                       first = column % columns.heads * wide;
    const T *in = x + (n * columns.positions + p) * channels + first, *up = dy + n * channels + first;
    double sum = 0;
    for (std::int64_t c = 0; c < wide; ++c) sum += static_cast<double>(to_float(in[c])) * to_float(up[c]);
    return sum;
  }

  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    auto* sums = t.template shared<double>(kReduceThreads);
    const std::int64_t column = t.block();
    double mine = 0;
    for (std::int64_t p = t.index(); p < columns.positions; p += t.count())
      mine += weights[columns.at(column, p)] * gradient(column, p);
    const double mean = block_sum(t, sums, mine);
    for (std::int64_t p = t.index(); p < columns.positions; p += t.count()) {
      const std::int64_t at = columns.at(column, p);
      const auto v = static_cast<float>(weights[at] * (gradient(column, p) - mean));
      dscores[at] = accumulate ? dscores[at] + v : v;
    }
  }
};

}  // namespace

void CudaOps::attention_pool_forward(Tensor x, Tensor scores, Out weights, Out y) {
  workspace_.restart();
  const ChannelGrid grid(x.dim(0), x.dim(1), x.dim(2));
  const std::int64_t heads = scores.dim(2);
  launch(stream_, x.dim(0) * heads, SoftmaxOverPositions{{x.dim(1), heads}, scores.f32(), weights.f32()});
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    const WeightedSum<T> reduce{elements<T>(x), weights.f32(), grid.channels, heads};
    void* part = scratch({reduce_bytes<WeightedSum<T>>(grid)}, DType::u8).data;
    launch_reduce(stream_, grid, reduce, part, StoreSum<T>{elements<T>(y), grid.channels});
  });
}

void CudaOps::attention_pool_backward(Tensor x, Tensor weights, Tensor dy, Grad dx, Grad dscores) {
  const ChannelGrid grid(x.dim(0), x.dim(1), x.dim(2));
  const std::int64_t heads = weights.dim(2);
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    launch_map(stream_, grid, elements<T>(dx.tensor), dx.write,
               SpreadByWeight<T>{elements<T>(dy), weights.f32(), grid.channels, heads});
    launch(stream_, x.dim(0) * heads,
           ScoreGradients<T>{{x.dim(1), heads},
                             elements<T>(x),
                             elements<T>(dy),
                             weights.f32(),
                             grid.channels,
                             dscores.tensor.f32(),
                             dscores.write == Write::accumulate});
  });
}

}  // namespace melgrad
