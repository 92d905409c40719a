// Optimizers: the choice, its moments, and one update of all parameters. Everything that changes from step to
// step (rate, gradient scale, step counter) lives in device memory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "kernels/ops.h"

namespace melgrad {

class ParamStore;

enum class OptimizerKind { sgd, adam, adadelta };

// Doubles, as a recipe has them: the update computes with the floats next to them.
struct UpdateConstants {
  double momentum = 0.9;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999;
  double rho = 0.95;
  double epsilon = 1e-7;
  double weight_decay = 0;  // decoupled (AdamW); adam only
  double l2 = 0;            // added to the gradient as l2 w (PyTorch's weight_decay); sgd and adam
  double clip_norm = 0;     // 0 = off
};

struct OptimizerOptions : UpdateConstants {
  OptimizerKind kind = OptimizerKind::adam;
  Schedule schedule;
};

class Optimizer {
 public:
  Optimizer(Device& device, const ParamStore& params, const OptimizerOptions& options);
  // Uses params' gradients; `counter` is the device scalar that counts this optimizer's steps.
  void update(Tensor counter);

  // Multiplies the learning rate from the next update on (1 at first): a schedule that depends on results.
  void set_factor(double factor);

  // [1] learning rate, of parameters whose own factor is 1, and [2] {gradient norm, scale} of the last
  // update.
  Tensor rate() const { return rate_; }
  Tensor norm() const { return norm_; }
  // One slab per moment: two for adam and adadelta, one for sgd.
  std::vector<Slab>& moments() { return moments_; }

 private:
  // Neighbours in the slab of all values whose rates have the same factor.
  struct Range {
    std::int64_t first = 0, count = 0;  // floats
    std::size_t rate = 0;               // into rates_
  };
  void find_ranges();
  void update(const Range& range, Tensor counter);

  Device* device_;
  const ParamStore* params_;
  OptimizerOptions options_;
  std::vector<Range> ranges_;
  std::vector<double> factors_;    // the distinct ones; the first is 1
  std::vector<Tensor> rates_;      // [1] each
  std::optional<Slab> own_rates_;  // but the first
  std::vector<Slab> moments_;
  Tensor rate_, norm_, factor_;
  Slab scalars_;
};

}  // namespace melgrad
