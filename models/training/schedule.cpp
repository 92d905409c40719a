#include "models/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace melgrad {
namespace {

std::int64_t epochs_before(const std::vector<TrainPhase>& phases, std::size_t phase) {
  std::int64_t epochs = 0;
  for (std::size_t i = 0; i < phase; ++i) epochs += phases[i].epochs;
  return epochs;
}

}  // namespace

TrainingSchedule::TrainingSchedule(const TrainOptions& train) : train_(train), phases_(phases_of(train)) {}

TrainingSchedule::Change TrainingSchedule::validated(std::int64_t epoch, double score) {
  State& s = state_;
  s.validated.push_back(epoch);
  s.scores.push_back(static_cast<float>(score));
  if (score > s.best_score) {
    s.best_score = score;
    s.best_epoch = epoch;
    return Change::best;
  }
  if (train_.plateau_patience == 0 || epoch - std::max(s.best_epoch, s.last_drop) < train_.plateau_patience)
    return Change::none;
  s.rate_factor *= train_.plateau_factor;
  s.last_drop = epoch;
  return Change::slower;
}

std::string TrainingSchedule::ending_after(std::int64_t epoch) const {
  const std::int64_t best = state_.best_epoch;
  if (epoch >= train_.epochs) return fmt::format("all {} epochs done", epoch);
  if (stands_still(epoch))
    return fmt::format("validation stood still over the last {} epochs", train_.stop_block);
  if (train_.patience > 0 && best > 0 && epoch - best >= train_.patience)
    return fmt::format("validation is no better since epoch {}", best);
  return {};
}

// The author's rule: at the end of a block, compare the mean of its first and of its last validations.
bool TrainingSchedule::stands_still(std::int64_t epoch) const {
  if (train_.stop_block == 0 || epoch == 0 || epoch % train_.stop_block != 0) return false;
  std::vector<float> block;
  for (std::size_t i = 0; i < state_.scores.size(); ++i) {
    if (state_.validated[i] > epoch - train_.stop_block) block.push_back(state_.scores[i]);
  }
  const auto window = std::min<std::ptrdiff_t>(train_.stop_window, std::ssize(block));
  if (window == 0) return false;
  const double first = std::accumulate(block.begin(), block.begin() + window, 0.0);
  const double last = std::accumulate(block.end() - window, block.end(), 0.0);
  return std::abs(last - first) / static_cast<double>(window) < train_.stop_change;
}

std::size_t TrainingSchedule::phase_behind(std::int64_t epoch) const {
  std::size_t phase = 0;
  while (phase + 1 < phases_.size() && epochs_before(phases_, phase + 1) <= epoch) ++phase;
  return phase;
}

bool TrainingSchedule::enters_phase(std::int64_t epoch) {
  const std::size_t phase = phase_behind(epoch);
  if (phase == phase_) return false;
  phase_ = phase;
  state_.rate_factor = 1;
  state_.last_drop = epoch;
  return true;
}

void TrainingSchedule::go_to(std::int64_t epoch) { phase_ = phase_behind(epoch); }

std::int64_t TrainingSchedule::phase_begin() const { return epochs_before(phases_, phase_); }

}  // namespace melgrad
