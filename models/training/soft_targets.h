// Targets that are more than a track's labels: smoothed, and mixed with what another network answers
// (knowledge distillation, Hinton et al. 2015, at temperature 1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace melgrad {

class Task;
class TrainingData;
struct Recipe;

// Whether a track's targets are more than its label: mixed, spread, or a teacher's in part.
bool has_soft_targets(const Recipe& recipe);

// [tracks, classes]: (1 - s) label + s spread_to(classes), s = train.label_smoothing; labels of 0 and 1.
std::vector<float> smoothed_targets(const std::vector<std::uint8_t>& labels, std::size_t classes,
                                    const Task& task, const Recipe& recipe);

// What train.teacher gives the training tracks.
struct TaughtTargets {
  std::vector<float> targets;  // [tracks, classes] (1 - a) smoothed + a score, a = train.teacher_share
  std::uint64_t digest = 0;    // XXH3 of the scores
};
// The scores of a table (models/metrics/score_table.h), whose columns are the data's classes and whose rows
// are tracks by name, all of `tracks` among them. Throws Error (input), the file first, for a class or tracks
// that it lacks, and scores that are no probabilities: of genres those that do not add up to 1.
TaughtTargets taught_targets(const TrainingData& data, const std::vector<std::int32_t>& tracks,
                             const Recipe& recipe);

}  // namespace melgrad
