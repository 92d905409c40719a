#include "models/embeddings/probe.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "io/files/json.h"
#include "models/embeddings/leaks.h"
#include "models/embeddings/logistic.h"
#include "models/metrics/statistics.h"
#include "models/training/answers.h"
#include "models/training/run.h"

namespace melgrad {
namespace {

using Json = nlohmann::ordered_json;
using Tracks = std::vector<std::int32_t>;

// What a classifier answers to the rows of the test tracks of a split, one after another.
struct Fit {
  std::vector<float> probabilities;  // [rows, classes]
  Json about = Json::object();
};

class Head {
 public:
  virtual ~Head() = default;
  virtual Fit fit(const Split& split, std::uint64_t seed) = 0;
};

std::vector<std::int64_t> rows_of_each(const TrainingData& data, const Tracks& tracks) {
  std::vector<std::int64_t> counts;
  for (const std::int32_t t : tracks)
    counts.push_back(data.table().tracks()[static_cast<std::size_t>(t)].rows);
  return counts;
}

// Accuracy, or macro ROC-AUC.
double score_of(const TrainingData& data, const Tracks& tracks, const std::vector<float>& probabilities) {
  const auto counts = rows_of_each(data, tracks);
  return data.task().one_answer()
             ? voted(data.table(), tracks, counts, probabilities, data.classes().size()).accuracy()
             : tag_metrics(averaged(data, tracks, counts, probabilities), {.resamples = 0})
                   .macro.roc_auc.value;
}

class LinearHead final : public Head {
 public:
  LinearHead(const TrainingData& data, const Cache& cache, const ProbeOptions& options)
      : data_(&data), cache_(&cache), options_(&options), width_(static_cast<std::size_t>(cache.bands)) {}

  Fit fit(const Split& split, std::uint64_t /*seed*/) override {
    Tracks train = split.train;
    const bool folds =
        options_->splits == ProbeSplits::folds || options_->splits == ProbeSplits::column_folds;
    const bool all = folds && options_->c.size() == 1;  // that are not tested on
    if (all) train.insert(train.end(), split.valid.begin(), split.valid.end());
    std::sort(train.begin(), train.end());
    Standardised standardised(*this, train);
    const std::vector<double> x = standardised.rows(train), test = standardised.rows(split.test);
    const Wanted wanted = targets_of(train);
    const auto fitted = [&](double c) {
      return LogisticRegression(x, cache_->bands, wanted.targets, std::ssize(data_->classes()),
                                wanted.weights, {.c = c, .one_class = data_->task().one_answer()});
    };
    if (options_->c.size() == 1) {
      Fit out = answer(fitted(options_->c[0]), options_->c[0], test);
      if (all) out.about.update({{"train", train.size()}, {"valid", 0}});
      return out;
    }
    const std::vector<double> valid = standardised.rows(split.valid);
    double best = -1;
    Fit out;
    for (const double c : options_->c) {
      const LogisticRegression regression = fitted(c);
      const double score = score_of(*data_, split.valid, regression.probabilities(valid));
      if (!(score > best)) continue;
      best = score;
      out = answer(regression, c, test);
    }
    return out;
  }

 private:
  static Fit answer(const LogisticRegression& regression, double c, const std::vector<double>& test) {
    return {regression.probabilities(test), {{"c", c}, {"converged", regression.converged()}}};
  }

  // Rows as the training tracks' mean and deviation make them.
  class Standardised {
   public:
    Standardised(const LinearHead& head, const Tracks& train)
        : head_(&head), mean_(head.width_, 0.0), scale_(head.width_, 1.0) {
      if (!head.options_->standardise) return;
      std::vector<double> squares(head.width_, 0.0);
      double rows = 0;
      head.visit(train, [&](const float* row) {
        ++rows;
        for (std::size_t j = 0; j < mean_.size(); ++j) {  // Welford's, as numbers may be far from 0
          const double before = row[j] - mean_[j];
          mean_[j] += before / rows;
          squares[j] += before * (row[j] - mean_[j]);
        }
      });
      for (std::size_t j = 0; j < mean_.size(); ++j)
        if (squares[j] > 0) scale_[j] = 1 / std::sqrt(squares[j] / rows);
    }
    std::vector<double> rows(const Tracks& tracks) const {
      std::vector<double> out;
      head_->visit(tracks, [&](const float* row) {
        for (std::size_t j = 0; j < mean_.size(); ++j) out.push_back((row[j] - mean_[j]) * scale_[j]);
      });
      return out;
    }

   private:
    const LinearHead* head_;
    std::vector<double> mean_, scale_;
  };

  template <typename Visit>
  void visit(const Tracks& tracks, const Visit& visit) const {
    const float* values = cache_->features.as<float>().data();
    for (const std::int32_t t : tracks) {
      const CacheItem& item = cache_->items[static_cast<std::size_t>(t)];
      for (std::int64_t r = item.first_row; r < item.first_row + item.rows; ++r)
        visit(values + static_cast<std::size_t>(r) * width_);
    }
  }

  struct Wanted {
    std::vector<std::uint8_t> targets;  // [rows, classes]
    std::vector<double> weights;        // [rows]
  };
  Wanted targets_of(const Tracks& tracks) const {
    Wanted out;
    for (const std::int32_t t : tracks) {
      const CacheItem& item = cache_->items[static_cast<std::size_t>(t)];
      for (std::int64_t r = 0; r < item.rows; ++r) {
        out.targets.insert(out.targets.end(), item.labels.begin(), item.labels.end());
        out.weights.push_back(1 / static_cast<double>(item.rows));
      }
    }
    return out;
  }

  const TrainingData* data_;
  const Cache* cache_;
  const ProbeOptions* options_;
  std::size_t width_;
};

class MlpHead final : public Head {
 public:
  MlpHead(Device& device, const TrainingData& data, const Recipe& recipe)
      : device_(&device), data_(&data), recipe_(recipe) {}

  Fit fit(const Split& split, std::uint64_t seed) override {
    TrainingRun run(*device_, *data_, split, recipe_, seed);
    run.run([](std::int64_t) { return true; }, [](const TrainingRun::Epoch&) { return true; });
    Fit out;
    run.with_weights(run.keeps_best(), [&](Evaluator& evaluator) {
      out.probabilities = evaluator.probabilities(
          data_->table(), test_segments(data_->table(), split.test, recipe_.segment).rows);
    });
    out.about = {{"best_epoch", run.best_epoch()}, {"ending", run.ending()}};
    return out;
  }

 private:
  Device* device_;
  const TrainingData* data_;
  Recipe recipe_;
};

// The splits of one repeat, whose test tracks have none in common.
std::vector<Split> splits_of(const TrainingData& data, const ProbeOptions& options, std::uint64_t seed) {
  switch (options.splits) {
    case ProbeSplits::own:
      return {data.own_split()};
    case ProbeSplits::lists:
      return {data.listed_split(options.lists)};
    case ProbeSplits::column_folds:
      return data.fold_splits();
    case ProbeSplits::folds:
      return data.random_folds(options.folds, true, seed, options.group);
    case ProbeSplits::random:
      break;
  }
  return {data.random_split(options.mlp.split, seed, options.group)};
}

void expect_parts(const TrainingData& data, const Split& split, const ProbeOptions& options) {
  const bool chooses = options.head == ProbeHead::mlp || options.c.size() > 1;
  const char* lacks = split.train.empty()              ? "training"
                      : split.test.empty()             ? "test"
                      : chooses && split.valid.empty() ? "validation"
                                                       : nullptr;
  if (lacks != nullptr) fail(ErrorKind::input, "{}: the split has no {} tracks", data.path(), lacks);
}

// All test tracks of a repeat together.
struct Answers {
  Tracks tracks;
  std::vector<float> probabilities;
};

// The score of the most frequent class of these tracks, or of a ranking that says nothing.
double baseline_of(const TrainingData& data, const Tracks& tracks) {
  if (!data.task().one_answer()) return 0.5;
  const auto counts = data.tracks_of_each(tracks);
  return static_cast<double>(*std::max_element(counts.begin(), counts.end())) /
         static_cast<double>(tracks.size());
}

Json spread(const std::vector<double>& scores) {
  return {{"mean", or_null(mean(scores))}, {"deviation", or_null(deviation(scores))}};
}

}  // namespace

Recipe probe_recipe(TaskKind task) {
  Recipe recipe;
  recipe.name = "probe-mlp";
  recipe.title = "one hidden layer on embeddings";
  recipe.task = task;
  recipe.input.standardise = Standardise::bands;
  recipe.model.architecture = "mlp";
  recipe.model.dropout = 0.25;
  recipe.segment.frames = 1;
  recipe.segment.overlap = 0;
  recipe.train.batch = 64;
  recipe.train.epochs = 200;
  recipe.train.patience = 20;
  recipe.train.best_by = task == TaskKind::tags ? BestBy::roc_auc : BestBy::accuracy;
  return recipe;
}

TaskKind task_of_labels(const Cache& cache) {
  const bool one = std::all_of(cache.items.begin(), cache.items.end(), [](const CacheItem& item) {
    return std::count(item.labels.begin(), item.labels.end(), 1) == 1;
  });
  return one ? TaskKind::genres : TaskKind::tags;
}

Json probe(Device& device, const TrainingData& data, const Cache& cache, const ProbeOptions& options,
           const std::function<void(std::int64_t done, std::int64_t all)>& fitted) {
  std::unique_ptr<Head> head;
  if (options.head == ProbeHead::linear) head = std::make_unique<LinearHead>(data, cache, options);
  else head = std::make_unique<MlpHead>(device, data, options.mlp);

  Json fits = Json::array(), found_leaks, doubts = Json::array();
  std::vector<double> scores, repeats;
  Answers first;
  std::int64_t done = 0;
  for (std::int64_t repeat = 0; repeat < options.repeats; ++repeat) {
    const std::uint64_t seed = options.seed + static_cast<std::uint64_t>(repeat);
    const std::vector<Split> splits = splits_of(data, options, seed);
    Answers answers;
    for (std::size_t fold = 0; fold < splits.size(); ++fold) {
      const Split& split = splits[fold];
      expect_parts(data, split, options);
      for (const std::string& doubt : data.task().doubts(data, split))
        if (std::find(doubts.begin(), doubts.end(), doubt) == doubts.end()) doubts.push_back(doubt);
      Fit fit = head->fit(split, seed);
      scores.push_back(score_of(data, split.test, fit.probabilities));
      fits.push_back({{"repeat", repeat},
                      {"fold", fold},
                      {"train", split.train.size()},
                      {"valid", split.valid.size()},
                      {"test", split.test.size()},
                      {"score", or_null(scores.back())}});
      fits.back().update(fit.about);
      for (const std::int32_t t : split.test)
        fits.back()["tested"].push_back(data.names()[static_cast<std::size_t>(t)]);
      answers.tracks.insert(answers.tracks.end(), split.test.begin(), split.test.end());
      answers.probabilities.insert(answers.probabilities.end(), fit.probabilities.begin(),
                                   fit.probabilities.end());
      if (fitted) fitted(++done, options.repeats * std::ssize(splits));
    }
    repeats.push_back(score_of(data, answers.tracks, answers.probabilities));
    if (repeat > 0) continue;
    found_leaks = leaks(data, cache, splits);
    first = std::move(answers);
  }
  return {{"head", name_of(options.head)},
          {"splits", name_of(options.splits)},
          {"seed", options.seed},
          {"group", options.group},
          {"width", cache.bands},
          {"tracks", cache.items.size()},
          {"classes", data.classes().size()},
          {"fits", std::move(fits)},
          {"score",
           {{"of", data.task().one_answer() ? "accuracy" : "roc_auc"},
            {"over_fits", spread(scores)},
            {"over_repeats", spread(repeats)}}},
          {"baseline", baseline_of(data, first.tracks)},
          {"leaks", std::move(found_leaks)},
          {"doubts", std::move(doubts)},
          {"test", answers_json(data, first.tracks, rows_of_each(data, first.tracks), first.probabilities,
                                data.classes())}};
}

}  // namespace melgrad
