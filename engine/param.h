// Parameters of a model. A model declares them by name; `allocate` then places all values in one slab, all
// gradients in another and each optimizer moment in one more, so that clearing, clipping and updating are one
// operation each whatever the number of layers.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "engine/memory.h"

namespace melgrad {

struct Param {
  std::string name;  // "conv1.weight"
  Shape shape;
  // Glorot and Bengio 2010: uniform in +-sqrt(6 / (fan_in + fan_out)); fans of 0 start at zero.
  std::int64_t fan_in = 0, fan_out = 0;
  float l2 = 0;  // weight of the penalty l2 * sum w^2 (Keras's form)
  Tensor value, grad;
};

class ParamStore {
 public:
  // Weights of a linear layer [out, in] or a convolution [out, kT, kF, in]; fans follow from the shape.
  Param& weight(std::string name, Shape shape, float l2 = 0);
  Param& bias(std::string name, std::int64_t size);

  void allocate(Device& device);
  // Draws all initial values from the seed; the k-th parameter uses stream k of the generator.
  void initialise(Device& device, std::uint64_t seed);

  std::deque<Param>& all() { return params_; }
  const std::deque<Param>& all() const { return params_; }
  std::int64_t count() const;  // trainable numbers
  Tensor values() const { return values_->all(); }
  Tensor grads() const { return grads_->all(); }
  // A slab of the same layout, zero: an optimizer's moment, or a copy of the best weights.
  Slab like(Device& device) const { return {device, bytes_}; }
  // The part of such a slab that belongs to one parameter.
  Tensor part(const Slab& slab, const Param& param) const;

 private:
  std::deque<Param> params_;  // addresses stay valid while parameters are added
  std::optional<Slab> values_, grads_;
  std::int64_t bytes_ = 0;
};

}  // namespace melgrad
