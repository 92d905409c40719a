// Track-level results. Genres: the softmax vectors of a track's segments are summed, the largest sum is the
// answer. Tags: the probabilities of a track's segments are averaged.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/metrics/tag_metrics.h"
#include "models/training/step.h"

namespace melgrad {

struct Evaluation {
  struct Track {
    std::int32_t index = 0;  // into the data set
    std::int32_t label = 0, answer = 0;
    std::vector<float> mean;  // [classes] mean probability over the segments
    std::int64_t segments = 0;
  };
  std::vector<Track> tracks;
  std::vector<std::vector<std::int64_t>> confusion;  // [true][answer] tracks
  double segment_accuracy = 0;

  double accuracy() const;  // of tracks
};

Evaluation evaluate_tracks(Evaluator& evaluator, const TrackTable& data,
                           const std::vector<std::int32_t>& tracks, const SegmentOptions& segment,
                           std::size_t classes);

// Mean probabilities of the tracks, beside their `labels` [all tracks, tags].
TagScores score_tags(Evaluator& evaluator, const TrackTable& data, const std::vector<std::int32_t>& tracks,
                     const SegmentOptions& segment, const std::vector<std::uint8_t>& labels,
                     const std::vector<std::string>& names, const std::vector<std::string>& tags);
// Mean over tracks and tags of -(t log p + (1 - t) log(1 - p)), p within 1e-7 of neither 0 nor 1.
double binary_cross_entropy(const TagScores& scores);

// Wilson's 95 % interval of a share of n; {0, 1} for n = 0.
std::pair<double, double> wilson_interval(double share, std::size_t n);

nlohmann::ordered_json as_json(const Evaluation& result, const std::vector<std::string>& classes,
                               const std::vector<std::string>& names);
// Accuracy with its interval and the confusion matrix as rates per class, rows true.
std::string as_table(const std::vector<std::vector<std::int64_t>>& confusion,
                     const std::vector<std::string>& classes);

}  // namespace melgrad
