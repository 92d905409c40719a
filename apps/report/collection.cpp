#include "apps/report/collection.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "apps/analysis/projection.h"
#include "apps/report/gnuplot.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

constexpr std::size_t kFitted = 5000;  // tracks, at most, that the axes are fitted to
constexpr std::size_t kDrawn = 2000;   // tracks, at most, on the map

// The mean of each track's rows, in the order of the table, and the first of those rows.
struct Tracks {
  Matrix vectors;
  std::vector<std::size_t> row;

  // `most` of them, evenly spread.
  std::vector<std::size_t> some(std::size_t most) const {
    std::vector<std::size_t> out;
    const std::size_t count = std::min(most, row.size());
    for (std::size_t i = 0; i < count; ++i) out.push_back(i * row.size() / count);
    return out;
  }
};

Tracks tracks_of(const EmbeddingTable& table) {
  const auto width = static_cast<std::size_t>(table.width);
  Tracks out{{width, {}}, {}};
  std::map<std::string, std::size_t> known;
  std::vector<double> rows;
  for (std::size_t i = 0; i < table.names.size(); ++i) {
    const auto [at, fresh] = known.emplace(table.names[i], out.row.size());
    if (fresh) {
      out.row.push_back(i);
      rows.push_back(0);
      out.vectors.add_row(std::vector<double>(width));
    }
    ++rows[at->second];
    const auto row = table.row(static_cast<std::int64_t>(i));
    for (std::size_t j = 0; j < width; ++j) out.vectors.values[at->second * width + j] += row[j];
  }
  for (std::size_t i = 0; i < out.vectors.values.size(); ++i) out.vectors.values[i] /= rows[i / width];
  return out;
}

// What a row is coloured by.
std::string group_of(const EmbeddingTable& table, std::size_t row, const std::string& by) {
  const auto classes = table.classes.size();
  if (const auto column = table.columns.find(by); column != table.columns.end())
    return column->second[row].empty() ? "unknown" : column->second[row];
  if (!by.empty()) {
    const auto tag = static_cast<std::size_t>(std::find(table.classes.begin(), table.classes.end(), by) -
                                              table.classes.begin());
    return table.labels[row * classes + tag] != 0 ? by : "not " + by;
  }
  for (std::size_t k = 0; k < classes && !table.labels.empty(); ++k)
    if (table.labels[row * classes + k] != 0) return table.classes[k];
  return table.labels.empty() ? "tracks" : "none";
}

void expect_known(const EmbeddingTable& table, const std::string& by) {
  if (by.empty() || table.columns.contains(by) ||
      (!table.labels.empty() &&
       std::find(table.classes.begin(), table.classes.end(), by) != table.classes.end()))
    return;
  std::vector<std::string> names = table.classes;
  for (const auto& [column, cells] : table.columns) names.push_back(column);
  fail(ErrorKind::usage, "--by {}: {} has no such tag or column{}", by, table.path, did_you_mean(by, names));
}

// The most frequent groups; what is rarer is one group behind them.
std::vector<std::string> legend(const std::vector<std::string>& of_each) {
  std::map<std::string, std::size_t> counts;
  for (const std::string& group : of_each) ++counts[group];
  std::vector<std::string> names;
  for (const auto& [name, count] : counts) names.push_back(name);
  std::stable_sort(names.begin(), names.end(),
                   [&](const auto& a, const auto& b) { return counts[a] > counts[b]; });
  if (names.size() > Plot::kMostGroups) {
    names.resize(Plot::kMostGroups - 1);
    names.emplace_back("others");
  }
  return names;
}

// A row of the figure's table: name, first coordinate, and the second in the column of its group.
void add_dot(Plot& plot, Dot dot) {
  std::vector<std::string> row(2 + plot.groups.size());
  row[0] = dot.name;
  row[1] = fmt::format("{:.3f}", dot.x);
  row[2 + dot.group] = fmt::format("{:.3f}", dot.y);
  plot.data.push_back(std::move(row));
  plot.dots.push_back(std::move(dot));
}

}  // namespace

void add_collection(Page& page, const EmbeddingTable& table, const std::string& by, const std::string& id) {
  expect_known(table, by);
  const Tracks tracks = tracks_of(table);
  page.heading(2, fmt::format("The collection: {}", table.path));
  if (tracks.row.size() < 3) return page.paragraph("It has fewer than three tracks, too few for a map.");
  Matrix fitted{tracks.vectors.columns, {}};
  for (const std::size_t i : tracks.some(kFitted)) fitted.add_row(tracks.vectors.row(i));
  const PrincipalAxes axes = principal_axes(fitted);

  const std::vector<std::size_t> drawn = tracks.some(kDrawn);
  std::vector<std::string> of_each;
  for (const std::size_t i : drawn) of_each.push_back(group_of(table, tracks.row[i], by));
  Plot plot;
  plot.name = id;
  plot.groups = legend(of_each);
  plot.data = {{"track", "axis 1"}};
  plot.data[0].insert(plot.data[0].end(), plot.groups.begin(), plot.groups.end());
  for (std::size_t k = 0; k < drawn.size(); ++k) {
    const std::vector<double> at = axes.project(tracks.vectors.row(drawn[k]), 2);
    const auto group = std::find(plot.groups.begin(), plot.groups.end(), of_each[k]);
    const std::size_t index = group == plot.groups.end()
                                  ? plot.groups.size() - 1
                                  : static_cast<std::size_t>(group - plot.groups.begin());
    add_dot(plot, {at[0], at.size() > 1 ? at[1] : 0, index,
                   fmt::format("{}: {}", table.names[tracks.row[drawn[k]]], of_each[k])});
  }
  const double first = 100 * axes.share(0), second = table.width > 1 ? 100 * axes.share(1) : 0;
  page.paragraph(fmt::format(
      "{} tracks of {} numbers each{}, on the two axes along which they differ most, which hold {:.1f} % and "
      "{:.1f} % of their variance once each number is standardised. The nearer two tracks lie, the more "
      "alike "
      "they are to the network, as far as two of {} axes can show.",
      tracks.row.size(), table.width, table.model.name.empty() ? "" : " by " + table.model.name, first,
      second, table.width));
  plot.caption = fmt::format(
      "Axis 1 from left to right, axis 2 upwards; {}coloured by {}. The pointer on a "
      "dot shows its name.",
      drawn.size() < tracks.row.size()
          ? fmt::format("{} of {} tracks, evenly spread, ", drawn.size(), tracks.row.size())
          : "",
      by.empty() ? (table.labels.empty() ? "nothing, as there are no labels" : "class") : by);
  plot.alt =
      fmt::format("Scatter plot of {} tracks on the two principal axes of their embeddings, in {} groups.",
                  drawn.size(), plot.groups.size());
  plot.commands = "set xlabel 'axis 1'\nset ylabel 'axis 2'\nset key above horizontal width -3\n" +
                  dots_of_groups(plot.groups.size(), 2, 3);
  plot.height = 400;
  page.plot(std::move(plot));
}

}  // namespace melgrad
