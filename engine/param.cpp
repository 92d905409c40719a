#include "engine/param.h"

#include <cmath>

#include "kernels/math/philox.h"

namespace melgrad {

Param& ParamStore::weight(std::string name, Shape shape, float l2, Init init) {
  std::int64_t taps = 1;
  for (int a = 1; a + 1 < shape.rank(); ++a) taps *= shape[a];
  const std::int64_t fan_in = taps * shape[shape.rank() - 1], fan_out = taps * shape[0];
  const double fans = static_cast<double>(init == Init::he ? fan_in : fan_in + fan_out);
  Param& p = uniform(std::move(name), shape, std::sqrt(6.0 / fans));
  p.l2 = l2;
  return p;
}

Param& ParamStore::uniform(std::string name, Shape shape, double bound) {
  return params_.emplace_back(Param{.name = std::move(name), .shape = shape, .bound = bound});
}

Param& ParamStore::bias(std::string name, std::int64_t size, float constant) {
  return params_.emplace_back(Param{.name = std::move(name),
                                    .shape = {size},
                                    .start = std::vector<float>(static_cast<std::size_t>(size), constant)});
}

Param& ParamStore::fixed(std::string name, std::vector<float> start, std::optional<Shape> shape) {
  const auto size = static_cast<std::int64_t>(start.size());
  require(!shape || shape->numel() == size, "{}: {} values", name, size);
  return params_.emplace_back(Param{.name = std::move(name),
                                    .shape = shape.value_or(Shape{size}),
                                    .start = std::move(start),
                                    .trainable = false});
}

void ParamStore::allocate(Device& device) {
  for (const Param& p : params_) {
    const std::int64_t bytes = aligned_bytes(p.shape.numel() * size_of(DType::f32));
    bytes_ += bytes;
    trainable_bytes_ += p.trainable ? bytes : 0;
  }
  values_.emplace(device, bytes_);
  grads_.emplace(device, trainable_bytes_);
  for (const bool trainable : {true, false}) {
    for (Param& p : params_) {
      if (p.trainable != trainable) continue;
      p.value = values_->take(p.shape);
      if (trainable) p.grad = grads_->take(p.shape);
    }
  }
}

void ParamStore::initialise(Device& device, std::uint64_t seed) {
  std::uint32_t stream = 0x1417;  // of the generator: initial weights; one more per parameter
  for (const Param& p : params_) {
    std::vector<float> host = p.start;
    host.resize(static_cast<std::size_t>(p.shape.numel()));
    for (std::size_t i = 0; p.start.empty() && i < host.size(); ++i) {
      const float u = uniform01(philox(seed, stream, 0, i / 4).word[i % 4]);
      host[i] = static_cast<float>((2.0 * u - 1.0) * p.bound);
    }
    device.to_device(p.value, host.data());
    ++stream;
  }
}

std::int64_t ParamStore::count() const {
  std::int64_t n = 0;
  for (const Param& p : params_) n += p.trainable ? p.shape.numel() : 0;
  return n;
}

Tensor ParamStore::values() const {
  const std::int64_t n = trainable_bytes_ / size_of(DType::f32);
  return everything().span(0, n, {n});
}

Tensor ParamStore::statistics() const {
  const std::int64_t trained = values().numel(), n = everything().numel() - trained;
  return everything().span(trained, n, {n});
}

Tensor ParamStore::part(const Slab& slab, const Param& param) const {
  return slab.all().span(param.value.f32() - everything().f32(), param.shape.numel(), param.shape);
}

}  // namespace melgrad
