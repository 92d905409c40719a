// Parameters of a model. A model declares them by name; `allocate` then places all values in one slab, all
// gradients in another and each optimizer moment in one more, so that clearing, clipping and updating are one
// operation each whatever the number of layers. What is not trained (running statistics) stands behind the
// trainable values in the same slab: what copies a model copies them too, and an optimizer does not see them.
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
  // At first: uniform in +-bound, or `start` where there is one.
  double bound = 0;
  std::vector<float> start = {};
  float l2 = 0;           // weight of the penalty l2 * sum w^2 (Keras's form)
  bool trainable = true;  // false: no gradient
  double rate = 1;        // multiplies the learning rate
  Tensor value = {}, grad = {};
};

// How weights [out, ..., in] start.
enum class Init {
  glorot,  // uniform in +-sqrt(6 / (fan_in + fan_out))       (Glorot and Bengio 2010)
  he,      // uniform in +-sqrt(6 / fan_in)                   (He et al. 2015, before a ReLU)
};

class ParamStore {
 public:
  // Weights of a linear layer [out, in] or a convolution [out, kT, kF, in]; fans follow from the shape.
  Param& weight(std::string name, Shape shape, float l2 = 0, Init init = Init::glorot);
  // Uniform in +-bound.
  Param& uniform(std::string name, Shape shape, double bound);
  Param& bias(std::string name, std::int64_t size, float constant = 0);
  // Not trained: a running statistic, a table or a filter, with the values it starts from; of rank 1 unless
  // there is a shape.
  Param& fixed(std::string name, std::vector<float> start, std::optional<Shape> shape = {});

  void allocate(Device& device);
  // Draws all initial values from the seed; the k-th parameter uses stream k of the generator.
  void initialise(Device& device, std::uint64_t seed);

  std::deque<Param>& all() { return params_; }
  const std::deque<Param>& all() const { return params_; }
  std::int64_t count() const;  // trainable numbers
  Tensor values() const;       // the trainable ones
  Tensor grads() const { return grads_->all(); }
  Tensor everything() const { return values_->all(); }  // statistics too
  Tensor statistics() const;                            // alone; there must be some
  // Zero, of the layout of values(): an optimizer's moment. And of everything(): a copy of the best weights.
  Slab like_values(Device& device) const { return {device, trainable_bytes_}; }
  Slab like_everything(Device& device) const { return {device, bytes_}; }
  // The part of such a slab that belongs to one parameter.
  Tensor part(const Slab& slab, const Param& param) const;

 private:
  std::deque<Param> params_;  // addresses stay valid while parameters are added
  std::optional<Slab> values_, grads_;
  std::int64_t trainable_bytes_ = 0, bytes_ = 0;
};

}  // namespace melgrad
