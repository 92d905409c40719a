#include "engine/tape.h"

#include <algorithm>

#include "engine/param.h"
#include "kernels/ops.h"

namespace melgrad {

void Tape::reset(bool training) {
  training_ = training;
  slots_.clear();
  nodes_.clear();
  arena_->reset();
}

Tensor Tape::take(Shape shape, DType dtype) { return arena_->take(shape, dtype); }

Var Tape::push(Slot s) {
  slots_.push_back(s);
  return {static_cast<std::int32_t>(slots_.size()) - 1};
}

Var Tape::input(Tensor value) { return push({value, {}, nullptr, false, false}); }

Var Tape::param(Param& param) {
  const auto same =
      std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.param == &param; });
  if (same != slots_.end()) return {static_cast<std::int32_t>(same - slots_.begin())};
  return push({param.value, param.grad, &param, training_ && param.trainable, false});
}

Var Tape::result(Tensor value, const std::vector<Var>& from, std::function<void(Tensor)> backward) {
  const bool needed =
      training_ && std::any_of(from.begin(), from.end(), [&](Var v) { return needs_grad(v); });
  const Var out = push({value, {}, nullptr, needed, false});
  if (needed) nodes_.push_back({out, std::move(backward)});
  return out;
}

Grad Tape::gradient_of(Var v) {
  Slot& s = slot(v);
  if (!s.grad) s.grad = arena_->take(s.value.shape, s.value.dtype);
  const Write write = s.has_grad ? Write::accumulate : Write::overwrite;
  s.has_grad = true;
  return {s.grad, write};
}

void Tape::backward(Var loss, ParamStore& params, Tensor share) {
  require(value(loss).numel() == 1, "backward: the loss must be a scalar, not {}", value(loss).shape.str());
  const Tensor begin = gradient_of(loss).tensor;
  if (share) ops().copy(share, begin);
  else ops().fill(begin, 1.0F);
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    if (slot(node->out).has_grad) node->backward(slot(node->out).grad);
  }
  for (Param& p : params.all()) {
    if (!p.trainable) continue;
    const bool reached =
        std::any_of(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.param == &p && s.has_grad; });
    if (!reached) ops().fill(p.grad, 0.0F);
  }
}

}  // namespace melgrad
