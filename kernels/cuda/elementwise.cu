// Element-wise operations.
#include "kernels/cuda/convert.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"
#include "kernels/math/activations.h"
#include "kernels/math/philox.h"

namespace melgrad {
namespace {

struct Constant {
  float value;
  MELGRAD_DEVICE float operator()(std::int64_t) const { return value; }
};

template <typename T, Activation kF>
struct Activate {
  const T* x;
  MELGRAD_DEVICE float operator()(std::int64_t i) const { return activated<kF>(to_float(x[i])); }
};

template <typename T, Activation kF>
struct ActivateBackward {
  const T *x, *y, *dy;
  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    return to_float(dy[i]) * slope<kF>(to_float(x[i]), to_float(y[i]));
  }
};

// A thread takes four neighbours, which share one call of the generator.
template <typename T>
struct ApplyDropout {
  static constexpr int kThreads = 256;
  const T* x;
  T* y;
  std::int64_t n;
  bool accumulate;
  float rate;
  std::uint64_t seed;
  std::uint32_t stream;
  const std::int64_t* counter;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const float scale = 1.0F / (1.0F - rate);
    const auto step = static_cast<std::uint64_t>(*counter);
    for (std::int64_t four = t.first(); four * 4 < n; four += t.stride()) {
      const Philox4 random = philox(seed, stream, step, static_cast<std::uint64_t>(four));
      for (int j = 0; j < 4 && four * 4 + j < n; ++j) {
        const std::int64_t i = four * 4 + j;
        const float value = uniform01(random.word[j]) >= rate ? to_float(x[i]) * scale : 0.0F;
        y[i] = from_float<T>(accumulate ? to_float(y[i]) + value : value);
      }
    }
  }
};

void apply_dropout(Stream stream, Tensor x, const Dropout& d, Tensor y, Write write) {
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    launch(stream, blocks_for(x.numel(), 4 * 256),
           ApplyDropout<T>{elements<T>(x), elements<T>(y), x.numel(), write == Write::accumulate, d.rate,
                           d.seed, d.stream, d.counter.i64()});
  });
}

}  // namespace

Tensor CudaOps::as_type(Tensor from, DType dtype) {
  if (from.dtype == dtype) return from;
  const Tensor to = scratch(from.shape, dtype);
  convert(stream_, from, to);
  return to;
}

void CudaOps::fill(Out y, float value) {
  with_type_of(y, [&](auto type) {
    launch_elements(stream_, elements<decltype(type)>(y), y.numel(), Write::overwrite, Constant{value});
  });
}

void CudaOps::add(Tensor x, Grad y) {
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    launch_elements(stream_, elements<T>(y.tensor), y.tensor.numel(), y.write, Copy<T>{elements<T>(x)});
  });
}

void CudaOps::activation_forward(Tensor x, Activation f, Out y) {
  with_type_of(x, [&](auto type) {
    with_activation(f, [&](auto kind) {
      using T = decltype(type);
      launch_elements(stream_, elements<T>(y), y.numel(), Write::overwrite,
                      Activate<T, decltype(kind)::value>{elements<T>(x)});
    });
  });
}

void CudaOps::activation_backward(Tensor x, Tensor y, Tensor dy, Activation f, Grad dx) {
  with_type_of(y, [&](auto type) {
    with_activation(f, [&](auto kind) {
      using T = decltype(type);
      launch_elements(
          stream_, elements<T>(dx.tensor), dx.tensor.numel(), dx.write,
          ActivateBackward<T, decltype(kind)::value>{elements<T>(x), elements<T>(y), elements<T>(dy)});
    });
  });
}

void CudaOps::dropout_forward(Tensor x, const Dropout& dropout, Out y) {
  apply_dropout(stream_, x, dropout, y, Write::overwrite);
}

void CudaOps::dropout_backward(Tensor dy, const Dropout& dropout, Grad dx) {
  apply_dropout(stream_, dy, dropout, dx.tensor, dx.write);
}

}  // namespace melgrad
