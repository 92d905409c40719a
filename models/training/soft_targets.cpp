#include "models/training/soft_targets.h"

#include <cmath>
#include <map>
#include <span>

#include "io/files/hash.h"
#include "kernels/text.h"
#include "models/metrics/score_table.h"
#include "models/training/data.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

// Which column of the table each class is.
std::vector<std::size_t> columns_of(const ScoreTable& scores, const TrainingData& data) {
  const auto& classes = data.classes();
  if (scores.tags.empty() && scores.columns != std::ssize(classes))
    fail(ErrorKind::input, "{}: {} columns without names for {} {}", scores.path, scores.columns,
         classes.size(), data.task().classes());
  std::vector<std::size_t> columns;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    const auto found = std::find(scores.tags.begin(), scores.tags.end(), classes[k]);
    if (!scores.tags.empty() && found == scores.tags.end())
      fail(ErrorKind::input, "{}: train.teacher has no column '{}'", scores.path, printable(classes[k]));
    columns.push_back(scores.tags.empty() ? k : static_cast<std::size_t>(found - scores.tags.begin()));
  }
  return columns;
}

std::map<std::string, std::size_t> rows_by_name(const ScoreTable& scores) {
  if (scores.tracks.empty())
    fail(ErrorKind::input, "{}: train.teacher does not name its tracks: a CSV whose first column does",
         scores.path);
  std::map<std::string, std::size_t> rows;
  for (std::size_t row = 0; row < scores.tracks.size(); ++row)
    rows.emplace(name_in_lists(scores.tracks[row]), row);
  return rows;
}

void expect_probabilities(const std::vector<float>& of_track, bool one_answer, const std::string& path,
                          const std::string& track) {
  constexpr double kOff = 1e-2;  // of four printed digits a class
  double sum = 0;
  for (const float p : of_track) {
    if (!(p >= 0 && p <= 1))
      fail(ErrorKind::input, "{}: track '{}': {} is no probability", path, printable(track), p);
    sum += p;
  }
  if (one_answer && std::abs(sum - 1) > kOff)
    fail(ErrorKind::input, "{}: track '{}': probabilities add up to {:.3f}, not to 1", path, printable(track),
         sum);
}

}  // namespace

bool has_soft_targets(const Recipe& recipe) {
  return recipe.augment.mixup > 0 || recipe.train.label_smoothing > 0 || !recipe.train.teacher.empty();
}

std::vector<float> smoothed_targets(const std::vector<std::uint8_t>& labels, std::size_t classes,
                                    const Task& task, const Recipe& recipe) {
  const double smoothing = recipe.train.label_smoothing, spread = smoothing * task.spread_to(classes);
  std::vector<float> targets;
  targets.reserve(labels.size());
  for (const std::uint8_t label : labels)
    targets.push_back(static_cast<float>((1 - smoothing) * label + spread));
  return targets;
}

TaughtTargets taught_targets(const TrainingData& data, const std::vector<std::int32_t>& tracks,
                             const Recipe& recipe) {
  const ScoreTable scores = read_score_table(recipe.train.teacher);
  const auto columns = columns_of(scores, data);
  const auto rows = rows_by_name(scores);
  const std::size_t classes = data.classes().size();
  const double share = recipe.train.teacher_share;
  TaughtTargets out{smoothed_targets(data.labels(), classes, data.task(), recipe), 0};
  std::vector<std::string> missing;
  std::vector<float> used;
  for (const std::int32_t track : tracks) {
    const std::string& name = data.names()[static_cast<std::size_t>(track)];
    const auto row = rows.find(name_in_lists(name));
    if (row == rows.end()) {
      missing.push_back(printable(name));
      continue;
    }
    std::vector<float> of_track;
    for (const std::size_t column : columns)
      of_track.push_back(scores.values[row->second * static_cast<std::size_t>(scores.columns) + column]);
    expect_probabilities(of_track, data.task().one_answer(), scores.path, name);
    float* targets = out.targets.data() + static_cast<std::size_t>(track) * classes;
    for (std::size_t k = 0; k < classes; ++k)
      targets[k] = static_cast<float>((1 - share) * targets[k] + share * of_track[k]);
    used.insert(used.end(), of_track.begin(), of_track.end());
  }
  if (!missing.empty())
    fail(ErrorKind::input, "{}: train.teacher lacks {} of {} training tracks: {}", scores.path,
         missing.size(), tracks.size(), joined(missing));
  out.digest = xxh3(std::as_bytes(std::span(used)));
  return out;
}

}  // namespace melgrad
