// One training run: epochs, validation, the stopping rule, the best weights, and a state that can be saved at
// any step and continued to the same bits.
//
// Nothing random is stored: the order of an epoch is a function of (seed, epoch), crops and dropout of (seed,
// step). The state is therefore the weights, the optimizer's moments, the step counter and what validation
// has seen so far.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/arrays/checkpoint.h"
#include "kernels/error.h"
#include "models/training/data.h"
#include "models/training/evaluator.h"
#include "models/training/loss_watch.h"
#include "models/training/schedule.h"
#include "models/training/step.h"

namespace melgrad {

// A step whose loss or gradient is no number, or with train.on_nan = "skip" one too many of them.
class Diverged : public Error {
 public:
  Diverged(std::int64_t step, double loss, double norm, const std::string& more = "");
  const std::int64_t step;  // 1, 2, ...
};

class TrainingRun {
 public:
  // With the features of the data, whatever the recipe says of them. Each of the ranks has a run of the same,
  // and they are called alike. Throws Error (usage) where ranks do not divide the recipe's shards, or those
  // the batch.
  TrainingRun(Device& device, const TrainingData& data, Split split, const Recipe& recipe, std::uint64_t seed,
              Collective& ranks = alone());

  struct Epoch {
    std::int64_t epoch = 0;    // finished epochs
    std::int64_t step = 0;     // finished steps
    double loss = 0;           // mean over the epoch, with penalties
    double accuracy = 0;       // of the training batches; of tags: the share of right decisions
    double norm = 0;           // of the last step's gradient
    double rate = 0;           // of the last step
    std::int64_t skipped = 0;  // steps, since the beginning
    std::optional<Validation> valid;
  };
  // A step that is worth a line: one that was skipped, or a loss far above the usual.
  struct Incident {
    std::int64_t step = 0;  // 1, 2, ...
    bool skipped = false;
    double loss = 0, usual = 0;
  };
  // Trains until the recipe ends it or a callback returns false. `after_step` is told the number of finished
  // steps, `after_epoch` how the epoch went. Throws Diverged, at most a few steps late.
  void run(
      const std::function<bool(std::int64_t)>& after_step,
      const std::function<bool(const Epoch&)>& after_epoch,
      const std::function<void(const Incident&)>& on_incident = [](const Incident&) {});
  bool finished() const { return !ending_.empty(); }
  const std::string& ending() const { return ending_; }  // why it finished, for people

  // The operation that wrote NaN or Inf first in a step that diverged, and the parameters it works with, in
  // words: the steps behind `before` (null: the first) are done again by a network of its own on the same
  // device.
  std::string first_trouble(const Checkpoint* before, std::int64_t step);

  // Begins with the weights of a model file (models/training/transfer.h), before the first step. Returns
  // whether the last layer's are among them.
  bool start_from(const Checkpoint& file, const std::string& path);

  Checkpoint state();
  void restore(const Checkpoint& checkpoint, const std::string& path);
  // The weights to keep, with everything that prediction needs.
  Checkpoint model(bool best);
  // Does `work` with the best weights in the network, or with the present ones.
  void with_weights(bool best, const std::function<void(Evaluator&)>& work);
  // Whether the finished network has the best weights: a run that was never validated has none.
  bool keeps_best() const { return best_epoch() > 0 && recipe_.train.weights == KeptWeights::best; }

  std::int64_t steps() { return step_.counter(); }
  std::int64_t total_steps() const { return steps_per_epoch_ * recipe_.train.epochs; }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t batch() const { return batch_; }
  // The best validation figure, as the recipe names it; none before the first validation, and where no track
  // is for validation.
  std::optional<double> best_valid() const {
    return best_epoch() == 0 ? std::nullopt : std::optional(shown(schedule_.state().best_score));
  }
  std::int64_t best_epoch() const { return schedule_.state().best_epoch; }
  std::int64_t skipped() const { return skipped_; }
  std::int64_t parameters() const { return model_->params().count(); }
  Collective& ranks() const { return *ranks_; }
  // Called by every rank after the same step. Throws Error (internal) where their weights are not the same.
  void expect_same_weights();
  const Split& split() const { return split_; }
  const TrainingData& data() const { return *data_; }
  const Recipe& recipe() const { return recipe_; }
  // XXH3 of the current weights: equal for equal runs.
  std::uint64_t weights_digest();

 private:
  std::vector<std::int32_t> order(std::int64_t epoch) const;
  // What a finished network is, or would be: the running mean where there is one; null: the weights
  // themselves.
  const Slab* in_use() { return step_.average(); }
  void take_teacher();
  void read_state(const nlohmann::json& state, TrainingSchedule::State& seen);
  void read_state_of_version_1(const Checkpoint& in, const std::string& path, TrainingSchedule::State& seen);
  void finish_epoch(std::int64_t epoch, const std::vector<std::int32_t>& order,
                    const std::function<bool(const Epoch&)>& after_epoch, bool& go_on);
  void collect_reports();
  void skip(const TrainingStep::Report& report);
  Validation validate(const std::vector<std::int32_t>& order);
  void follow_validation(std::int64_t epoch, double score);
  double shown(double score) const { return recipe_.train.best_by == BestBy::loss ? -score : score; }
  double validate_on_last_crop(const std::vector<std::int32_t>& order);

  Device* device_;
  const TrainingData* data_;
  Split split_;
  Recipe recipe_;
  std::uint64_t seed_;
  Collective* ranks_;
  std::int64_t batch_, steps_per_epoch_;
  TrainingSchedule schedule_;
  std::unique_ptr<Model> model_;
  Targets targets_;
  std::uint64_t teacher_digest_ = 0;  // of what train.teacher says; 0: it was not read yet
  TrainingStep step_;
  Evaluator evaluator_;
  Slab best_;
  double loss_sum_ = 0, hit_sum_ = 0;  // of the running epoch
  std::int64_t summed_ = 0;            // its steps in the sums: those that were not skipped
  std::int64_t reported_ = 0;          // steps that the device has reported
  std::int64_t skipped_ = 0, skipped_in_a_row_ = 0;
  LossWatch loss_watch_;
  std::function<void(const Incident&)> on_incident_;
  TrainingStep::Report last_;
  std::string ending_;
};

}  // namespace melgrad
