// FiniteOps: the operations of a device. While it watches, the first that writes NaN or Inf ends the work
// with an Error (diverged): "conv2d_forward([150, 256, 64, 1], conv1.weight) wrote inf to [150, 256, 64, 64],
// element 7". Every result is copied to the host then: slow, for a step that is known to go wrong.
#pragma once

#include <functional>
#include <string>

#include "kernels/decorators/decorator.h"

namespace melgrad {

class FiniteOps final : public OpsDecorator {
 public:
  explicit FiniteOps(Device& device) : device_(&device) {}

  bool watches = false;
  std::function<std::string(const Tensor&)> name_of;  // of a parameter, a gradient; "" for what has no name

 private:
  void call(OpCall& call) override;
  void check(OpCall& call, const Tensor& result);
  std::string shown(const Tensor& t) const;

  Device* device_;
};

class FiniteDevice final : public DeviceDecorator {
 public:
  explicit FiniteDevice(Device& inner) : DeviceDecorator(inner), ops_(inner) {}
  FiniteOps& ops() override { return ops_; }

 private:
  FiniteOps ops_;
};

}  // namespace melgrad
