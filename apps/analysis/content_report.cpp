// What content_statistics.h says about JSON and tables.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "apps/analysis/content_statistics.h"
#include "apps/analysis/tag_statistics.h"
#include "apps/terminal/text_table.h"
#include "io/files/json.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kAxesShown = 3;

std::string column_name(std::size_t column) {
  return column < kMeasures.size() ? kMeasures[column].name
                                   : fmt::format("mel {}", column - kMeasures.size());
}

ordered_json as_json(const MeasureQuartiles& quartiles) {
  ordered_json out;
  for (std::size_t m = 0; m < kMeasures.size(); ++m) {
    const Quartiles& q = quartiles[m];
    out[kMeasures[m].name] = {{"clips", q.count},
                              {"quartiles", {or_null(q.low), or_null(q.median), or_null(q.high)}}};
  }
  return out;
}

ordered_json as_json(const MeasureTests& tests) {
  ordered_json out;
  for (std::size_t m = 0; m < kMeasures.size(); ++m) {
    const RankTest& t = tests[m];
    out[kMeasures[m].name] = {{"auc", or_null(t.auc)},
                              {"cliffs_delta", or_null(t.delta)},
                              {"z", or_null(t.z)},
                              {"p", or_null(t.p)}};
  }
  return out;
}

ordered_json as_json(const TagComparison& c, const DataSet& set) {
  ordered_json out = {{"first", set.classes[c.first]},     {"second", set.classes[c.second]},
                      {"clips_first", c.clips_first},      {"clips_second", c.clips_second},
                      {"clips_with_both", c.clips_both},   {"of_first", as_json(c.of_first)},
                      {"of_second", as_json(c.of_second)}, {"tests", as_json(c.tests)},
                      {"clips_incomplete", c.incomplete},  {"separability", nullptr}};
  if (c.separability) {
    out["separability"] = {{"measure", "cross-validated roc_auc of the linear discriminant"},
                           {"folds", kFolds},
                           {"mean", c.separability->mean},
                           {"lowest", c.separability->lowest},
                           {"highest", c.separability->highest},
                           {"baseline", 0.5}};
  }
  auto& line = out["discriminant"] = ordered_json::array();
  for (const auto& [track, tag, x] : c.line)
    line.push_back({{"clip", set.tracks[track].name}, {"tag", set.classes[tag]}, {"x", x}});
  return out;
}

ordered_json as_json(const PrincipalAxes& axes) {
  ordered_json out;
  for (std::size_t j = 0; j < axes.mean.size(); ++j) out["columns"].push_back(column_name(j));
  for (std::size_t a = 0; a < axes.variance.size(); ++a) out["share_of_variance"].push_back(axes.share(a));
  for (std::size_t a = 0; a < kAxesShown; ++a) out["axes"].push_back(axes.axes.row(a));
  return out;
}

std::string shown(const Measure& measure, double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.{}f}", value, measure.decimals);
}

std::string median_table(const ContentStatistics& s, const DataSet& set, std::size_t top) {
  TextRows rows = {{"median of clips with", "clips"}, {"", ""}};
  for (const Measure& m : kMeasures) {
    rows[0].push_back(m.name);
    rows[1].push_back(m.unit);
  }
  const auto add = [&](const std::string& name, const MeasureQuartiles& q) {
    rows.push_back({name, std::to_string(q[0].count)});
    for (std::size_t m = 0; m < kMeasures.size(); ++m)
      rows.back().push_back(shown(kMeasures[m], q[m].median));
  };
  std::vector<std::size_t> order(set.classes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return s.with[a][0].count > s.with[b][0].count; });
  for (std::size_t i = 0; i < std::min(top, order.size()); ++i) add(set.classes[order[i]], s.with[order[i]]);
  add("any tag or none", s.all);
  return align(rows) + more(order.size() - std::min(top, order.size()), "tags");
}

std::string comparison_table(const TagComparison& c, const DataSet& set) {
  const std::string first = printable(set.classes[c.first]), second = printable(set.classes[c.second]);
  TextRows rows = {{"median", first, second, "unit", "Cliff's delta", "p"}};
  for (std::size_t m = 0; m < kMeasures.size(); ++m) {
    const RankTest& t = c.tests[m];
    rows.push_back({kMeasures[m].name, shown(kMeasures[m], c.of_first[m].median),
                    shown(kMeasures[m], c.of_second[m].median), kMeasures[m].unit,
                    std::isnan(t.delta) ? "-" : fmt::format("{:+.2f}", t.delta),
                    std::isnan(t.p) ? "-"
                    : t.p > 0       ? fmt::format("{:.2g}", t.p)
                                    : "< 1e-300"});
  }
  std::string out = fmt::format("{} ({} clips) against {} ({}); {} clips with both are left out\n", first,
                                c.clips_first, second, c.clips_second, c.clips_both);
  out += align(rows);
  if (c.separability) {
    out += fmt::format(
        "linear discriminant on held-out clips: ROC-AUC {:.3f} (folds {:.3f} to {:.3f}; chance 0.5)\n",
        c.separability->mean, c.separability->lowest, c.separability->highest);
  } else {
    out += fmt::format("no discriminant: it needs {} clips of each tag with all measures\n", kFolds);
  }
  if (c.incomplete > 0)
    out += fmt::format("without a tempo, so not in the discriminant: {} clips\n", c.incomplete);
  return out;
}

std::string axes_table(const PrincipalAxes& axes, std::size_t clips) {
  constexpr std::size_t kEntries = 4;
  TextRows rows = {{"axis", "share"}};
  for (std::size_t a = 0; a < kAxesShown; ++a) {
    rows.push_back({std::to_string(a + 1), fmt::format("{:.1f} %", 100 * axes.share(a))});
    const auto axis = axes.axes.row(a);
    std::vector<std::size_t> order(axis.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](auto i, auto j) { return std::abs(axis[i]) > std::abs(axis[j]); });
    for (std::size_t i = 0; i < kEntries; ++i)
      rows.back().push_back(fmt::format("{:+.2f} {}", axis[order[i]], column_name(order[i])));
  }
  return fmt::format("principal axes of {} clips, {} measures and {} mel bands, standardised\n{}", clips,
                     kMeasures.size(), kContentBands, align(rows));
}

}  // namespace

ordered_json as_json(const ContentStatistics& s, const DataSet& set, const MeasuredClips& clips) {
  ordered_json out = {{"clips", clips.tracks.size()}, {"clips_complete", s.complete.size()}};
  for (const Measure& m : kMeasures) out["units"][m.name] = m.unit;
  out["all"] = as_json(s.all);
  for (std::size_t tag = 0; tag < set.classes.size(); ++tag)
    out["tags"].push_back({{"tag", set.classes[tag]},
                           {"with", as_json(s.with[tag])},
                           {"without", as_json(s.without[tag])},
                           {"tests", as_json(s.tests[tag])}});
  out["comparisons"] = ordered_json::array();
  for (const TagComparison& c : s.comparisons) out["comparisons"].push_back(as_json(c, set));
  out["principal_axes"] = s.axes ? as_json(*s.axes) : ordered_json();
  auto& list = out["measured"] = ordered_json::array();
  for (std::size_t i = 0; i < clips.tracks.size(); ++i) {
    list.push_back({{"clip", set.tracks[clips.tracks[i]].name}});
    for (std::size_t m = 0; m < kMeasures.size(); ++m)
      list.back()[kMeasures[m].name] = or_null(clips.contents[i].measures[m]);
  }
  for (const std::size_t i : s.complete) {
    if (s.axes)
      list[i]["principal_coordinates"] = s.axes->project(content_row(clips.contents[i]), kAxesShown);
  }
  return out;
}

std::string as_table(const ContentStatistics& s, const DataSet& set, std::size_t top) {
  std::string out = median_table(s, set, top);
  for (const TagComparison& c : s.comparisons) out += fmt::format("\n{}", comparison_table(c, set));
  if (!s.comparisons.empty()) {
    const std::size_t tests = s.comparisons.size() * kMeasures.size();
    out += fmt::format(
        "\np is of one test (Mann-Whitney, two-sided); among {} tests one below {:.2g} is to be "
        "expected by chance\n",
        tests, 1.0 / static_cast<double>(tests));
  }
  if (s.axes) out += fmt::format("\n{}", axes_table(*s.axes, s.complete.size()));
  return out;
}

}  // namespace melgrad
