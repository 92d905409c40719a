// What Libraries promises, in plain loops with sums in double.
#pragma once

#include "kernels/cuda/libraries.h"

namespace melgrad {

class SimLibraries final : public Libraries {
 public:
  void gemm(Tensor a, Tensor b, Tensor bias, Tensor c, const Gemm& gemm) override;
  void convolve(Tensor x, Tensor w, const Conv2d& conv, Tensor y) override;
  void convolve_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx) override;
  void convolve_backward_weights(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw) override;
  void fft(Tensor x, Tensor spectrum) override;
  std::string versions() const override { return "none"; }
};

}  // namespace melgrad
