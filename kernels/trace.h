// TracingOps: an Ops that passes every call on to another one and knows what was called: operation, addresses,
// shapes, settings. Tests compare the traces of two steps line by line, which proves on any machine that a step can
// be captured in a CUDA graph; a device adds the call to its errors, and can look for errors after every one.
#pragma once

#include <functional>

#include <map>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace melgrad {

class TracingOps final : public Ops {
 public:
  // `after`, if any, runs after each call. An Error (device) of either gets the call in front of its message.
  explicit TracingOps(Ops& inner, std::function<void()> after = {}) : inner_(&inner), after_(std::move(after)) {}

  // Writes down calls from now on.
  void keep_lines() { keeps_ = true; }
  const std::vector<std::string>& lines() const { return lines_; }
  void clear() { lines_.clear(); }
  // How often each operation was called.
  const std::map<std::string, std::int64_t>& counts() const { return counts_; }

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
  template <typename... Args, typename... Actual>
  void call(const char* name, void (Ops::*op)(Args...), const Actual&... args);

  Ops* inner_;
  std::function<void()> after_;
  bool keeps_ = false;
  std::vector<std::string> lines_;
  std::map<std::string, std::int64_t> counts_;
};

// A device whose operations are traced; memory and copies are those of `inner`.
class TracingDevice final : public Device {
 public:
  explicit TracingDevice(Device& inner) : inner_(&inner), ops_(inner.ops()) { ops_.keep_lines(); }

  std::string name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  TracingOps& ops() override { return ops_; }
  Precision precision() const override { return inner_->precision(); }
  void* allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void release(void* memory) noexcept override { inner_->release(memory); }
  void poison(void* memory, std::size_t bytes) override { inner_->poison(memory, bytes); }
  void unpoison(void* memory, std::size_t bytes) override { inner_->unpoison(memory, bytes); }
  void to_device(Tensor to, const void* from) override { inner_->to_device(to, from); }
  void to_host(void* to, Tensor from) override { inner_->to_host(to, from); }
  void synchronise() override { inner_->synchronise(); }
  std::unique_ptr<Staging> make_staging() override { return inner_->make_staging(); }
  std::int64_t free_memory() const override { return inner_->free_memory(); }
  // Every step is issued anew, so that it can be traced.
  std::unique_ptr<Recording> record(const std::function<void()>& /*program*/) override { return nullptr; }

 private:
  Device* inner_;
  TracingOps ops_;
};

}  // namespace melgrad
