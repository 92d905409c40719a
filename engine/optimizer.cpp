#include "engine/optimizer.h"

#include <algorithm>

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
  find_ranges();
  set_factor(1);
}

void Optimizer::set_factor(double factor) {
  const auto value = static_cast<float>(factor);
  device_->to_device(factor_, &value);
}

// Of a model none of whose parameters has a factor it is one range of everything.
void Optimizer::find_ranges() {
  factors_ = {1};
  const float* const begin = params_->values().f32();
  for (const Param& p : params_->all()) {
    if (!p.trainable) continue;
    auto rate = std::find(factors_.begin(), factors_.end(), p.rate);
    if (rate == factors_.end()) rate = factors_.insert(rate, p.rate);
    const auto index = static_cast<std::size_t>(rate - factors_.begin());
    if (!ranges_.empty() && ranges_.back().rate == index) continue;
    const std::int64_t first = ranges_.empty() ? 0 : p.value.f32() - begin;
    if (!ranges_.empty()) ranges_.back().count = first - ranges_.back().first;
    ranges_.push_back({first, 0, index});
  }
  if (!ranges_.empty()) ranges_.back().count = params_->values().numel() - ranges_.back().first;
  rates_.resize(factors_.size());
  rates_[0] = rate_;
  std::vector<Slab::Part> parts;
  for (std::size_t k = 1; k < rates_.size(); ++k) parts.push_back({&rates_[k], {1}});
  if (!parts.empty()) own_rates_.emplace(*device_, parts);
}

void Optimizer::update(Tensor counter) {
  Ops& ops = device_->ops();
  for (std::size_t k = 0; k < rates_.size(); ++k) {
    Schedule schedule = options_.schedule;
    schedule.base *= factors_[k];
    ops.learning_rate(schedule, counter, rates_[k]);
  }
  ops.gradient_norm(params_->grads(), static_cast<float>(options_.clip_norm), norm_);
  for (const Range& range : ranges_) update(range, counter);
}

void Optimizer::update(const Range& range, Tensor counter) {
  Ops& ops = device_->ops();
  const OptimizerOptions& o = options_;
  const auto near = [](double constant) { return static_cast<float>(constant); };
  const auto part = [&](const Tensor& all) { return all.span(range.first, range.count, {range.count}); };
  const Tensor w = part(params_->values()), g = part(params_->grads()), first = part(moments_[0].all());
  const Tensor rate = rates_[range.rate], scale = norm_.span(1, 1, {1});
  switch (o.kind) {
    case OptimizerKind::sgd:
      ops.sgd_update(w, g, first, rate, scale, near(o.momentum), o.nesterov, near(o.l2));
      break;
    case OptimizerKind::adam:
      ops.adam_update(w, g, first, part(moments_[1].all()), rate, scale, counter, near(o.beta1),
                      near(o.beta2), near(o.epsilon), near(o.weight_decay), near(o.l2));
      break;
    case OptimizerKind::adadelta:
      ops.adadelta_update(w, g, first, part(moments_[1].all()), rate, scale, near(o.rho), near(o.epsilon));
      break;
  }
}

}  // namespace melgrad
