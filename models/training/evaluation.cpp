#include "models/training/evaluation.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "io/files/json.h"
#include "kernels/text.h"

namespace melgrad {

double Evaluation::accuracy() const {
  if (tracks.empty()) return 0;
  const auto right =
      std::count_if(tracks.begin(), tracks.end(), [](const Track& t) { return t.label == t.answer; });
  return static_cast<double>(right) / static_cast<double>(tracks.size());
}

namespace {

// The test segments of the tracks, and how many each has.
struct Segments {
  std::vector<std::int64_t> rows, counts;
};

Segments segments_of(const TrackTable& data, const std::vector<std::int32_t>& tracks,
                     const SegmentOptions& segment) {
  Segments out;
  for (const std::int32_t index : tracks) {
    const auto& track = data.tracks()[static_cast<std::size_t>(index)];
    const auto starts = segment_starts(track.rows, segment);
    for (const std::int64_t start : starts) out.rows.push_back(track.first_row + start);
    out.counts.push_back(static_cast<std::int64_t>(starts.size()));
  }
  return out;
}

}  // namespace

TagScores score_tags(Evaluator& evaluator, const TrackTable& data, const std::vector<std::int32_t>& tracks,
                     const SegmentOptions& segment, const std::vector<std::uint8_t>& labels,
                     const std::vector<std::string>& names, const std::vector<std::string>& tags) {
  const Segments segments = segments_of(data, tracks, segment);
  const std::vector<float> probs = evaluator.probabilities(data, segments.rows);
  TagScores out{{}, tags, {}, {}};
  const float* p = probs.data();
  for (std::size_t i = 0; i < tracks.size(); ++i) {
    const auto track = static_cast<std::size_t>(tracks[i]);
    std::vector<double> sum(tags.size(), 0.0);
    for (std::int64_t s = 0; s < segments.counts[i]; ++s, p += tags.size())
      for (std::size_t k = 0; k < tags.size(); ++k) sum[k] += p[k];
    for (std::size_t k = 0; k < tags.size(); ++k) {
      out.scores.push_back(static_cast<float>(sum[k] / static_cast<double>(segments.counts[i])));
      out.targets.push_back(labels[track * tags.size() + k]);
    }
    out.tracks.push_back(names[track]);
  }
  return out;
}

double binary_cross_entropy(const TagScores& scores) {
  double sum = 0;
  for (std::size_t i = 0; i < scores.scores.size(); ++i) {
    const double p = std::clamp(static_cast<double>(scores.scores[i]), 1e-7, 1 - 1e-7);
    sum -= scores.targets[i] != 0 ? std::log(p) : std::log1p(-p);
  }
  return scores.scores.empty() ? 0 : sum / static_cast<double>(scores.scores.size());
}

Evaluation evaluate_tracks(Evaluator& evaluator, const TrackTable& data,
                           const std::vector<std::int32_t>& tracks, const SegmentOptions& segment,
                           std::size_t classes) {
  const auto [rows, counts] = segments_of(data, tracks, segment);
  const std::vector<float> probs = evaluator.probabilities(data, rows);

  Evaluation out;
  out.confusion.assign(classes, std::vector<std::int64_t>(classes, 0));
  const float* p = probs.data();
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
  out.segment_accuracy = rows.empty() ? 0 : static_cast<double>(right) / static_cast<double>(rows.size());
  return out;
}

std::pair<double, double> wilson_interval(double share, std::size_t count) {
  if (count == 0) return {0, 1};
  constexpr double kZ = 1.959964;
  const auto n = static_cast<double>(count);
  const double centre = share + kZ * kZ / (2 * n), scale = 1 + kZ * kZ / n;
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  // At the ends the two are equal, and what rounding leaves of them is no bound.
  return {share <= 0 ? 0 : (centre - half) / scale, share >= 1 ? 1 : (centre + half) / scale};
}

nlohmann::ordered_json as_json(const Evaluation& result, const std::vector<std::string>& classes,
                               const std::vector<std::string>& names) {
  const auto [low, high] = wilson_interval(result.accuracy(), result.tracks.size());
  nlohmann::ordered_json out = {{"tracks", result.tracks.size()},
                                {"accuracy", result.accuracy()},
                                {"accuracy_interval", {low, high}},
                                {"segment_accuracy", result.segment_accuracy},
                                {"classes", classes},
                                {"confusion", result.confusion}};
  auto& list = out["predictions"] = nlohmann::ordered_json::array();
  for (const auto& track : result.tracks) {
    list.push_back({{"track", names[static_cast<std::size_t>(track.index)]},
                    {"label", classes[static_cast<std::size_t>(track.label)]},
                    {"answer", classes[static_cast<std::size_t>(track.answer)]},
                    {"segments", track.segments},
                    {"probabilities", decimals(track.mean)}});
  }
  return out;
}

std::string as_table(const std::vector<std::vector<std::int64_t>>& confusion,
                     const std::vector<std::string>& names) {
  std::vector<std::string> classes;
  for (const std::string& name : names) classes.push_back(printable(name));
  std::size_t width = 4;
  for (const std::string& name : classes) width = std::max(width, name.size());
  std::string text = fmt::format("{:<{}}  ", "true", width);
  for (const std::string& name : classes) text += fmt::format("{:>6.5}", name);
  text += "  tracks\n";
  for (std::size_t r = 0; r < classes.size(); ++r) {
    std::int64_t total = 0;
    for (const std::int64_t n : confusion[r]) total += n;
    text += fmt::format("{:<{}}  ", classes[r], width);
    for (const std::int64_t n : confusion[r]) {
      text += n == 0 ? fmt::format("{:>6}", "·")
                     : fmt::format("{:>6.2f}", static_cast<double>(n) / static_cast<double>(total));
    }
    text += fmt::format("{:>8}\n", total);
  }
  return text;
}

}  // namespace melgrad
