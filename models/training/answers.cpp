#include "models/training/answers.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/training/data.h"
#include "models/training/task.h"

namespace melgrad {

Evaluation voted(const TrackTable& data, const std::vector<std::int32_t>& tracks,
                 const std::vector<std::int64_t>& counts, const std::vector<float>& probabilities,
                 std::size_t classes) {
  Evaluation out;
  out.confusion.assign(classes, std::vector<std::int64_t>(classes, 0));
  const float* p = probabilities.data();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    Evaluation::Track track{tracks[i], data.tracks()[static_cast<std::size_t>(tracks[i])].label, 0,
                            std::vector<float>(classes, 0.0F), counts[i]};
    std::vector<double> sum(classes, 0.0);
    for (std::int64_t s = 0; s < counts[i]; ++s, p += classes) {
      for (std::size_t c = 0; c < classes; ++c) sum[c] += p[c];
      right += std::max_element(p, p + classes) - p == track.label ? 1 : 0;
    }
    track.answer = static_cast<std::int32_t>(std::max_element(sum.begin(), sum.end()) - sum.begin());
    for (std::size_t c = 0; c < classes; ++c) {
      track.mean[c] = static_cast<float>(sum[c] / static_cast<double>(std::max<std::int64_t>(1, counts[i])));
    }
    ++out.confusion[static_cast<std::size_t>(track.label)][static_cast<std::size_t>(track.answer)];
    out.tracks.push_back(std::move(track));
  }
  const std::size_t segments = probabilities.size() / classes;
  out.segment_accuracy = segments == 0 ? 0 : static_cast<double>(right) / static_cast<double>(segments);
  return out;
}

TagScores averaged(const TrainingData& data, const std::vector<std::int32_t>& tracks,
                   const std::vector<std::int64_t>& counts, const std::vector<float>& probabilities) {
  const std::vector<std::string>& tags = data.classes();
  TagScores out{{}, tags, {}, {}};
  const float* p = probabilities.data();
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    const auto track = static_cast<std::size_t>(tracks[i]);
    std::vector<double> sum(tags.size(), 0.0);
    for (std::int64_t s = 0; s < counts[i]; ++s, p += tags.size())
      for (std::size_t k = 0; k < tags.size(); ++k) sum[k] += p[k];
    for (std::size_t k = 0; k < tags.size(); ++k) {
      out.scores.push_back(static_cast<float>(sum[k] / static_cast<double>(counts[i])));
      out.targets.push_back(data.labels()[track * tags.size() + k]);
    }
    out.tracks.push_back(data.names()[track]);
  }
  return out;
}

nlohmann::ordered_json answers_json(const TrainingData& data, const std::vector<std::int32_t>& tracks,
                                    const std::vector<std::int64_t>& counts,
                                    const std::vector<float>& probabilities,
                                    const std::vector<std::string>& classes) {
  if (data.task().one_answer())
    return as_json(voted(data.table(), tracks, counts, probabilities, classes.size()), classes, data.names());
  const TagScores scores = averaged(data, tracks, counts, probabilities);
  nlohmann::ordered_json test = as_json(tag_metrics(scores));
  test["predictions"] = as_json(scores);
  return test;
}

}  // namespace melgrad
