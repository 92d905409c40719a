// Fourier transforms by cuFFT. The only file that knows it.
#pragma once

#include <cstdint>
#include <cufft.h>

#include "kernels/cuda/check.h"

namespace melgrad {

// `batch` forward transforms of n real numbers each, one after the other in memory, to n / 2 + 1 complex
// numbers. The plan works in memory that its user gives it: it allocates none.
class FftPlan {
 public:
  FftPlan(std::int64_t n, std::int64_t batch, cudaStream_t stream) : n_(n), batch_(batch) {
    const auto where = [n, batch] { return fmt::format("fft [{}, {}]", batch, n); };
    check(cufftCreate(&plan_), "cufftCreate", where);
    try {
      check(cufftSetAutoAllocation(plan_, 0), "cufftSetAutoAllocation", where);
      long long size = n;  // as cuFFT's interface for 64-bit sizes has it
      std::size_t bytes = 0;
      check(cufftMakePlanMany64(plan_, 1, &size, nullptr, 1, n, nullptr, 1, n / 2 + 1, CUFFT_R2C, batch,
                                &bytes),
            "cufftMakePlanMany64", where);
      check(cufftSetStream(plan_, stream), "cufftSetStream", where);
      workspace_bytes_ = static_cast<std::int64_t>(bytes);
    } catch (...) {
      cufftDestroy(plan_);
      throw;
    }
  }
  FftPlan(const FftPlan&) = delete;
  FftPlan& operator=(const FftPlan&) = delete;
  ~FftPlan() { cufftDestroy(plan_); }

  std::int64_t workspace_bytes() const { return workspace_bytes_; }

  // x [batch, n], spectrum [batch, n / 2 + 1, 2]
  void execute(float* x, float* spectrum, void* workspace) {
    const auto where = [this] { return fmt::format("fft [{}, {}]", batch_, n_); };
    check(cufftSetWorkArea(plan_, workspace), "cufftSetWorkArea", where);
    check(cufftExecR2C(plan_, x, reinterpret_cast<cufftComplex*>(spectrum)), "cufftExecR2C", where);
  }

 private:
  std::int64_t n_, batch_, workspace_bytes_ = 0;
  cufftHandle plan_{};
};

}  // namespace melgrad
