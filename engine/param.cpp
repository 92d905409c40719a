#include "engine/param.h"

#include <cmath>

#include "kernels/math/philox.h"

namespace melgrad {

Param& ParamStore::weight(std::string name, Shape shape, float l2) {
  std::int64_t taps = 1;
  for (int a = 1; a + 1 < shape.rank(); ++a) taps *= shape[a];
  return params_.emplace_back(
      Param{std::move(name), shape, taps * shape[shape.rank() - 1], taps * shape[0], l2, {}, {}});
}

Param& ParamStore::bias(std::string name, std::int64_t size) {
  return params_.emplace_back(Param{std::move(name), {size}, 0, 0, 0, {}, {}});
}

void ParamStore::allocate(Device& device) {
  for (const Param& p : params_) bytes_ += aligned_bytes(p.shape.numel() * size_of(DType::f32));
  values_.emplace(device, bytes_);
  grads_.emplace(device, bytes_);
  for (Param& p : params_) {
    p.value = values_->take(p.shape);
    p.grad = grads_->take(p.shape);
  }
}

void ParamStore::initialise(Device& device, std::uint64_t seed) {
  std::uint32_t stream = 0x1417;  // of the generator: initial weights; one more per parameter
  for (Param& p : params_) {
    std::vector<float> host(static_cast<std::size_t>(p.shape.numel()), 0.0F);
    if (p.fan_in + p.fan_out > 0) {
      const double limit = std::sqrt(6.0 / static_cast<double>(p.fan_in + p.fan_out));
      for (std::size_t i = 0; i < host.size(); ++i) {
        const float u = uniform01(philox(seed, stream, 0, i / 4).word[i % 4]);
        host[i] = static_cast<float>((2.0 * u - 1.0) * limit);
      }
    }
    device.to_device(p.value, host.data());
    ++stream;
  }
}

std::int64_t ParamStore::count() const {
  std::int64_t n = 0;
  for (const Param& p : params_) n += p.shape.numel();
  return n;
}

Tensor ParamStore::part(const Slab& slab, const Param& param) const {
  return slab.all().span(param.value.f32() - values().f32(), param.shape.numel(), param.shape);
}

}  // namespace melgrad
