// From probabilities of segments to what is answered to tracks.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
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
// Either as Task::test writes it, by what the data's task is; `classes` name the columns, the data's own
// first.
nlohmann::ordered_json answers_json(const TrainingData& data, const std::vector<std::int32_t>& tracks,
                                    const std::vector<std::int64_t>& counts,
                                    const std::vector<float>& probabilities,
                                    const std::vector<std::string>& classes);

}  // namespace melgrad
