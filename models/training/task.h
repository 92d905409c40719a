// What a network is asked of a track: one genre of several, or any number of tags. All that differs between
// the two stands in a class for each (genre_task.cpp, tag_task.cpp).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/memory.h"

namespace melgrad {

class Evaluator;
class Tape;
class TrainingData;
class TrainingRun;
struct CacheItem;
struct CrossEntropy;
struct Recipe;
struct Split;
struct TrainOptions;
struct Var;

// What a loss compares with, on the device, beside the track table's labels.
struct Targets {
  std::optional<Slab> memory;
  Tensor table;          // [tracks, classes] the targets of each track; empty: its label itself
  Tensor labels;         // i32 [tracks] 0, 1, ...: rows of the table; empty: the track table's labels
  Tensor weights;        // [classes] of a tag's positives in the loss; empty where a track has one class
  Tensor class_weights;  // [labels] of a track in the loss, by its label; empty: 1
};

struct Validation {
  double score = 0;                                     // what the recipe's best_by compares; more is better
  std::vector<std::pair<std::string, double>> figures;  // for the log; the first is the one compared
};

class Task {
 public:
  virtual ~Task() = default;

  // ---- data
  // "classes", "tags".
  virtual const char* classes() const = 0;
  // With fewer nothing can be learned.
  virtual std::size_t fewest_classes() const = 0;
  // Whether the answer is one class; else every class is answered by itself.
  virtual bool one_answer() const = 0;
  // The label of track number `index` in a track table. Throws Error (input) that begins with `path`.
  virtual std::int32_t label_of(const CacheItem& item, std::int32_t index, const std::string& path) const = 0;
  // Of which a random split has like shares in each of its parts.
  virtual std::int32_t stratum_of(std::int32_t label) const = 0;
  // What cannot be learned or tested with this split, a line each.
  virtual std::vector<std::string> doubts(const TrainingData& data, const Split& split) const = 0;

  // ---- a training step
  // Weights [classes] in the loss, as the recipe has them, of data whose training tracks are `tracks`.
  virtual std::vector<float> weights(const TrainingData& data, const TrainOptions& train,
                                     const std::vector<std::int32_t>& tracks) const = 0;
  // labels [tracks, classes] of 0 and 1; weights [classes]; smoothed as the recipe wants, without its
  // teacher.
  virtual Targets targets(Device& device, const std::vector<std::uint8_t>& labels,
                          const std::vector<float>& weights, const Recipe& recipe) const = 0;
  // What train.label_smoothing spreads over the `classes` of a track, the same to each.
  virtual double spread_to(std::size_t classes) const = 0;
  // logits [N, classes]; targets i32 [N] labels or f32 [N, classes] rows of the table; weights [N].
  virtual CrossEntropy loss(Tape& tape, Var logits, Tensor targets, Tensor weights,
                            const Targets& beside) const = 0;

  // ---- what a network answers
  // [N, classes]; no gradient.
  virtual Tensor probabilities(Tape& tape, Var logits) const = 0;
  // For train.validation = vote; `crop` needs the last batch's starts, which the run has (training/run.cpp).
  virtual Validation validate(Evaluator& evaluator, const TrainingData& data,
                              const std::vector<std::int32_t>& tracks, const Recipe& recipe) const = 0;
  // The run's test tracks with the weights that the recipe keeps: what result.json holds.
  virtual nlohmann::ordered_json test(TrainingRun& run) const = 0;
};

const Task& task_of(const Recipe& recipe);

// The two, for task_of.
const Task& genre_task();
const Task& tag_task();

}  // namespace melgrad
