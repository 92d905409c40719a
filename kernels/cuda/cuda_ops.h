// CudaOps: every operation on the GPU. One file per family, named as on the CPU, holds kernels and launches:
// elementwise.cu, pool.cu, stem.cu, loss.cu, optim.cu, data.cu, log_mel.cu; linear.cu and conv.cu use Libraries.
//
// Nothing here calls the CUDA runtime but launch.h, and Device for memory, so that tests/sim compiles these files
// for the CPU, kernels and all. Calls only enqueue work; scratch memory never moves once a shape has run, so a
// captured graph stays valid.
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

  void fill(Tensor y, float value) override;
  void add(Tensor x, Tensor y, Write write) override;
  void relu_forward(Tensor x, Tensor y) override;
  void relu_backward(Tensor y, Tensor dy, Tensor dx, Write write) override;
  void dropout_forward(Tensor x, const Dropout& dropout, Tensor y) override;
  void dropout_backward(Tensor dy, const Dropout& dropout, Tensor dx, Write write) override;
  void linear_forward(Tensor x, Tensor w, Tensor b, Tensor y) override;
  void linear_backward_input(Tensor dy, Tensor w, Tensor dx, Write write) override;
  void linear_backward_params(Tensor x, Tensor dy, Tensor dw, Tensor db, Write write) override;
  void conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Tensor y) override;
  void conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx, Write write) override;
  void conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw, Tensor db,
                              Write write) override;
  void max_pool_forward(Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) override;
  void max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Tensor dx, Write write) override;
  void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Tensor y, Tensor argmax) override;
  void stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Tensor dw,
                            Tensor db, Write write) override;
  void softmax_forward(Tensor logits, Tensor probs) override;
  void cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Tensor probs, Tensor loss,
                             Tensor hits) override;
  void cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss, Tensor dlogits,
                              Write write) override;
  void l2_penalty_forward(Tensor w, float lambda, Tensor loss, Write write) override;
  void l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Tensor dw, Write write) override;
  void sgd_update(Tensor w, Tensor g, Tensor v, Tensor rate, Tensor scale, float momentum,
                  bool nesterov) override;
  void adam_update(Tensor w, Tensor g, Tensor m, Tensor v, Tensor rate, Tensor scale, Tensor counter,
                   float beta1, float beta2, float epsilon, float decay) override;
  void adadelta_update(Tensor w, Tensor g, Tensor a, Tensor d, Tensor rate, Tensor scale, float rho,
                       float epsilon) override;
  void gradient_norm(Tensor g, float max_norm, Tensor norm) override;
  void learning_rate(const Schedule& schedule, Tensor counter, Tensor rate) override;
  void advance(Tensor counter, std::int64_t by) override;
  void record(Tensor x, Tensor counter, std::int64_t column, Tensor log) override;
  void pick_batch(const BatchPlan& plan, std::int64_t frames, Tensor first, Tensor labels,
                  Tensor weights) override;
  void gather_segments(Tensor table, Tensor first, Tensor x) override;
  void standardise(Tensor x, Tensor mean, Tensor scale, Tensor y) override;
  void log_mel(Tensor pcm, const MelTables& mel, Tensor y) override;

 private:
  // Memory for the operation that runs; it begins with workspace_.restart().
  Tensor scratch(Shape shape, DType dtype = DType::f32) { return workspace_.take(shape, dtype); }
  // `from` itself, or a copy of it in scratch memory with elements of `dtype`.
  Tensor as_type(Tensor from, DType dtype);
  const DeviceMelTables& tables_of(const MelTables& mel);
  // to (+)= column sums of x [rows, columns], in double, rounded once.
  void column_sums(Tensor x, Tensor to, Write write);

  Device* device_;
  Libraries* libraries_;
  Stream stream_;
  Workspace workspace_;
  std::vector<std::unique_ptr<DeviceMelTables>> mel_tables_;
};

}  // namespace melgrad
