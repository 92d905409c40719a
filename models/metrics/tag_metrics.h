// How well scores rank and pick the tags of tracks (several tags a track): per tag and macro, each figure
// beside its baseline. Host code in double precision.
//
// A tag is predicted where score >= threshold. With tp, fp, fn, tn the counts of a tag over n tracks:
//   precision  tp / (tp + fp); no track predicted: 0, and the tag is named in `no_predictions`
//   recall     tp / (tp + fn)
//   F1         2 tp / (2 tp + fp + fn)
//   accuracy   (tp + tn) / n
//   ROC-AUC    share of (with, without) pairs in which the track with the tag scores higher, a tie is one
//              half (Mann and Whitney 1947)
//   PR-AUC     average precision: sum over the distinct scores, descending, of the gain in recall times the
//              precision there; no interpolation (scikit-learn's average_precision_score)
// The baseline predicts nothing and ranks nothing: precision, recall and F1 are 0, ROC-AUC is 0.5, PR-AUC is
// the prevalence, accuracy is 1 - prevalence. So an accuracy of 0.9 is no merit where a tag is rare.
//
// A tag that all tracks have, or none, cannot be told from its absence: all its figures but accuracy are
// undefined (NaN, null in JSON), it is named in `one_class`, and the macro means are over the other tags.
//
// Intervals: 95 % percentile bootstrap over tracks. Resample r draws n tracks with replacement, the numbers
// being a function of (seed, r) alone (kernels/math/philox.h); all tags see the same draw, so the macro
// figure is resampled as a whole. Where a resample leaves a tag with one class, it is left out of that tag's
// intervals (counted in `resamples_left_out`), and the tag out of that resample's macro mean. The limits are
// the 2.5 and 97.5 % quantiles, interpolated linearly. The number of threads changes nothing.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace melgrad {

struct TagScores {
  std::vector<std::string> tracks, tags;
  std::vector<float> scores;          // [tracks, tags], higher means more likely
  std::vector<std::uint8_t> targets;  // [tracks, tags], 0 or 1
};

struct TagMetricsOptions {
  double threshold = 0.5;
  int resamples = 1000;  // 0 = no intervals
  std::uint64_t seed = 1;
  int threads = 0;  // 0 = all cores
};

// Any of the four may be NaN: undefined.
struct Figure {
  double value = 0, baseline = 0;
  double low = 0, high = 0;  // 95 % interval
};

struct TagFigures {
  Figure precision, recall, f1, roc_auc, pr_auc, accuracy;
};
using FigureMember = Figure TagFigures::*;
struct TagFigure {
  const char* key;    // in JSON
  const char* title;  // in tables
  FigureMember member;
};
inline constexpr std::array<TagFigure, 6> kTagFigures = {{
    {"precision", "precision", &TagFigures::precision},
    {"recall", "recall", &TagFigures::recall},
    {"f1", "F1", &TagFigures::f1},
    {"roc_auc", "ROC-AUC", &TagFigures::roc_auc},
    {"pr_auc", "PR-AUC", &TagFigures::pr_auc},
    {"accuracy", "accuracy", &TagFigures::accuracy},
}};

struct TagResult {
  std::string tag;
  std::int64_t positives = 0, predicted = 0;  // tracks
  double prevalence = 0;                      // positives / tracks
  std::int64_t resamples_left_out = 0;
  TagFigures figures;
};

struct TagMetrics {
  TagMetricsOptions options;
  std::int64_t tracks = 0;
  TagFigures macro;  // unweighted means, of the baselines too
  std::vector<TagResult> tags;
  std::vector<std::string> one_class;       // left out of all macro figures but accuracy
  std::vector<std::string> no_predictions;  // of the others: precision counts as 0
};

// Throws Error (input) naming track and tag for a score that is not finite or a target other than 0 and 1.
TagMetrics tag_metrics(const TagScores& scores, const TagMetricsOptions& options = {});

nlohmann::ordered_json as_json(const TagMetrics& metrics);
// What as_json wrote, to be called inside reading_json (io/files/json.h), which says what is wrong with
// anything else. A figure that did not exist when it was written is undefined.
TagMetrics tag_metrics_of(const nlohmann::ordered_json& json);
// Track by track: its tags and its score for each.
nlohmann::ordered_json as_json(const TagScores& scores);
// Mean over tracks and tags of -(t log p + (1 - t) log(1 - p)), p within 1e-7 of neither 0 nor 1.
double binary_cross_entropy(const TagScores& scores);

}  // namespace melgrad
