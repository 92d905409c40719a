// What validation has seen so far and what follows from it: which phase trains, at what share of the rate,
// and whether it is enough. Arithmetic alone; epochs are 1, 2, ... when they are finished.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "models/recipes/recipe.h"

namespace melgrad {

class TrainingSchedule {
 public:
  explicit TrainingSchedule(const TrainOptions& train);

  // What a validation with this score, of which more is better, after `epoch` brings.
  enum class Change { none, best, slower };
  Change validated(std::int64_t epoch, double score);

  // Why the recipe ends the run after `epoch` epochs; empty if it does not.
  std::string ending_after(std::int64_t epoch) const;

  // Whether another phase begins behind `epoch` epochs; it then starts at the full rate.
  bool enters_phase(std::int64_t epoch);
  // The phase behind `epoch` epochs, of a run that goes on there.
  void go_to(std::int64_t epoch);
  std::size_t phase() const { return phase_; }
  std::int64_t phase_begin() const;  // epochs before it

  // What a run that goes on needs to know.
  struct State {
    std::vector<std::int64_t> validated;  // epochs
    std::vector<float> scores;            // after each of them
    double best_score = -std::numeric_limits<double>::infinity();
    std::int64_t best_epoch = 0;  // 0: none yet
    double rate_factor = 1;       // of the rate, lowered where validation does not improve
    std::int64_t last_drop = 0;   // epoch of its last change
  };
  const State& state() const { return state_; }
  void set_state(State state) { state_ = std::move(state); }

 private:
  std::size_t phase_behind(std::int64_t epoch) const;
  bool stands_still(std::int64_t epoch) const;

  TrainOptions train_;
  std::vector<TrainPhase> phases_;
  std::size_t phase_ = 0;
  State state_;
};

}  // namespace melgrad
