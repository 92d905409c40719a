// A model at work: the data it learns from, its training step, and its evaluation.
//
// The data set lives on the device. A training step picks its own batch there (which tracks, which crops), so
// the host only starts it; what the host wants to know is written to a small log on the device that it reads
// now and then.
#pragma once

#include "engine/optimizer.h"
#include "engine/step.h"
#include "models/model.h"

namespace melgrad {

// Spectrograms of all tracks, one table [rows, bands] in f16 or f32, track after track.
class ResidentData {
 public:
  struct Track {
    std::int64_t first_row = 0;
    std::int32_t rows = 0;
    std::int32_t label = 0;
  };
  // `features` is host memory of `dtype`, [rows, bands], copied to the device.
  ResidentData(Device& device, const void* features, DType dtype, std::int64_t rows, std::int64_t bands,
               std::vector<Track> tracks);

  const std::vector<Track>& tracks() const { return tracks_; }
  std::int64_t bands() const { return table.dim(1); }
  std::int64_t bytes() const { return table.bytes(); }

 private:
  std::vector<Track> tracks_;
  Slab slab_;

 public:
  Tensor table;      // [rows, bands]
  Tensor first_row;  // i64 [tracks]
  Tensor rows;       // i32 [tracks]
  Tensor labels;     // i32 [tracks]
};

// One optimisation step, ready to run again and again.
class TrainingStep {
 public:
  TrainingStep(Device& device, Model& model, const ResidentData& data, const Recipe& recipe,
               std::uint64_t seed, std::int64_t batch, std::int64_t steps_per_epoch);

  // Sets which tracks make up each step of the coming epoch: i32 [steps_per_epoch, batch], -1 = padding.
  // `step` is where in the epoch to start (a resumed run starts in the middle).
  void begin_epoch(const std::vector<std::int32_t>& order, std::int64_t step);
  void run() { step_.run(); }

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

  Device* device_;
  Model* model_;
  const ResidentData* data_;
  std::int64_t frames_, batch_;
  Slab state_;
  Tensor counter_, log_, first_;
  BatchPlan plan_;
  Optimizer optimizer_;
  Step step_;
};

// Class probabilities of segments.
class Evaluator {
 public:
  Evaluator(Device& device, Model& model, std::int64_t classes, std::int64_t frames,
            std::int64_t batch = 128);
  // first_rows: where each segment starts in `table` [rows, bands]. Returns [segments, classes].
  std::vector<float> probabilities(Tensor table, const std::vector<std::int64_t>& first_rows);

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
