// From probabilities of segments to what is answered to tracks.
#pragma once

#include <cstdint>
#include <vector>

#include "models/metrics/evaluation.h"
#include "models/metrics/tag_metrics.h"

namespace melgrad {

class TrackTable;
class TrainingData;

// probabilities [segments, classes] of the segments of `tracks`, one after another; `counts`: how many each
// has. One class a track: the largest sum over its segments.
Evaluation voted(const TrackTable& data, const std::vector<std::int32_t>& tracks,
                 const std::vector<std::int64_t>& counts, const std::vector<float>& probabilities,
                 std::size_t classes);
// Tags: the mean over the segments, beside the truth.
TagScores averaged(const TrainingData& data, const std::vector<std::int32_t>& tracks,
                   const std::vector<std::int64_t>& counts, const std::vector<float>& probabilities);

}  // namespace melgrad
