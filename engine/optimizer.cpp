#include "engine/optimizer.h"

#include "engine/param.h"

namespace melgrad {

Optimizer::Optimizer(Device& device, const ParamStore& params, const OptimizerOptions& options)
    : device_(&device),
      params_(&params),
      options_(options),
      scalars_(device, {{&rate_, {1}}, {&norm_, {2}}, {&factor_, {1}}}) {
  const int moments = options.kind == OptimizerKind::sgd ? 1 : 2;
  for (int i = 0; i < moments; ++i) moments_.push_back(params.like_values(device));
  options_.schedule.factor = factor_;
  set_factor(1);
}

void Optimizer::set_factor(double factor) {
  const auto value = static_cast<float>(factor);
  device_->to_device(factor_, &value);
}

void Optimizer::update(Tensor counter) {
  Ops& ops = device_->ops();
  const OptimizerOptions& o = options_;
  const auto near = [](double constant) { return static_cast<float>(constant); };
  const Tensor w = params_->values(), g = params_->grads(), scale = norm_.span(1, 1, {1});
  ops.learning_rate(o.schedule, counter, rate_);
  ops.gradient_norm(g, near(o.clip_norm), norm_);
  const Tensor first = moments_[0].all();
  switch (o.kind) {
    case OptimizerKind::sgd:
      ops.sgd_update(w, g, first, rate_, scale, near(o.momentum), o.nesterov, near(o.l2));
      break;
    case OptimizerKind::adam:
      ops.adam_update(w, g, first, moments_[1].all(), rate_, scale, counter, near(o.beta1), near(o.beta2),
                      near(o.epsilon), near(o.weight_decay), near(o.l2));
      break;
    case OptimizerKind::adadelta:
      ops.adadelta_update(w, g, first, moments_[1].all(), rate_, scale, near(o.rho), near(o.epsilon));
      break;
  }
}

}  // namespace melgrad
