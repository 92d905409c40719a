// The phases of training: train.phases read and written, and the optimizer of each.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "kernels/error.h"
#include "models/recipes/recipe.h"

namespace melgrad {

std::vector<TrainPhase> phases_of(const TrainOptions& train) {
  if (train.phases.empty()) return {{train.epochs, train.optimizer, train.rate}};
  std::vector<TrainPhase> phases;
  std::stringstream all(train.phases);
  for (std::string one; std::getline(all, one, ',');) {
    std::stringstream words(one);
    TrainPhase phase;
    std::string optimizer, rest;
    if (!(words >> phase.epochs >> optimizer >> phase.rate) || words >> rest || phase.epochs < 1 ||
        phase.rate < 0) {
      fail(ErrorKind::usage, "train.phases: '{}' is not epochs, optimizer and rate, as in '80 adam 1e-4'",
           one);
    }
    phase.optimizer = optimizer_named(optimizer, "train.phases");
    phases.push_back(phase);
  }
  return phases;
}

namespace {

std::int64_t epochs_of(const std::vector<TrainPhase>& phases) {
  std::int64_t all = 0;
  for (const TrainPhase& phase : phases) all += phase.epochs;
  return all;
}

void append(std::string& text, std::int64_t epochs, const TrainPhase& phase) {
  if (epochs > 0)
    text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", epochs, name_of(phase.optimizer), phase.rate);
}

}  // namespace

std::string scaled_phases(const TrainOptions& train) {
  const std::vector<TrainPhase> phases = phases_of(train);
  const std::int64_t all = epochs_of(phases);
  if (train.phases.empty() || all == train.epochs) return train.phases;
  double before = 0;
  std::string text;
  std::int64_t begin = 0;
  for (const TrainPhase& phase : phases) {
    before += static_cast<double>(phase.epochs);
    const auto end = std::llround(before / static_cast<double>(all) * static_cast<double>(train.epochs));
    append(text, end - begin, phase);
    begin = end;
  }
  return text.empty() ? train.phases : text;
}

std::string ending_phases(const TrainOptions& train) {
  const std::vector<TrainPhase> phases = phases_of(train);
  if (train.phases.empty() || epochs_of(phases) == train.epochs) return train.phases;
  std::int64_t left = train.epochs;
  std::string text;
  for (const TrainPhase& phase : phases) {
    const bool last = &phase == &phases.back();
    const std::int64_t epochs = last ? left : std::min(left, phase.epochs);
    append(text, epochs, phase);
    left -= epochs;
  }
  return text.empty() ? train.phases : text;
}

OptimizerKind optimizer_named(const FieldValue& name, const std::string& where) {
  OptimizerKind kind = OptimizerKind::adam;
  if (as_text(name) != kAdamW) assign(kind, name, where);
  return kind;
}

OptimizerOptions optimizer_options(const TrainOptions& t, const TrainPhase& phase,
                                   std::int64_t steps_per_epoch) {
  OptimizerOptions o;
  static_cast<UpdateConstants&>(o) = t;
  o.kind = phase.optimizer;
  o.schedule.kind = t.schedule;
  o.schedule.base = phase.rate;
  o.schedule.period = t.period * steps_per_epoch;
  o.schedule.decay = t.decay;
  o.schedule.final_fraction = t.final_fraction;
  o.schedule.total = phase.epochs * steps_per_epoch;
  o.schedule.warmup = t.warmup;
  return o;
}

}  // namespace melgrad
