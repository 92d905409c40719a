#include "apps/analysis/content_statistics.h"

#include <algorithm>
#include <cmath>

namespace melgrad {
namespace {

// Which clips have which tag. [clips, tags]
std::vector<std::vector<bool>> tags_of(const DataSet& set, const MeasuredClips& clips) {
  std::vector<std::vector<bool>> has(clips.tracks.size(), std::vector<bool>(set.classes.size(), false));
  const ClassIndex index(set.classes);
  for (std::size_t i = 0; i < clips.tracks.size(); ++i) {
    for (const std::string& label : set.tracks[clips.tracks[i]].labels) has[i][index(label)] = true;
  }
  return has;
}

// The values of one measure of the clips that `in` accepts.
template <typename In>
std::vector<double> values_of(const MeasuredClips& clips, std::size_t measure, In&& in) {
  std::vector<double> values;
  for (std::size_t i = 0; i < clips.contents.size(); ++i) {
    const double value = clips.contents[i].measures[measure];
    if (in(i) && !std::isnan(value)) values.push_back(value);
  }
  return values;
}

// Two groups of clips, measure by measure.
template <typename InA, typename InB>
void compare_groups(const MeasuredClips& clips, InA&& in_a, InB&& in_b, MeasureQuartiles& of_a,
                    MeasureQuartiles& of_b, MeasureTests& tests) {
  for (std::size_t m = 0; m < kMeasures.size(); ++m) {
    const auto a = values_of(clips, m, in_a), b = values_of(clips, m, in_b);
    of_a[m] = quartiles(a);
    of_b[m] = quartiles(b);
    tests[m] = mann_whitney(a, b);
  }
}

bool complete(const Content& content) {
  const auto row = content_row(content);
  return std::all_of(row.begin(), row.end(), [](double x) { return std::isfinite(x); });
}

TagComparison compare(const MeasuredClips& clips, const std::vector<std::vector<bool>>& has,
                      std::size_t first, std::size_t second) {
  TagComparison out;
  out.first = first;
  out.second = second;
  compare_groups(
      clips, [&](std::size_t i) { return has[i][first] && !has[i][second]; },
      [&](std::size_t i) { return has[i][second] && !has[i][first]; }, out.of_first, out.of_second,
      out.tests);
  Matrix rows{kMeasures.size() + kContentBands, {}};
  std::vector<bool> in_second;
  for (std::size_t i = 0; i < has.size(); ++i) {
    out.clips_both += has[i][first] && has[i][second] ? 1 : 0;
    if (has[i][first] == has[i][second]) continue;
    ++(has[i][second] ? out.clips_second : out.clips_first);
    if (!complete(clips.contents[i])) {
      ++out.incomplete;
      continue;
    }
    rows.add_row(content_row(clips.contents[i]));
    in_second.push_back(has[i][second]);
    out.line.push_back({clips.tracks[i], has[i][second] ? second : first, 0});
  }
  const auto n = static_cast<std::size_t>(std::count(in_second.begin(), in_second.end(), true));
  if (std::min(n, in_second.size() - n) < kFolds) {
    out.line.clear();
    return out;
  }
  out.separability = separability(rows, in_second);
  const Discriminant line = discriminant(rows, in_second);
  for (std::size_t i = 0; i < rows.rows(); ++i) out.line[i].x = line(rows.row(i));
  return out;
}

}  // namespace

std::vector<double> content_row(const Content& content) {
  std::vector<double> row(content.measures.begin(), content.measures.end());
  row.insert(row.end(), content.bands.begin(), content.bands.end());
  return row;
}

ContentStatistics content_statistics(const DataSet& set, const MeasuredClips& clips,
                                     const std::vector<TagNames>& pairs) {
  const auto has = tags_of(set, clips);
  ContentStatistics out;
  const std::size_t tags = set.classes.size();
  for (std::size_t m = 0; m < kMeasures.size(); ++m)
    out.all[m] = quartiles(values_of(clips, m, [](std::size_t) { return true; }));
  out.with.resize(tags);
  out.without.resize(tags);
  out.tests.resize(tags);
  for (std::size_t tag = 0; tag < tags; ++tag) {
    compare_groups(
        clips, [&](std::size_t i) { return has[i][tag]; }, [&](std::size_t i) { return !has[i][tag]; },
        out.with[tag], out.without[tag], out.tests[tag]);
  }
  for (const auto& [first, second] : pairs)
    out.comparisons.push_back(compare(clips, has, set.class_index(first), set.class_index(second)));
  Matrix rows{kMeasures.size() + kContentBands, {}};
  for (std::size_t i = 0; i < clips.contents.size(); ++i) {
    if (!complete(clips.contents[i])) continue;
    out.complete.push_back(i);
    rows.add_row(content_row(clips.contents[i]));
  }
  if (rows.rows() >= 2) out.axes = principal_axes(rows);
  return out;
}

}  // namespace melgrad
