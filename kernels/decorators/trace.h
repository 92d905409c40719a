// TracingOps: an Ops that passes every call on to another one and knows what was called: operation,
// addresses, shapes, settings. Tests compare the traces of two steps line by line, which proves on any
// machine that a step can be captured in a CUDA graph; a device adds the call to its errors, and can look for
// errors after every one.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernels/decorators/decorator.h"

namespace melgrad {

class TracingOps final : public OpsDecorator {
 public:
  // `after`, if any, runs after each call. An Error (device) of either gets the call in front of its message.
  explicit TracingOps(Ops& inner, std::function<void()> after = {})
      : inner_(&inner), after_(std::move(after)) {}

  // Writes down and counts calls from now on.
  void keep_lines() { keeps_ = true; }
  const std::vector<std::string>& lines() const { return lines_; }
  void clear() { lines_.clear(); }
  // How often each operation was called.
  const std::map<std::string, std::int64_t>& counts() const { return counts_; }

 private:
  void call(OpCall& call) override;

  Ops* inner_;
  std::function<void()> after_;
  bool keeps_ = false;
  std::vector<std::string> lines_;
  std::map<std::string, std::int64_t> counts_;
};

class TracingDevice final : public DeviceDecorator {
 public:
  explicit TracingDevice(Device& inner) : DeviceDecorator(inner), ops_(inner.ops()) { ops_.keep_lines(); }
  TracingOps& ops() override { return ops_; }

 private:
  TracingOps ops_;
};

}  // namespace melgrad
