#include "models/training/model_test.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/text.h"
#include "models/training/answers.h"
#include "models/training/data.h"
#include "models/training/evaluator.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

// Which of the model's outputs stands for each class: the data's first, in their order, then where the answer
// is one of all the model's the others.
std::vector<std::size_t> outputs_for(const LoadedModel& model, const TrainingData& data,
                                     std::vector<std::string>& classes) {
  classes = data.classes();
  expect_answers(model, classes, data.path());
  std::vector<std::size_t> outputs;
  for (const std::string& name : classes)
    outputs.push_back(static_cast<std::size_t>(std::find(model.classes.begin(), model.classes.end(), name) -
                                               model.classes.begin()));
  for (std::size_t k = 0; data.task().one_answer() && k < model.classes.size(); ++k) {
    if (std::find(outputs.begin(), outputs.end(), k) != outputs.end()) continue;
    outputs.push_back(k);
    classes.push_back(model.classes[k]);
  }
  return outputs;
}

// [segments, classes] of the segments of tracks, and how many each track has.
struct SegmentProbabilities {
  std::vector<std::string> classes;
  std::vector<std::int64_t> counts;
  std::vector<float> values;
};

SegmentProbabilities segment_probabilities(Device& device, LoadedModel& model, const TrainingData& data,
                                           const std::vector<std::int32_t>& tracks) {
  SegmentProbabilities out;
  const std::vector<std::size_t> outputs = outputs_for(model, data, out.classes);
  Evaluator evaluator(device, *model.model, data.task(), model.recipe.segment);
  TestSegments segments = test_segments(data.table(), tracks, model.recipe.segment);
  const std::vector<float> all = evaluator.probabilities(data.table(), segments.rows);
  for (std::size_t row = 0; row < all.size(); row += model.classes.size())
    for (const std::size_t k : outputs) out.values.push_back(all[row + k]);
  out.counts = std::move(segments.counts);
  return out;
}

}  // namespace

void expect_answers(const LoadedModel& model, const std::vector<std::string>& classes,
                    const std::string& where) {
  for (const std::string& name : classes)
    if (std::find(model.classes.begin(), model.classes.end(), name) == model.classes.end())
      fail(ErrorKind::input, "{}: \"{}\" is none of the {} {} that the model answers{}", where, name,
           model.classes.size(), task_of(model.recipe).classes(), did_you_mean(name, model.classes));
}

nlohmann::ordered_json test_model(Device& device, LoadedModel& model, const TrainingData& data,
                                  const std::vector<std::int32_t>& tracks) {
  const SegmentProbabilities found = segment_probabilities(device, model, data, tracks);
  return {{"recipe", model.recipe.name},
          {"classes", model.classes.size()},
          {"test", answers_json(data, tracks, found.counts, found.values, found.classes)}};
}

TrackProbabilities track_probabilities(Device& device, LoadedModel& model, const TrainingData& data,
                                       const std::vector<std::int32_t>& tracks) {
  SegmentProbabilities found = segment_probabilities(device, model, data, tracks);
  TrackProbabilities out{std::move(found.classes), {}};
  const std::size_t width = out.classes.size();
  const float* p = found.values.data();
  for (const std::int64_t count : found.counts) {
    std::vector<double> sum(width, 0.0);
    for (std::int64_t s = 0; s < count; ++s, p += width)
      for (std::size_t k = 0; k < width; ++k) sum[k] += p[k];
    for (const double one : sum) out.mean.push_back(static_cast<float>(one / static_cast<double>(count)));
  }
  return out;
}

}  // namespace melgrad
