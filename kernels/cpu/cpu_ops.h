// CpuOps: every operation on the CPU. One file per family in this folder holds the bodies; linear.cpp uses
// OpenBLAS, conv.cpp oneDNN.
//
// Work is divided over OpenMP threads by static schedules; sums are taken over fixed blocks in a fixed order,
// so results do not depend on timing. BLAS and oneDNN are never called inside a parallel region.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cpu/host_device.h"
#include "kernels/ops.h"

namespace melgrad {

class ConvPrimitives;  // conv.cpp: oneDNN's primitives, cached by shape

class CpuOps final : public Ops {
 public:
  explicit CpuOps(int threads);
  ~CpuOps() override;

#include "kernels/op_overrides.h"

 private:
  // Memory for one call, at least `bytes`; the next call may reuse it.
  void* scratch(std::size_t bytes);
  Tensor every_nth(Tensor x, const Conv2d& conv, std::int64_t frames, std::int64_t bands);

  int threads_;
  std::unique_ptr<ConvPrimitives> conv_;
  std::unique_ptr<void, FreeHostMemory> scratch_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace melgrad
