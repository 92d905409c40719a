// train.phases, read and written.
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
    std::string rest;
    if (!(words >> phase.epochs >> phase.optimizer >> phase.rate) || words >> rest || phase.epochs < 1 ||
        phase.rate < 0) {
      fail(ErrorKind::usage, "train.phases: '{}' is not epochs, optimizer and rate, as in '80 adam 1e-4'",
           one);
    }
    if (phase.optimizer == "adamw") phase.optimizer = "adam";
    if (phase.optimizer != "sgd" && phase.optimizer != "adam" && phase.optimizer != "adadelta")
      fail(ErrorKind::usage, "train.phases: '{}' is not one of sgd, adam, adadelta", phase.optimizer);
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
    text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", epochs, phase.optimizer, phase.rate);
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

}  // namespace melgrad
