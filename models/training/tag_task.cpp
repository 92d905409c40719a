// Any number of tags a track: a sigmoid and a binary cross entropy each, means over a track's segments.
#include "io/arrays/cache.h"
#include "io/files/json.h"
#include "kernels/text.h"
#include "models/training/answers.h"
#include "models/training/run.h"
#include "models/training/soft_targets.h"

namespace melgrad {
namespace {

// Mean probabilities over the segments of each track, beside its tags.
TagScores scores_of(Evaluator& evaluator, const TrainingData& data, const std::vector<std::int32_t>& tracks,
                    const SegmentOptions& segment) {
  const TestSegments segments = test_segments(data.table(), tracks, segment);
  return averaged(data, tracks, segments.counts, evaluator.probabilities(data.table(), segments.rows));
}

class TagTask : public Task {
 public:
  const char* classes() const override { return "tags"; }
  std::size_t fewest_classes() const override { return 1; }
  bool one_answer() const override { return false; }

  std::int32_t label_of(const CacheItem&, std::int32_t index, const std::string&) const override {
    return index;
  }
  std::int32_t stratum_of(std::int32_t) const override { return 0; }

  std::vector<std::string> doubts(const TrainingData& data, const Split& split) const override {
    const auto counts = data.tracks_of_each(split.train);
    std::vector<std::string> one_sided;
    for (std::size_t k = 0; k < counts.size(); ++k)
      if (counts[k] == 0 || counts[k] == std::ssize(split.train)) one_sided.push_back(data.classes()[k]);
    if (one_sided.empty()) return {};
    return {fmt::format("{} tags that no training track has, or all have, cannot be learned: {}",
                        one_sided.size(), joined(one_sided))};
  }

  // Balanced: tracks without the tag / tracks with it.
  std::vector<float> weights(const TrainingData& data, const TrainOptions& train,
                             const std::vector<std::int32_t>& tracks) const override {
    std::vector<float> weights(data.classes().size(), 1.0F);
    if (train.tag_weights != Weighting::balanced) return weights;
    const auto counts = data.tracks_of_each(tracks);
    for (std::size_t k = 0; k < counts.size(); ++k)
      if (counts[k] > 0)
        weights[k] = static_cast<float>(std::ssize(tracks) - counts[k]) / static_cast<float>(counts[k]);
    return weights;
  }

  Targets targets(Device& device, const std::vector<std::uint8_t>& labels, const std::vector<float>& weights,
                  const Recipe& recipe) const override {
    const std::int64_t tags = std::ssize(weights);
    Targets out;
    out.memory.emplace(device, std::vector<Slab::Part>{{&out.table, {std::ssize(labels) / tags, tags}},
                                                       {&out.weights, {tags}}});
    device.to_device(out.table, smoothed_targets(labels, weights.size(), *this, recipe).data());
    device.to_device(out.weights, weights.data());
    return out;
  }
  double spread_to(std::size_t) const override { return 0.5; }

  CrossEntropy loss(Tape& tape, Var logits, Tensor targets, Tensor weights,
                    const Targets& beside) const override {
    return sigmoid_cross_entropy(tape, logits, targets, weights, beside.weights);
  }
  Tensor probabilities(Tape& tape, Var logits) const override { return sigmoid(tape, logits); }

  Validation validate(Evaluator& evaluator, const TrainingData& data, const std::vector<std::int32_t>& tracks,
                      const Recipe& recipe) const override {
    const TagScores scores = scores_of(evaluator, data, tracks, recipe.segment);
    const TagMetrics metrics = tag_metrics(scores, {.resamples = 0});
    const double loss = binary_cross_entropy(scores), roc_auc = metrics.macro.roc_auc.value,
                 pr_auc = metrics.macro.pr_auc.value;
    const BestBy by = recipe.train.best_by;
    const double compared = by == BestBy::loss ? loss : by == BestBy::roc_auc ? roc_auc : pr_auc;
    return {
        by == BestBy::loss ? -loss : compared,
        {{"valid", compared}, {"valid_loss", loss}, {"valid_roc_auc", roc_auc}, {"valid_pr_auc", pr_auc}}};
  }

  nlohmann::ordered_json test(TrainingRun& run) const override {
    TagScores scores;
    run.with_weights(run.keeps_best(), [&](Evaluator& evaluator) {
      scores = scores_of(evaluator, run.data(), run.split().test, run.recipe().segment);
    });
    nlohmann::ordered_json test = as_json(tag_metrics(scores));
    test["predictions"] = as_json(scores);
    return {{"recipe", run.recipe().name},
            {"task", name_of(run.recipe().task)},
            {"weights", run.keeps_best() ? "best" : "final"},
            {"parameters", run.parameters()},
            {"best_by", name_of(run.recipe().train.best_by)},
            {"valid_best", or_null(run.best_valid())},
            {"best_epoch", run.best_epoch()},
            {"steps", run.steps()},
            {"test", std::move(test)}};
  }
};

}  // namespace

const Task& tag_task() {
  static const TagTask task;
  return task;
}

const Task& task_of(const Recipe& recipe) {
  return recipe.task == TaskKind::tags ? tag_task() : genre_task();
}

}  // namespace melgrad
