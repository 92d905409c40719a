// CudaOps: every operation on the GPU. One file per family, named as on the CPU, holds kernels and launches;
// linear.cu and conv.cu use Libraries.
//
// Nothing here calls the CUDA runtime but launch.h, and Device for memory, so that tests/sim compiles these
// files for the CPU, kernels and all. Calls only enqueue work; scratch memory never moves once a shape has
// run, so a captured graph stays valid.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cuda/grid.h"
#include "kernels/cuda/libraries.h"
#include "kernels/cuda/workspace.h"
#include "kernels/device.h"

namespace melgrad {

class DeviceMelTables;  // log_mel.cu: MelTables in device memory

class CudaOps final : public Ops {
 public:
  CudaOps(Device& device, Libraries& libraries, Stream stream);
  ~CudaOps() override;

#include "kernels/op_overrides.h"

 private:
  // Memory for the operation that runs; it begins with workspace_.restart().
  Tensor scratch(Shape shape, DType dtype = DType::f32) { return workspace_.take(shape, dtype); }
  // `from` itself, or a copy of it in scratch memory with elements of `dtype`.
  Tensor as_type(Tensor from, DType dtype);
  const DeviceMelTables& tables_of(const MelTables& mel);
  // to (+)= column sums of x [rows, columns], in double, rounded once.
  void column_sums(Tensor x, Grad to);
  // conv2d_backward_input where x has few channels.
  void backward_few_channels(Tensor dy, Tensor w, const Conv2d& conv, Grad dx);

  Device* device_;
  Libraries* libraries_;
  Stream stream_;
  Workspace workspace_;
  std::vector<std::unique_ptr<DeviceMelTables>> mel_tables_;
};

}  // namespace melgrad
