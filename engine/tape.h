// Reverse-mode differentiation. A Var is an index into a Tape; functions on Vars (functions.h) compute a
// value and push a node that knows how to pass a gradient back. Nodes are pushed in the order they ran, so
// backward is a walk from the end: no graph, no sorting. A tape lives for one step, together with the arena
// it uses.
//
// Gradients: the first contribution to a slot overwrites, later ones add; `gradient_of` says which. Nothing
// is recorded for values that do not depend on a parameter, nor on a tape that evaluates only.
#pragma once

#include <functional>
#include <vector>

#include "kernels/device.h"

namespace melgrad {

class Arena;
class ParamStore;
struct Grad;
struct Param;

struct Var {
  std::int32_t index = -1;
};

class Tape {
 public:
  Tape(Device& device, Arena& arena) : device_(&device), arena_(&arena) {}

  // Starts a new step: forgets all Vars, resets the arena. `training` = record nodes, apply dropout.
  void reset(bool training);
  bool training() const { return training_; }

  Var input(Tensor value);  // data: no gradient
  Var param(Param& param);  // the gradient goes to param.grad
  Tensor value(Var v) const { return slot(v).value; }
  bool needs_grad(Var v) const { return slot(v).needs_grad; }

  // The result of a function of `from`: `backward` will be called once with the gradient of the result, if
  // any of `from` needs a gradient and any gradient arrived.
  Var result(Tensor value, const std::vector<Var>& from, std::function<void(Tensor grad)> backward);

  // Where a gradient of v goes, and whether to overwrite or add. To be called exactly once per contribution.
  Grad gradient_of(Var v);

  // Gradients of the scalar `loss` [1], times `share` [1] if there is one, with respect to all parameters
  // used; the others' gradients are set to 0.
  void backward(Var loss, ParamStore& params, Tensor share = {});

  Device& device() const { return *device_; }
  // What large activations are stored as.
  DType activation_type() const { return device_->precision() == Precision::bf16 ? DType::bf16 : DType::f32; }
  Ops& ops() const { return device_->ops(); }
  Tensor take(Shape shape, DType dtype = DType::f32);

 private:
  struct Slot {
    Tensor value, grad;
    Param* param = nullptr;
    bool needs_grad = false;
    bool has_grad = false;  // a contribution has arrived
  };
  struct Node {
    Var out;
    std::function<void(Tensor)> backward;
  };
  Slot& slot(Var v) { return slots_[static_cast<std::size_t>(v.index)]; }
  const Slot& slot(Var v) const { return slots_[static_cast<std::size_t>(v.index)]; }
  Var push(Slot s);

  Device* device_;
  Arena* arena_;
  bool training_ = false;
  std::vector<Slot> slots_;
  std::vector<Node> nodes_;
};

}  // namespace melgrad
