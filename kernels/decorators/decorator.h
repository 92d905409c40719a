// OpsDecorator: an Ops whose every call goes through one function of a derived class, as an OpCall that can
// be run on another Ops, written down, and asked for its tensors. What watches or checks a device is derived
// from it (kernels/decorators/trace.h, kernels/reference/comparing_ops.h). No operation is named:
// each is passed on as kernels/op_overrides.h declares it, and what it does with a tensor is in the type of
// the parameter.
#pragma once

#include <functional>
#include <string>

#include "kernels/device.h"
#include "kernels/ops.h"

namespace melgrad {

// One call of one operation, with its arguments. Lives as long as the call.
class OpCall {
 public:
  enum class Role {
    input,    // read only
    output,   // written as a whole; what it held before does not matter
    changed,  // read and written
  };

  virtual ~OpCall() = default;
  virtual const char* name() const = 0;
  virtual void run(Ops& ops) const = 0;
  // Every tensor argument in order, those within Dropout and BatchPlan too. `visit` may put another one in
  // its place: `run` then works on that.
  virtual void for_each_tensor(const std::function<void(Tensor&, Role)>& visit) = 0;
  // The name and all arguments, addresses included.
  virtual std::string text() const = 0;
};

class OpsDecorator : public Ops {
 public:
#include "kernels/op_overrides.h"

 protected:
  virtual void call(OpCall& call) = 0;
};

// A device with other operations; memory and copies are those of `inner`.
class DeviceDecorator : public Device {
 public:
  explicit DeviceDecorator(Device& inner) : inner_(&inner) {}

  std::string name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  Precision precision() const override { return inner_->precision(); }
  bool is_host() const override { return inner_->is_host(); }
  void* allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void release(void* memory) noexcept override { inner_->release(memory); }
  void poison(void* memory, std::size_t bytes) override { inner_->poison(memory, bytes); }
  void unpoison(void* memory, std::size_t bytes) override { inner_->unpoison(memory, bytes); }
  void to_device(Tensor to, const void* from) override { inner_->to_device(to, from); }
  void to_host(void* to, Tensor from) override { inner_->to_host(to, from); }
  std::unique_ptr<Staging> make_staging() override { return inner_->make_staging(); }
  std::int64_t free_memory() const override { return inner_->free_memory(); }
  void synchronise() override { inner_->synchronise(); }
  double seconds_of(const std::function<void()>& work) override { return inner_->seconds_of(work); }
  std::string meeting_point() override { return inner_->meeting_point(); }
  std::unique_ptr<Communicator> join(const std::string& meeting_point, int rank, int size,
                                     std::function<void(double)> waiting) override {
    return inner_->join(meeting_point, rank, size, std::move(waiting));
  }
  // Every step is issued anew, so that each of its calls is seen.
  std::unique_ptr<Recording> record(const std::function<void()>& /*program*/) override { return nullptr; }

 private:
  Device* inner_;
};

}  // namespace melgrad
