#include "apps/report/labels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <numbers>

#include "apps/report/gnuplot.h"

namespace melgrad {
namespace {

constexpr std::size_t kRows = 20;   // tags in a picture, so that their names can be read
constexpr std::size_t kNodes = 24;  // tags in the graph
constexpr std::size_t kEdges = 40;  // pairs in the graph
constexpr double kEdge = 0.1;       // the least phi of a pair in it

}  // namespace

std::vector<std::size_t> frequent(const TagStatistics& labels) {
  auto order = labels.by_count();
  order.resize(std::min(kRows, order.size()));
  return order;
}

std::string of_frequent(const TagStatistics& labels) {
  return labels.tags.size() > kRows
             ? fmt::format("the {} most frequent of {} tags", kRows, labels.tags.size())
             : fmt::format("{} tags", labels.tags.size());
}

int height_of(std::size_t rows) { return 90 + 20 * static_cast<int>(rows); }

std::string row_axis(std::size_t rows) {
  return fmt::format("set yrange [{}-0.5:-0.5]\nset grid xtics noytics\nset ytics scale 0\n", rows);
}

namespace {

Plot count_plot(const TagStatistics& labels) {
  Plot plot;
  plot.data = {{"tag", "clips"}};
  const auto order = frequent(labels);
  for (const std::size_t tag : order)
    plot.data.push_back({labels.tags[tag], fmt::format("{}", labels.counts[tag])});
  plot.name = "tag-counts";
  plot.caption = fmt::format("Clips with a tag: {}.", of_frequent(labels));
  plot.alt = fmt::format("Bars for {} tags, from {} with {} clips down to {} with {}.", order.size(),
                         labels.tags[order.front()], labels.counts[order.front()], labels.tags[order.back()],
                         labels.counts[order.back()]);
  plot.commands = row_axis(order.size()) + R"(set xrange [0:*]
set xlabel 'clips'
set style fill solid noborder
plot data using ($2/2):0:($2/2):(0.35):ytic(1) with boxxyerror lt 1)";
  plot.height = height_of(order.size());
  return plot;
}

Plot tags_per_clip_plot(const TagStatistics& labels) {
  Plot plot;
  plot.data = {{"tags", "clips"}};
  for (std::size_t k = 0; k < labels.tags_per_clip.size(); ++k)
    plot.data.push_back({fmt::format("{}", k), fmt::format("{}", labels.tags_per_clip[k])});
  plot.name = "tags-per-clip";
  plot.caption = "Clips by their number of tags.";
  plot.alt = fmt::format("Bars: how many clips have 0 to {} tags; the numbers are in tags-per-clip.csv.",
                         labels.tags_per_clip.size() - 1);
  plot.commands = R"(set xrange [-0.6:*]
set yrange [0:*]
set xlabel 'tags of a clip'
set ylabel 'clips'
set style fill solid noborder
plot data using 1:2:(0.8) with boxes lt 1)";
  return plot;
}

Plot together_plot(const TagStatistics& labels) {
  Plot plot;
  plot.data = {{""}};
  const auto order = frequent(labels);
  for (const std::size_t tag : order) plot.data[0].push_back(labels.tags[tag]);
  for (const std::size_t row : order) {
    plot.data.push_back({labels.tags[row]});
    for (const std::size_t column : order) {
      const double p = row == column ? NAN : labels.conditional(row, column);
      plot.data.back().push_back(std::isnan(p) ? "NaN" : fmt::format("{:.4f}", p));
    }
  }
  plot.name = "together";
  plot.caption = fmt::format(
      "Of the clips with the tag of the row, the share that also has the tag of the "
      "column: {}.",
      of_frequent(labels));
  const auto strongest = std::find_if(labels.pairs.begin(), labels.pairs.end(), [&](const TagPair& pair) {
    const auto shown = [&](std::size_t tag) {
      return std::find(order.begin(), order.end(), tag) != order.end();
    };
    return shown(pair.a) && shown(pair.b);
  });
  plot.alt = fmt::format("Heat map of {} by {} tags.", order.size(), order.size());
  if (strongest != labels.pairs.end())
    plot.alt += fmt::format(" The two most alike are {} and {}: {} clips have both.",
                            labels.tags[strongest->a], labels.tags[strongest->b], strongest->both);
  plot.commands = "set cbrange [0:*]\n" + heat_map(90);
  plot.height = 480;
  return plot;
}

// Tags that come together, in an order in which neighbours do.
struct TagGraph {
  std::vector<TagPair> edges;  // the strongest first
  std::vector<std::size_t> nodes;

  double phi(std::size_t a, std::size_t b) const {
    const auto found = std::find_if(edges.begin(), edges.end(), [&](const TagPair& pair) {
      return (pair.a == a && pair.b == b) || (pair.a == b && pair.b == a);
    });
    return found == edges.end() ? 0 : found->phi;
  }
};

TagGraph graph_of(const TagStatistics& labels) {
  TagGraph graph;
  std::vector<std::size_t>& nodes = graph.nodes;
  for (const TagPair& pair : labels.pairs) {
    if (pair.phi < kEdge || graph.edges.size() == kEdges) break;
    std::vector<std::size_t> with = nodes;
    for (const std::size_t tag : {pair.a, pair.b})
      if (std::find(with.begin(), with.end(), tag) == with.end()) with.push_back(tag);
    if (with.size() > kNodes) continue;
    nodes = std::move(with);
    graph.edges.push_back(pair);
  }
  // From each tag to the one not yet placed that is most like it.
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const auto next = std::max_element(
        nodes.begin() + static_cast<std::ptrdiff_t>(i), nodes.end(),
        [&](auto a, auto b) { return graph.phi(nodes[i - 1], a) < graph.phi(nodes[i - 1], b); });
    std::rotate(nodes.begin() + static_cast<std::ptrdiff_t>(i), next, next + 1);
  }
  return graph;
}

// Rows of tags, whose names stand along the radius and never on their heads; then rows of pairs.
TextRows graph_rows(const TagGraph& graph, const std::vector<std::string>& tags) {
  const auto place = [&](std::size_t tag) {
    const auto i = std::find(graph.nodes.begin(), graph.nodes.end(), tag) - graph.nodes.begin();
    return 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(graph.nodes.size());
  };
  const auto at = [](double value) { return fmt::format("{:.4f}", value); };
  TextRows rows = {
      {"tag", "x", "y", "name right of it", "degrees", "name left of it", "degrees", "to x", "to y", "phi"}};
  for (const std::size_t tag : graph.nodes) {
    const double angle = place(tag);
    const bool right = std::cos(angle) > -1e-9;
    const std::string turn = at(angle * 180 / std::numbers::pi - (right ? 0 : 180));
    rows.push_back({tags[tag], at(std::cos(angle)), at(std::sin(angle)), right ? tags[tag] : "",
                    right ? turn : "", right ? "" : tags[tag], right ? "" : turn, "", "", ""});
  }
  for (const TagPair& pair : graph.edges) {
    const double a = place(pair.a), b = place(pair.b);
    rows.push_back({tags[pair.a] + " + " + tags[pair.b], at(std::cos(a)), at(std::sin(a)), "", "", "", "",
                    at(std::cos(b)), at(std::sin(b)), at(pair.phi)});
  }
  return rows;
}

std::string graph_commands() {
  std::string commands = R"(unset border
unset tics
unset grid
set size ratio -1
set margins 0, 0, 0, 0
set xrange [-2:2]
set yrange [-2:2]
plot )";
  for (const auto& [from, to, width] :
       {std::array{kEdge, 0.2, 0.8}, {0.2, 0.4, 2.4}, {0.4, 0.6, 4.0}, {0.6, 2.0, 5.6}}) {
    commands += fmt::format(
        "data using 2:($10 >= {} && $10 < {} ? $3 : NaN):($8-$2):($9-$3) with vectors nohead "
        "lc 1 lw {}, ",
        from, to, width);
  }
  return commands +
         R"(data using (1.06*$2):(1.06*$3):4:5 with labels left rotate variable tc rgb ink, \
     data using (1.06*$2):(1.06*$3):6:7 with labels right rotate variable tc rgb ink, \
     data using (valid(10) ? NaN : $2):3 with points pt 7 ps 0.7 lc 1)";
}

// Tags on a circle, so that no name lies on another; neighbours on it are tags that come together.
Plot graph_plot(const TagStatistics& labels) {
  const TagGraph graph = graph_of(labels);
  const std::vector<TagPair>& edges = graph.edges;
  Plot plot;
  plot.name = "tag-graph";
  plot.caption = fmt::format(
      "Tags that come together: the {} strongest pairs with a correlation (phi) of {} and more; thicker from "
      "0.2, 0.4 and 0.6 on.",
      edges.size(), kEdge);
  plot.alt = fmt::format("Graph of {} tags on a circle, {} lines between those that come together.",
                         graph.nodes.size(), edges.size());
  if (!edges.empty())
    plot.alt += fmt::format(" The strongest line joins {} and {}, phi {:.2f}.", labels.tags[edges[0].a],
                            labels.tags[edges[0].b], edges[0].phi);
  plot.data = graph_rows(graph, labels.tags);
  plot.commands = graph_commands();
  plot.width = plot.height = 460;
  return plot;
}

}  // namespace

void add_labels(Page& page, const TagStatistics& labels) {
  if (labels.tags.empty()) return;
  page.plot(count_plot(labels));
  if (labels.tags_per_clip.size() <= 2) return;  // one tag a clip: nothing comes together
  page.plot(tags_per_clip_plot(labels));
  page.plot(together_plot(labels));
  page.plot(graph_plot(labels));
}

}  // namespace melgrad
