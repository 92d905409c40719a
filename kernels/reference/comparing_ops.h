// ComparingOps: the operations of a device, each call checked against the reference (reference_ops.h) on the
// very arguments it got. Inputs must come through unchanged, outputs hold NaN before the call and must then
// lie within the limit of that operation (kernels/reference/tolerance.h). A wrong result is replaced by the
// reference's, so that what follows is not blamed for it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/decorators/decorator.h"

namespace melgrad {

class ComparingOps final : public OpsDecorator {
 public:
  explicit ComparingOps(Device& device);

  // What is known of one operation.
  struct Finding {
    std::int64_t calls = 0, wrong_calls = 0;
    // Of the result closest to its limit, or of the first one beyond: normalised mean square error (for
    // integers the share that differs), limit, and the shapes of that call's tensors.
    double error = 0, limit = 0;
    std::string shapes;
    std::string wrong;  // what was wrong first; empty if nothing
  };
  const std::map<std::string, Finding>& findings() const { return findings_; }

  void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) override;

 private:
  using Bytes = std::vector<std::byte>;
  // The memory behind one or more arguments.
  struct Block {
    Tensor on_device;
    bool written = false, read = false;
    Bytes before, expected, got;
  };
  struct Operand {
    Tensor on_device;
    OpCall::Role role;
    std::size_t block;
    std::size_t result;  // of those that the operation declares as written, the how-manieth
  };
  // How one written tensor compares.
  struct Comparison {
    double error = 0;
    std::int64_t first_wrong = 0;
    std::string values;  // of that element
  };

  void call(OpCall& call) override;
  void collect(OpCall& call);
  void run_reference(OpCall& call);
  void check_operands(const std::string& op, Finding& finding);
  void hand_out(Bytes Block::*content);
  double limit_of(const std::string& op, std::size_t result, const Tensor& t) const;
  double least_power(const std::string& op, std::size_t result, const Tensor& t);
  Comparison compare(const Operand& operand, double limit, double least);
  Comparison compare_argmax(const Operand& operand);
  Tensor host(const Operand& operand, Bytes Block::*content);
  std::string shapes() const;

  Device* device_;
  std::unique_ptr<Ops> reference_;
  std::map<std::string, Finding> findings_;
  // Of the present call.
  std::vector<Block> blocks_;
  std::vector<Operand> operands_;
  Pool2d pool_;
};

// A device whose operations are compared.
class ComparingDevice final : public DeviceDecorator {
 public:
  explicit ComparingDevice(Device& inner) : DeviceDecorator(inner), ops_(inner) {}
  ComparingOps& ops() override { return ops_; }

 private:
  ComparingOps ops_;
};

}  // namespace melgrad
