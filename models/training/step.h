// One optimisation step, ready to run again and again.
//
// It picks its own batch on the device (which tracks, which crops), so the host only starts it,
// unless the data set does not fit there; what the host wants to know is written to a small log on the device
// that it reads now and then.
#pragma once

#include <optional>

#include "engine/optimizer.h"
#include "engine/shards.h"
#include "engine/step.h"
#include "kernels/ops.h"
#include "models/networks/model.h"
#include "models/recipes/recipe.h"
#include "models/training/task.h"
#include "models/training/track_table.h"

namespace melgrad {

class TrainingStep {
 public:
  // `data` and `targets`, which are of the recipe's task, and `ranks` must outlive the step. The recipe's
  // shards divide the batch, the ranks the shards.
  TrainingStep(Device& device, Model& model, const TrackTable& data, const Targets& targets,
               const Recipe& recipe, std::uint64_t seed, std::int64_t batch, std::int64_t steps_per_epoch,
               Collective& ranks = alone());

  // From here on the recipe's phase `phase`, which begins after `first_step` steps: a new optimizer, its
  // moments 0.
  void begin_phase(std::size_t phase, std::int64_t first_step);

  // Sets which tracks make up each step of the coming epoch: i32 [steps_per_epoch, batch], ~t = padding
  // that repeats track t.
  // `step` is where in the epoch to start (a resumed run starts in the middle).
  void begin_epoch(const std::vector<std::int32_t>& order, std::int64_t step);
  void run();

  struct Report {
    float loss = 0;      // with penalties
    float accuracy = 0;  // of the batch; of tags: the share of right decisions
    float norm = 0;      // of the gradient
    float rate = 0;
  };
  // The last `count` steps, oldest first; the device remembers kLogRows of them.
  static constexpr std::int64_t kLogRows = 64;
  std::vector<Report> reports(std::int64_t count);
  Report last() { return reports(1)[0]; }
  std::vector<std::int64_t> last_rows();  // first row of each segment of the last shard here
  // The same of the first shard of the last step, wherever that was.
  std::vector<std::int64_t> last_first_rows() const { return rows_of((next_ - 1) * shards(), draws(-1)); }

  // The running mean of the weights (train.average), whole as Model's params().everything(); null: none.
  Slab* average() { return average_ ? &*average_ : nullptr; }
  // Frames of the stretch of a track that a segment is cut from: more where its tempo changes.
  std::int64_t cut_frames() const { return cut_frames_; }

  std::int64_t counter();  // steps done
  void set_counter(std::int64_t value);
  Optimizer& optimizer() { return *optimizer_; }
  // Bytes of activations and their gradients, once a step has run.
  std::int64_t step_memory() const { return step_->step_memory(); }

 private:
  void program(Tape& tape);
  void shard(Tape& tape, std::int64_t index);  // of this rank's
  Tensor picked_input(Tape& tape, std::int64_t index, Tensor labels, Tensor weights);
  CrossEntropy loss_of(Tape& tape, Tensor x, Tensor labels, Tensor weights);
  // Each example with a share of the next one, x and its targets [batch, classes] alike.
  void mix(Tape& tape, Tensor& x, Tensor& targets);
  // First row of each segment of a row of the order, as pick_batch draws them on the device.
  std::vector<std::int64_t> rows_of(std::int64_t row, std::int64_t draw) const;
  // What random numbers are drawn by: a number for each shard of all steps; of the step `later` than the
  // coming one its first.
  std::int64_t draws(std::int64_t later) const { return (steps_done_ + later) * shards(); }
  std::int64_t shards() const { return train_.shards; }
  void set_clocks();
  std::vector<float> shares_of(const std::vector<std::int32_t>& order) const;

  Device* device_;
  Model* model_;
  const TrackTable* data_;
  const Task* task_;
  const Targets* targets_;
  TrainOptions train_;
  Augment augment_;
  bool masks_with_mean_;
  Resample resample_;
  Mixup mixup_;
  std::int64_t frames_, cut_frames_, batch_, steps_per_epoch_;  // batch_: of a shard
  std::optional<Slab> average_;
  Averaging averaging_;
  std::optional<Slab> state_;
  Tensor counter_, phase_counter_, log_, first_;  // steps in all, and of the phase
  Tensor draw_counter_;                           // shards in all; of one shard a step: the steps
  Tensor shares_;  // [rows of the order, 1] what each shard has of its step's weight; empty if each has all
  Tensor sent_;    // [this rank's shards * batch, frames, bands, 1] the segments, where the host sends them
  // What the host must know to send them: the epoch's order, and its own count of where it stands.
  std::vector<std::int32_t> order_;
  std::int64_t next_ = 0, steps_done_ = 0;
  BatchPlan plan_;
  std::int64_t phase_begin_ = 0;
  std::optional<Optimizer> optimizer_;
  std::vector<float> class_weights_;  // of targets_, on the host: by label
  std::optional<Shards> shards_;
  std::optional<Step> step_;
};

}  // namespace melgrad
