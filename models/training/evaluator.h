// What a network makes of segments, and of the tracks that they are cut from.
#pragma once

#include <functional>
#include <vector>

#include "engine/memory.h"
#include "engine/tape.h"
#include "models/networks/model.h"
#include "models/recipes/recipe.h"
#include "models/training/track_table.h"

namespace melgrad {

class Task;

class Evaluator {
 public:
  // `batch` segments at once; 0: as many as take 8 MB, at most 128.
  Evaluator(Device& device, Model& model, const Task& task, const SegmentOptions& segment,
            std::int64_t batch = 0);
  // first_rows: where each segment starts in `data`. Class or tag probabilities, [segments, classes]; with
  // segment.test_reverse the mean of those of the segment and of the same backwards.
  std::vector<float> probabilities(const TrackTable& data, const std::vector<std::int64_t>& first_rows);
  // Model::embedding, [segments, width].
  std::vector<float> embeddings(const TrackTable& data, const std::vector<std::int64_t>& first_rows);
  // The segments themselves, [segments, frames * bands].
  std::vector<float> segments(const TrackTable& data, const std::vector<std::int64_t>& first_rows);

 private:
  // [segments, columns of what `make` returns for a batch of segments x].
  std::vector<float> for_segments(const TrackTable& data, const std::vector<std::int64_t>& first_rows,
                                  const std::function<Tensor(Tensor x)>& make);

  Device* device_;
  Model* model_;
  const Task* task_;
  std::int64_t frames_, batch_;
  bool both_ways_;
  Tensor zero_;  // i64 [1]
  Slab memory_;
  Arena arena_;
  Tape tape_;
};

// Frames from the start of a test segment to the next, where they overlap (not test_crops).
std::int64_t segment_step(const SegmentOptions& options);
// Starts of the test segments of a track of `rows` frames; empty if it is shorter than a segment.
std::vector<std::int64_t> segment_starts(std::int64_t rows, const SegmentOptions& options);

// The test segments of the tracks: the first row of each in the table, and how many each track has.
struct TestSegments {
  std::vector<std::int64_t> rows, counts;
};
TestSegments test_segments(const TrackTable& data, const std::vector<std::int32_t>& tracks,
                           const SegmentOptions& segment);

}  // namespace melgrad
