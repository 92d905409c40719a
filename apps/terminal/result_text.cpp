#include "apps/terminal/result_text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/terminal/text_table.h"
#include "kernels/text.h"

namespace melgrad {

std::string figure_text(double value) { return std::isnan(value) ? "-" : fmt::format("{:.3f}", value); }

namespace {

using nlohmann::ordered_json;

std::string with_interval(const Figure& f) {
  if (std::isnan(f.low)) return figure_text(f.value);
  return fmt::format("{} ({:.2f}-{:.2f})", figure_text(f.value), f.low, f.high);
}

// "test tracks", unless others were asked for.
std::string tracks_text(const ordered_json& result) {
  const std::string part = result.value("tracks", std::string("test"));
  return part == "all" ? "tracks" : part + " tracks";
}

// Of a run: which of its weights; of a model by itself there are no others.
std::string genres_text(const ordered_json& result) {
  const ordered_json& test = result.at("test");
  const double accuracy = test.at("accuracy"), tracks = test.at("tracks");
  const bool run = result.contains("weights");
  return fmt::format(
      "{} of {} {} right: accuracy {:.3f} (95 % interval {:.3f} to {:.3f}){}{}{}\n\n{}",
      std::llround(accuracy * tracks), std::llround(tracks), tracks_text(result), accuracy,
      test.at("accuracy_interval").at(0).get<double>(), test.at("accuracy_interval").at(1).get<double>(),
      run ? fmt::format(", {} weights", result.at("weights").get<std::string>()) : "",
      test.at("segment_accuracy").is_null()
          ? ""
          : fmt::format("\nsingle segments {:.3f}", test.at("segment_accuracy").get<double>()),
      run ? fmt::format("; final weights {:.3f}, best-validation weights {:.3f}",
                        result.at("accuracy_final").get<double>(), result.at("accuracy_best").get<double>())
          : "",
      as_table(test.at("confusion").get<std::vector<std::vector<std::int64_t>>>(),
               test.at("classes").get<std::vector<std::string>>()));
}

std::string tags_text(const ordered_json& result) {
  const TagMetrics metrics = tag_metrics_of(result.at("test"));
  return fmt::format(
      "{} {}{}\n\n{}", metrics.tracks, tracks_text(result),
      result.contains("weights") ? fmt::format(", {} weights", result.at("weights").get<std::string>()) : "",
      as_table(metrics));
}

}  // namespace

std::string result_text(const ordered_json& result) {
  return result.at("test").contains("confusion") ? genres_text(result) : tags_text(result);
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

std::string as_table(const TagMetrics& metrics) {
  TextRows rows = {
      {"tag", "tracks", "ROC-AUC (95 %)", "PR-AUC (95 %)", "none", "prec", "rec", "F1", "acc", "none"}};
  const auto add = [&](const std::string& name, const std::string& tracks, const TagFigures& f) {
    rows.push_back({name, tracks, with_interval(f.roc_auc), with_interval(f.pr_auc),
                    figure_text(f.pr_auc.baseline), figure_text(f.precision.value),
                    figure_text(f.recall.value), figure_text(f.f1.value), figure_text(f.accuracy.value),
                    figure_text(f.accuracy.baseline)});
  };
  for (const TagResult& tag : metrics.tags) add(tag.tag, std::to_string(tag.positives), tag.figures);
  add("macro", "", metrics.macro);
  TagFigures none;
  for (const auto& [key, title, member] : kTagFigures) {
    const double baseline = (metrics.macro.*member).baseline;
    none.*member = {baseline, baseline, std::nan(""), std::nan("")};
  }
  add("none", "", none);
  std::string out =
      align(rows) +
      fmt::format(
          "{} tracks; precision, recall, F1, accuracy at {:g}; none: what predicting no tag at all scores\n",
          metrics.tracks, metrics.options.threshold);
  const auto list = [&](const char* what, const std::vector<std::string>& tags) {
    if (tags.empty()) return;
    out += fmt::format("{} ({}): {}\n", what, tags.size(), printable(joined(tags)));
  };
  list("on all tracks or on none, so not in the means but accuracy's", metrics.one_class);
  list("never predicted, precision counts as 0", metrics.no_predictions);
  return out;
}

}  // namespace melgrad
