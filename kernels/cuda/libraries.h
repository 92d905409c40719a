// Libraries: what CudaOps leaves to the vendor's libraries: matrix products, convolutions, Fourier
// transforms. NvidiaLibraries (nvidia_libraries.h) calls cuBLASLt, cuDNN and cuFFT; tests/sim has plain
// loops, so that all the rest of CudaOps runs and is tested on a machine without a GPU.
//
// Calls are asynchronous on the device's stream and may be captured in a CUDA graph, once they have run
// eagerly on the same shapes (the first call of a shape builds a plan and may grow the workspace).
// Results are bit-identical between runs: only deterministic algorithms are used.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/ops.h"

namespace melgrad {

// Where the tensors of a convolution must begin, in bytes. On an H100 an engine of cuDNN 9.19 that was
// promised less read beyond it.
constexpr std::int64_t kConvAlignment = 16;

class Libraries {
 public:
  Libraries() = default;
  Libraries(const Libraries&) = delete;
  Libraries& operator=(const Libraries&) = delete;
  virtual ~Libraries() = default;

  // c [M, N] = op(a) op(b) + bias + beta c, row-major, with op(a) [M, K], op(b) [K, N]; op transposes if
  // asked. bias [N] f32 is added to every row, or is empty; with a bias, beta is 0. a and b are both f32 or
  // both bf16; c is f32 or of their type. Sums are in f32.
  struct Gemm {
    bool transpose_a = false, transpose_b = false;
    float beta = 0;
  };
  virtual void gemm(Tensor a, Tensor b, Tensor bias, Tensor c, const Gemm& gemm) = 0;

  // The three passes of Ops::conv2d without its bias; all overwrite. Shapes as there: x [N, T, F, C],
  // w [O, kT, kF, C], y [N, T', F', O]; all f32 or all bf16, but dw may be f32 where x and dy are bf16. Sums
  // are in f32. Tensors begin at multiples of kConvAlignment.
  virtual void convolve(Tensor x, Tensor w, const Conv2d& conv, Tensor y) = 0;
  virtual void convolve_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx) = 0;
  virtual void convolve_backward_weights(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw) = 0;

  // spectrum [batch, n / 2 + 1, 2] = (re, im) of the unnormalised forward transform of each row of x [batch,
  // n]
  virtual void fft(Tensor x, Tensor spectrum) = 0;

  // For `melgrad info`: "cuDNN 9.19.0, cuBLASLt 13.1.0, cuFFT 12.0.0"
  virtual std::string versions() const = 0;
};

}  // namespace melgrad
