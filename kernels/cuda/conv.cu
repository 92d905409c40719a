// Convolution: the three passes by Libraries, biases by hand, because the strict f32 algorithms cannot fuse
// them.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"

namespace melgrad {
namespace {

// y += b of its channel. Indices divide in 32 bits, which takes a fraction of the time.
template <typename T, int kN>
struct AddChannelBias {
  static constexpr int kThreads = 256;
  const float* b;
  T* y;
  std::uint32_t channels;
  std::int64_t n;  // of threads' shares

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      const std::uint32_t c = static_cast<std::uint32_t>(i) % (channels / kN) * kN;
      auto& to = reinterpret_cast<Pack<T, kN>*>(y)[i];
      Pack<T, kN> sum = to;
#pragma unroll
      for (int k = 0; k < kN; ++k) sum.of[k] = from_float<T>(to_float(sum.of[k]) + b[c + k]);
      to = sum;
    }
  }
};

template <typename T, int kN>
void launch_channel_bias(Stream stream, Tensor b, Tensor y) {
  const std::int64_t n = y.numel() / kN;
  launch(stream, blocks_for(n, 256),
         AddChannelBias<T, kN>{b.f32(), elements<T>(y), static_cast<std::uint32_t>(b.numel()), n});
}

}  // namespace

void CudaOps::conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Tensor y) {
  require(y.numel() < std::int64_t{1} << 32, "conv2d: {} has 2^32 elements or more", y.shape.str());
  workspace_.restart();
  libraries_->convolve(as_type(x, y.dtype), as_type(w, y.dtype), conv, y);
  with_type_of(y, [&](auto type) {
    using T = decltype(type);
    const auto call = in_packs({y}) ? launch_channel_bias<T, kWide> : launch_channel_bias<T, 1>;
    call(stream_, b, y);
  });
}

// Libraries overwrites, in the type of dy; a gradient that accumulates, or is of another type, goes through
// scratch memory.
void CudaOps::conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx, Write write) {
  workspace_.restart();
  const bool direct = write == Write::overwrite && dx.dtype == dy.dtype;
  const Tensor to = direct ? dx : scratch(dx.shape, dy.dtype);
  libraries_->convolve_backward_input(dy, as_type(w, dy.dtype), conv, to);
  if (!direct) add(as_type(to, dx.dtype), dx, write);
}

void CudaOps::conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw, Tensor db,
                                     Write write) {
  workspace_.restart();
  const Tensor to = write == Write::overwrite ? dw : scratch(dw.shape);
  libraries_->convolve_backward_weights(as_type(x, dy.dtype), dy, conv, to);
  if (write == Write::accumulate) add(to, dw, write);
  column_sums(dy, db, write);
}

}  // namespace melgrad
