// A model at work: the data it learns from, its training step, and its evaluation.
//
// A training step picks its own batch on the device (which tracks, which crops), so the host only starts it,
// unless the data set does not fit there; what the host wants to know is written to a small log on the device
// that it reads now and then.
#pragma once

#include "engine/optimizer.h"
#include "engine/step.h"
#include "models/model.h"
#include "models/track_table.h"

namespace melgrad {

// One optimisation step, ready to run again and again.
class TrainingStep {
 public:
  TrainingStep(Device& device, Model& model, const TrackTable& data, const Recipe& recipe, std::uint64_t seed,
               std::int64_t batch, std::int64_t steps_per_epoch);

  // Sets which tracks make up each step of the coming epoch: i32 [steps_per_epoch, batch], -1 = padding.
  // `step` is where in the epoch to start (a resumed run starts in the middle).
  void begin_epoch(const std::vector<std::int32_t>& order, std::int64_t step);
  void run();

  struct Report {
    float loss = 0;      // with penalties
    float accuracy = 0;  // of the batch
    float norm = 0;      // of the gradient
    float rate = 0;
  };
  // The last `count` steps, oldest first; the device remembers kLogRows of them.
  static constexpr std::int64_t kLogRows = 64;
  std::vector<Report> reports(std::int64_t count);
  Report last() { return reports(1)[0]; }
  std::vector<std::int64_t> last_rows();  // first row of each segment of the last batch

  std::int64_t counter();  // steps done
  void set_counter(std::int64_t value);
  Optimizer& optimizer() { return optimizer_; }

 private:
  void program(Tape& tape);
  // First row of each segment of the coming step, as pick_batch draws them on the device.
  std::vector<std::int64_t> coming_rows() const;

  Device* device_;
  Model* model_;
  const TrackTable* data_;
  std::int64_t frames_, batch_;
  Slab state_;
  Tensor counter_, log_, first_;
  Tensor sent_;  // [batch, frames, bands, 1] the segments, where the host sends them
  // What the host must know to send them: the epoch's order, and its own count of where it stands.
  std::vector<std::int32_t> order_;
  std::int64_t next_ = 0, steps_done_ = 0;
  BatchPlan plan_;
  Optimizer optimizer_;
  Step step_;
};

// Class probabilities of segments.
class Evaluator {
 public:
  Evaluator(Device& device, Model& model, std::int64_t classes, std::int64_t frames,
            std::int64_t batch = 128);
  // first_rows: where each segment starts in `data`. Returns [segments, classes].
  std::vector<float> probabilities(const TrackTable& data, const std::vector<std::int64_t>& first_rows);

 private:
  Device* device_;
  Model* model_;
  std::int64_t classes_, frames_, batch_;
  Arena arena_;
  Tape tape_;
};

// Starts of the test segments of a track of `rows` frames; empty if it is shorter than a segment.
std::vector<std::int64_t> segment_starts(std::int64_t rows, const SegmentOptions& options);

}  // namespace melgrad
