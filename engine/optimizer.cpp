#include "engine/optimizer.h"

namespace melgrad {

Optimizer::Optimizer(Device& device, const ParamStore& params, const OptimizerOptions& options)
    : device_(&device), params_(&params), options_(options), scalars_(device, 2 * aligned_bytes(8)) {
  const int moments = options.kind == OptimizerOptions::Kind::sgd ? 1 : 2;
  for (int i = 0; i < moments; ++i) moments_.push_back(params.like(device));
  rate_ = scalars_.take({1});
  norm_ = scalars_.take({2});
}

void Optimizer::update(Tensor counter) {
  Ops& ops = device_->ops();
  const OptimizerOptions& o = options_;
  const Tensor w = params_->values(), g = params_->grads(), scale = norm_.span(1, 1, {1});
  ops.learning_rate(o.schedule, counter, rate_);
  ops.gradient_norm(g, o.clip_norm, norm_);
  const Tensor first = moments_[0].all();
  switch (o.kind) {
    case OptimizerOptions::Kind::sgd:
      ops.sgd_update(w, g, first, rate_, scale, o.momentum, o.nesterov);
      break;
    case OptimizerOptions::Kind::adam:
      ops.adam_update(w, g, first, moments_[1].all(), rate_, scale, counter, o.beta1, o.beta2, o.epsilon,
                      o.weight_decay);
      break;
    case OptimizerOptions::Kind::adadelta:
      ops.adadelta_update(w, g, first, moments_[1].all(), rate_, scale, o.rho, o.epsilon);
      break;
  }
}

}  // namespace melgrad
