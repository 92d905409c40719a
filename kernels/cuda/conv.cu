// Convolution: the three passes by Libraries, biases by hand, because the strict f32 algorithms cannot fuse
// them.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"

namespace melgrad {
namespace {

struct ChannelBias {  // divides in 32 bits, which takes a fraction of the time
  const float* b;
  std::uint32_t channels;
  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    return b[static_cast<std::uint32_t>(i) % channels];
  }
};

}  // namespace

void CudaOps::conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Tensor y) {
  require(y.numel() < std::int64_t{1} << 32, "conv2d: {} has 2^32 elements or more", y.shape.str());
  workspace_.restart();
  libraries_->convolve(as_type(x, y.dtype), as_type(w, y.dtype), conv, y);
  with_type_of(y, [&](auto type) {
    launch_elements(stream_, elements<decltype(type)>(y), y.numel(), Write::accumulate,
                    ChannelBias{b.f32(), static_cast<std::uint32_t>(b.numel())});
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
