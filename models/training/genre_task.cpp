// One class a track: softmax, cross entropy, the vote of a track's segments.
#include <algorithm>
#include <numeric>

#include "io/arrays/cache.h"
#include "io/files/json.h"
#include "kernels/error.h"
#include "kernels/text.h"
#include "models/training/answers.h"
#include "models/training/run.h"
#include "models/training/soft_targets.h"

namespace melgrad {
namespace {

Evaluation evaluate(Evaluator& evaluator, const TrackTable& data, const std::vector<std::int32_t>& tracks,
                    const SegmentOptions& segment, std::size_t classes) {
  const auto [rows, counts] = test_segments(data, tracks, segment);
  return voted(data, tracks, counts, evaluator.probabilities(data, rows), classes);
}

// Classes that none of `tracks` has.
std::vector<std::string> missing(const TrainingData& data, const std::vector<std::int32_t>& tracks) {
  const auto counts = data.tracks_of_each(tracks);
  std::vector<std::string> names;
  for (std::size_t k = 0; k < counts.size(); ++k)
    if (counts[k] == 0) names.push_back(data.classes()[k]);
  return names;
}

class GenreTask : public Task {
 public:
  const char* classes() const override { return "classes"; }
  std::size_t fewest_classes() const override { return 2; }
  bool one_answer() const override { return true; }

  std::int32_t label_of(const CacheItem& item, std::int32_t, const std::string& path) const override {
    const auto count = std::count(item.labels.begin(), item.labels.end(), 1);
    if (count != 1) {
      fail(ErrorKind::input,
           "{}: track {} has {} labels; a recipe for genres needs exactly one (for tags: recipe mtat-...)",
           path, item.name, count);
    }
    return static_cast<std::int32_t>(std::find(item.labels.begin(), item.labels.end(), 1) -
                                     item.labels.begin());
  }
  std::int32_t stratum_of(std::int32_t label) const override { return label; }

  std::vector<std::string> doubts(const TrainingData& data, const Split& split) const override {
    std::vector<std::string> lines;
    const auto unlearned = missing(data, split.train), untested = missing(data, split.test);
    if (!unlearned.empty())
      lines.push_back(
          fmt::format("genres without a training track cannot be learned: {}", joined(unlearned)));
    if (!split.test.empty() && !untested.empty())
      lines.push_back(
          fmt::format("genres without a test track are not tested: {}; more tracks, or split.test higher",
                      joined(untested)));
    return lines;
  }

  // Balanced: the classes that occur weigh 1 on average over the tracks.
  std::vector<float> weights(const TrainingData& data, const TrainOptions& train,
                             const std::vector<std::int32_t>& tracks) const override {
    std::vector<float> weights(data.classes().size(), 1.0F);
    if (train.class_weights != Weighting::balanced) return weights;
    const auto counts = data.tracks_of_each(tracks);
    const auto occurring = std::count_if(counts.begin(), counts.end(), [](auto n) { return n > 0; });
    for (std::size_t k = 0; k < counts.size(); ++k)
      if (counts[k] > 0)
        weights[k] = static_cast<float>(static_cast<double>(tracks.size()) /
                                        static_cast<double>(occurring * counts[k]));
    return weights;
  }

  Targets targets(Device& device, const std::vector<std::uint8_t>& labels, const std::vector<float>& weights,
                  const Recipe& recipe) const override {
    const std::int64_t classes = std::ssize(weights), tracks = std::ssize(labels) / classes;
    Targets out;
    if (!has_soft_targets(recipe)) {
      out.memory.emplace(device, std::vector<Slab::Part>{{&out.class_weights, {classes}}});
      device.to_device(out.class_weights, weights.data());
      return out;
    }
    out.memory.emplace(device, std::vector<Slab::Part>{{&out.class_weights, {tracks}},
                                                       {&out.labels, {tracks}, DType::i32},
                                                       {&out.table, {tracks, classes}}});
    std::vector<std::int32_t> own(static_cast<std::size_t>(tracks));
    std::iota(own.begin(), own.end(), 0);
    std::vector<float> of_track;
    for (auto row = labels.begin(); row != labels.end(); row += classes)
      of_track.push_back(weights[static_cast<std::size_t>(std::find(row, row + classes - 1, 1) - row)]);
    device.to_device(out.class_weights, of_track.data());
    device.to_device(out.labels, own.data());
    device.to_device(out.table, smoothed_targets(labels, weights.size(), *this, recipe).data());
    return out;
  }
  // Szegedy et al. 2016: the class itself is among those that it is spread over.
  double spread_to(std::size_t classes) const override { return 1 / static_cast<double>(classes); }

  CrossEntropy loss(Tape& tape, Var logits, Tensor targets, Tensor weights, const Targets&) const override {
    return cross_entropy(tape, logits, targets, weights);
  }
  Tensor probabilities(Tape& tape, Var logits) const override { return softmax(tape, logits); }

  Validation validate(Evaluator& evaluator, const TrainingData& data, const std::vector<std::int32_t>& tracks,
                      const Recipe& recipe) const override {
    const double accuracy =
        evaluate(evaluator, data.table(), tracks, recipe.segment, data.classes().size()).accuracy();
    return {accuracy, {{"valid", accuracy}}};
  }

  nlohmann::ordered_json test(TrainingRun& run) const override {
    const TrainingData& data = run.data();
    const auto with = [&](bool best) {
      Evaluation out;
      run.with_weights(best, [&](Evaluator& evaluator) {
        out =
            evaluate(evaluator, data.table(), run.split().test, run.recipe().segment, data.classes().size());
      });
      return out;
    };
    const Evaluation final_result = with(false);
    const Evaluation best_result = run.best_epoch() > 0 ? with(true) : final_result;
    const Evaluation& kept = run.keeps_best() ? best_result : final_result;
    return {{"recipe", run.recipe().name},
            {"weights", run.keeps_best() ? "best" : "final"},
            {"accuracy", kept.accuracy()},
            {"accuracy_final", final_result.accuracy()},
            {"accuracy_best", best_result.accuracy()},
            {"valid_best", or_null(run.best_valid())},
            {"best_epoch", run.best_epoch()},
            {"steps", run.steps()},
            {"test", as_json(kept, data.classes(), data.names())}};
  }
};

}  // namespace

const Task& genre_task() {
  static const GenreTask task;
  return task;
}

}  // namespace melgrad
