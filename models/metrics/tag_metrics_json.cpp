// What tag_metrics.h says about JSON.
#include <limits>

#include "io/files/json.h"
#include "kernels/text.h"
#include "models/metrics/tag_metrics.h"

namespace melgrad {
namespace {

using nlohmann::ordered_json;

ordered_json as_json(const TagFigures& figures) {
  ordered_json out;
  for (const auto& [key, title, member] : kTagFigures) {
    const Figure& f = figures.*member;
    out[key] = {{"value", or_null(f.value)},
                {"baseline", or_null(f.baseline)},
                {"interval", {or_null(f.low), or_null(f.high)}}};
  }
  return out;
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double number_of(const ordered_json& json) { return json.is_null() ? kNaN : json.get<double>(); }

TagFigures tag_figures_of(const ordered_json& json) {
  TagFigures out;
  for (const auto& [key, title, member] : kTagFigures) {
    if (!json.contains(key)) {
      out.*member = {kNaN, kNaN, kNaN, kNaN};
      continue;
    }
    const ordered_json& f = json.at(key);
    const ordered_json& interval = f.at("interval");
    out.*member = {number_of(f.at("value")), number_of(f.at("baseline")), number_of(interval.at(0)),
                   number_of(interval.at(1))};
  }
  return out;
}

}  // namespace

ordered_json as_json(const TagMetrics& metrics) {
  ordered_json out = {{"tracks", metrics.tracks},
                      {"threshold", metrics.options.threshold},
                      {"resamples", metrics.options.resamples},
                      {"seed", metrics.options.seed},
                      {"macro", as_json(metrics.macro)},
                      {"one_class", metrics.one_class},
                      {"no_predictions", metrics.no_predictions}};
  auto& list = out["tags"] = ordered_json::array();
  for (const TagResult& tag : metrics.tags) {
    list.push_back({{"tag", tag.tag},
                    {"positives", tag.positives},
                    {"prevalence", tag.prevalence},
                    {"predicted", tag.predicted},
                    {"resamples_left_out", tag.resamples_left_out}});
    list.back().update(as_json(tag.figures));
  }
  return out;
}

TagMetrics tag_metrics_of(const ordered_json& json) {
  TagMetrics out;
  out.options.threshold = json.at("threshold");
  out.options.resamples = static_cast<int>(count_of(json.at("resamples")));
  out.options.seed = seed_of(json.at("seed"));
  out.tracks = count_of(json.at("tracks"));
  out.macro = tag_figures_of(json.at("macro"));
  json.at("one_class").get_to(out.one_class);
  json.at("no_predictions").get_to(out.no_predictions);
  for (const ordered_json& tag : json.at("tags")) {
    out.tags.push_back({tag.at("tag"), count_of(tag.at("positives")), count_of(tag.at("predicted")),
                        tag.at("prevalence"), count_of(tag.at("resamples_left_out")), tag_figures_of(tag)});
  }
  return out;
}

ordered_json as_json(const TagScores& scores) {
  auto out = ordered_json::array();
  for (std::size_t i = 0; i < scores.tracks.size(); ++i) {
    auto tags = ordered_json::array();
    std::vector<double> row;
    for (std::size_t k = 0; k < scores.tags.size(); ++k) {
      const std::size_t at = i * scores.tags.size() + k;
      if (scores.targets[at] != 0) tags.push_back(scores.tags[k]);
      row.push_back(decimal(scores.scores[at]));
    }
    out.push_back({{"track", scores.tracks[i]}, {"tags", std::move(tags)}, {"scores", row}});
  }
  return out;
}

}  // namespace melgrad
