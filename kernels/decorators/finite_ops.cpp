#include "kernels/decorators/finite_ops.h"

#include <cmath>
#include <vector>

#include "kernels/error.h"
#include "kernels/math/bf16.h"

namespace melgrad {

void FiniteOps::call(OpCall& call) {
  call.run(device_->ops());
  if (!watches) return;
  device_->synchronise();
  call.for_each_tensor([&](const Tensor& t, OpCall::Role role) {
    if (t && role != OpCall::Role::input) check(call, t);
  });
}

void FiniteOps::check(OpCall& call, const Tensor& result) {
  if (result.dtype != DType::f32 && result.dtype != DType::bf16) return;
  std::vector<std::byte> bytes(static_cast<std::size_t>(result.bytes()));
  device_->to_host(bytes.data(), result);
  const Tensor host(bytes.data(), result.shape, result.dtype);
  for (std::int64_t i = 0; i < host.numel(); ++i) {
    const float value = host.dtype == DType::f32 ? host.f32()[i] : to_float(Bf16{host.bf16()[i]});
    if (std::isfinite(value)) continue;
    std::string arguments;
    call.for_each_tensor([&](const Tensor& t, OpCall::Role role) {
      if (t && role != OpCall::Role::output) arguments += (arguments.empty() ? "" : ", ") + shown(t);
    });
    fail(ErrorKind::diverged, "{}({}) wrote {} to {}, element {}", call.name(), arguments, value,
         shown(result), i);
  }
}

std::string FiniteOps::shown(const Tensor& t) const {
  const std::string name = name_of ? name_of(t) : "";
  return name.empty() ? t.shape.str() : name;
}

}  // namespace melgrad
