#include "apps/report/analysis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <numbers>

#include "apps/content.h"
#include "apps/tag_statistics.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kRows = 20;     // tags in a picture, so that their names can be read
constexpr std::size_t kNodes = 24;    // tags in the graph
constexpr std::size_t kEdges = 40;    // pairs in the graph
constexpr double kEdge = 0.1;         // the least phi of a pair in it
constexpr std::size_t kCloud = 1000;  // clips, at most, behind those of two tags
constexpr std::size_t kBins = 24;

// JSON has null where a figure is undefined, gnuplot NaN.
std::string number(const ordered_json& value) {
  return value.is_null() ? "NaN" : fmt::format("{:.6g}", value.get<double>());
}

// The most frequent tags.
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

// A row for each tag from above, its name at the left.
std::string row_axis(std::size_t rows) {
  return fmt::format("set yrange [{}-0.5:-0.5]\nset grid xtics noytics\nset ytics scale 0\n", rows);
}

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
  plot.commands = R"(set datafile nocolumnheaders
set border 0
unset grid
set cbrange [0:*]
set yrange [*:*] reverse
set xtics rotate by 90 right scale 0
set ytics scale 0
plot data matrix rowheaders columnheaders using 1:2:3 with image pixels)";
  plot.height = 480;
  return plot;
}

// Tags on a circle, so that no name lies on another; neighbours on it are tags that come together.
Plot graph_plot(const TagStatistics& labels) {
  std::vector<TagPair> edges;
  std::vector<std::size_t> nodes;
  for (const TagPair& pair : labels.pairs) {
    if (pair.phi < kEdge || edges.size() == kEdges) break;
    std::vector<std::size_t> with = nodes;
    for (const std::size_t tag : {pair.a, pair.b})
      if (std::find(with.begin(), with.end(), tag) == with.end()) with.push_back(tag);
    if (with.size() > kNodes) continue;
    nodes = std::move(with);
    edges.push_back(pair);
  }
  // From each tag to the one not yet placed that is most like it.
  const auto phi = [&](std::size_t a, std::size_t b) {
    const auto found = std::find_if(edges.begin(), edges.end(), [&](const TagPair& pair) {
      return (pair.a == a && pair.b == b) || (pair.a == b && pair.b == a);
    });
    return found == edges.end() ? 0 : found->phi;
  };
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const auto next =
        std::max_element(nodes.begin() + static_cast<std::ptrdiff_t>(i), nodes.end(),
                         [&](auto a, auto b) { return phi(nodes[i - 1], a) < phi(nodes[i - 1], b); });
    std::rotate(nodes.begin() + static_cast<std::ptrdiff_t>(i), next, next + 1);
  }
  const auto place = [&](std::size_t tag) {
    const auto i = std::find(nodes.begin(), nodes.end(), tag) - nodes.begin();
    return 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(nodes.size());
  };
  const auto at = [](double value) { return fmt::format("{:.4f}", value); };
  Plot plot;
  // Rows of tags, whose names stand along the radius and never on their heads; then rows of pairs.
  plot.data = {
      {"tag", "x", "y", "name right of it", "degrees", "name left of it", "degrees", "to x", "to y", "phi"}};
  for (const std::size_t tag : nodes) {
    const double angle = place(tag);
    const bool right = std::cos(angle) > -1e-9;
    const std::string turn = at(angle * 180 / std::numbers::pi - (right ? 0 : 180));
    plot.data.push_back({labels.tags[tag], at(std::cos(angle)), at(std::sin(angle)),
                         right ? labels.tags[tag] : "", right ? turn : "", right ? "" : labels.tags[tag],
                         right ? "" : turn, "", "", ""});
  }
  for (const TagPair& pair : edges) {
    const double a = place(pair.a), b = place(pair.b);
    plot.data.push_back({labels.tags[pair.a] + " + " + labels.tags[pair.b], at(std::cos(a)), at(std::sin(a)),
                         "", "", "", "", at(std::cos(b)), at(std::sin(b)), at(pair.phi)});
  }
  plot.name = "tag-graph";
  plot.caption = fmt::format(
      "Tags that come together: the {} strongest pairs with a correlation (phi) of {} and more; thicker from "
      "0.2, 0.4 and 0.6 on.",
      edges.size(), kEdge);
  plot.alt = fmt::format("Graph of {} tags on a circle, {} lines between those that come together.",
                         nodes.size(), edges.size());
  if (!edges.empty())
    plot.alt += fmt::format(" The strongest line joins {} and {}, phi {:.2f}.", labels.tags[edges[0].a],
                            labels.tags[edges[0].b], edges[0].phi);
  plot.commands = R"(unset border
unset tics
unset grid
set size ratio -1
set margins 0, 0, 0, 0
set xrange [-2:2]
set yrange [-2:2]
)";
  plot.commands += "plot ";
  for (const auto& [from, to, width] :
       {std::array{kEdge, 0.2, 0.8}, {0.2, 0.4, 2.4}, {0.4, 0.6, 4.0}, {0.6, 2.0, 5.6}}) {
    plot.commands += fmt::format(
        "data using 2:($10 >= {} && $10 < {} ? $3 : NaN):($8-$2):($9-$3) with vectors nohead "
        "lc 1 lw {}, ",
        from, to, width);
  }
  plot.commands +=
      R"(data using (1.06*$2):(1.06*$3):4:5 with labels left rotate variable tc rgb ink, \
     data using (1.06*$2):(1.06*$3):6:7 with labels right rotate variable tc rgb ink, \
     data using (valid(10) ? NaN : $2):3 with points pt 7 ps 0.7 lc 1)";
  plot.width = plot.height = 460;
  return plot;
}

// With a tag against without it: Cliff's delta of each measure.
Plot effect_plot(const ordered_json& content, const TagStatistics& labels) {
  Plot plot;
  plot.data = {{""}};
  for (const Measure& measure : kMeasures) plot.data[0].emplace_back(measure.name);
  const auto order = frequent(labels);
  double largest = 0;
  std::string what;
  for (const std::size_t tag : order) {
    plot.data.push_back({labels.tags[tag]});
    for (const Measure& measure : kMeasures) {
      const auto& delta = content.at("tags").at(tag).at("tests").at(measure.name).at("cliffs_delta");
      plot.data.back().push_back(number(delta));
      if (delta.is_null() || std::abs(delta.get<double>()) < std::abs(largest)) continue;
      largest = delta.get<double>();
      what = fmt::format("{} of {}", measure.name, labels.tags[tag]);
    }
  }
  plot.name = "effects";
  plot.caption = fmt::format(
      "How the sound of clips with a tag differs from all others: Cliff's delta, from -1 (always lower with "
      "the "
      "tag) to 1 (always higher); {}.",
      of_frequent(labels));
  plot.alt = fmt::format("Heat map of {} tags by {} measures; the largest effect is {}, {:+.2f}.",
                         order.size(), kMeasures.size(), what, largest);
  // The cells' letters are of fixed colours: the cells do not turn dark with the page.
  plot.commands = R"(set datafile nocolumnheaders
set border 0
unset grid
unset colorbox
set palette defined (-1 '#b34700', -0.5 '#f0a060', 0 '#f7f7f7', 0.5 '#6baed6', 1 '#08519c')
set cbrange [-1:1]
set yrange [*:*] reverse
set xtics rotate by 40 right scale 0
set ytics scale 0
plot data matrix rowheaders columnheaders using 1:2:3 with image pixels, \
     '' matrix rowheaders columnheaders using 1:2:(abs($3) >= 0.7 ? sprintf('%+.2f', $3) : '') with labels \
       font ',11' tc rgb '#fefefe', \
     '' matrix rowheaders columnheaders using 1:2:(abs($3) < 0.7 ? sprintf('%+.2f', $3) : '') \
       with labels font ',11' tc rgb '#1b1b1b')";
  plot.height = 40 + height_of(order.size());
  return plot;
}

// Median and quartiles of one measure with each tag, beside the median of all clips.
Plot measure_plot(const ordered_json& content, const TagStatistics& labels, const Measure& measure) {
  Plot plot;
  plot.data = {{"tag", "median", "lower quartile", "upper quartile", "median of all"}};
  const auto order = frequent(labels);
  const auto& all = content.at("all").at(measure.name).at("quartiles").at(1);
  for (const std::size_t tag : order) {
    const auto& q = content.at("tags").at(tag).at("with").at(measure.name).at("quartiles");
    plot.data.push_back({labels.tags[tag], number(q.at(1)), number(q.at(0)), number(q.at(2)), number(all)});
  }
  plot.name = fmt::format("measure-{}", measure.name);
  plot.caption = fmt::format(
      "{} with each tag: median and quartiles; the broken line is the median of all clips.", measure.name);
  plot.alt = fmt::format("Dot plot of {} in {} of clips with each of {} tags; the median of all clips is {}.",
                         measure.name, measure.unit, order.size(), number(all));
  plot.commands = row_axis(order.size()) + fmt::format(R"(set xlabel '{}, {}'
set format x '%g'
set offsets graph 0.03, graph 0.03, 0, 0
plot data using 5:0 with lines lc rgb ink lw 1 dt 2, data using 2:0:3:4:ytic(1) with xerrorbars lt 1 ps 0.8)",
                                                       measure.name, measure.unit);
  plot.height = height_of(order.size());
  return plot;
}

std::string shown(const ordered_json& value, int decimals) {
  return value.is_null() ? "" : fmt::format("{:.{}f}", value.get<double>(), decimals);
}

// How many clips of either tag lie where on the line that tells them apart best.
Plot line_plot(const ordered_json& comparison, std::size_t pair) {
  const auto& line = comparison.at("discriminant");
  double low = INFINITY, high = -INFINITY;
  for (const auto& clip : line) {
    low = std::min(low, clip.at("x").get<double>());
    high = std::max(high, clip.at("x").get<double>());
  }
  const double width = std::max(high - low, 1e-12) / kBins;
  std::array<std::array<int, 2>, kBins> clips{};
  for (const auto& clip : line) {
    const auto bin = static_cast<std::size_t>((clip.at("x").get<double>() - low) / width);
    ++clips[std::min(bin, kBins - 1)][clip.at("tag") == comparison.at("first") ? 0 : 1];
  }
  Plot plot;
  plot.data = {{"discriminant", comparison.at("first"), comparison.at("second")}};
  for (std::size_t bin = 0; bin < kBins; ++bin)
    plot.data.push_back({fmt::format("{:.4g}", low + (static_cast<double>(bin) + 0.5) * width),
                         fmt::format("{}", clips[bin][0]), fmt::format("{}", clips[bin][1])});
  const auto& auc = comparison.at("separability").at("mean");
  plot.name = fmt::format("discriminant-{}", pair);
  plot.caption = fmt::format(
      "Clips on the linear discriminant of measures and mel bands, as fitted to them; on held-out clips its "
      "ROC-AUC is {:.3f} (chance 0.5).",
      auc.get<double>());
  plot.alt = fmt::format("Histograms of {} clips of two tags on one line.", line.size());
  plot.commands = R"(set key above horizontal
set yrange [0:*]
set xlabel 'discriminant'
set ylabel 'clips'
plot data using 1:2 with histeps lt 1 title columnhead(2), data using 1:3 with histeps lt 2 title columnhead(3))";
  return plot;
}

// The clips of two tags on the first two principal axes, before all others.
Plot axes_plot(const ordered_json& content, const ordered_json& comparison, std::size_t pair) {
  const auto& share = content.at("principal_axes").at("share_of_variance");
  std::map<std::string, std::string> tag_of;
  for (const auto& clip : comparison.at("discriminant")) tag_of[clip.at("clip")] = clip.at("tag");
  Plot plot;
  plot.data = {{"axis 1", "other clips", comparison.at("first"), comparison.at("second")}};
  TextRows others;
  for (const auto& clip : content.at("measured")) {
    if (!clip.contains("principal_coordinates")) continue;
    const auto& x = clip.at("principal_coordinates");
    const auto tag = tag_of.find(clip.at("clip"));
    std::vector<std::string> row(4);
    row[0] = number(x.at(0));
    row[tag == tag_of.end() ? 1 : tag->second == comparison.at("first") ? 2 : 3] = number(x.at(1));
    (tag == tag_of.end() ? others : plot.data).push_back(std::move(row));
  }
  const std::size_t drawn = std::min(kCloud, others.size());
  for (std::size_t i = 0; i < drawn; ++i) plot.data.push_back(others[i * others.size() / drawn]);
  plot.name = fmt::format("principal-axes-{}", pair);
  plot.caption = fmt::format(
      "Clips on the first two principal axes of measures and mel bands ({:.1f} and {:.1f} % of the "
      "variance).",
      100 * share.at(0).get<double>(), 100 * share.at(1).get<double>());
  plot.alt = fmt::format("Scatter plot of {} clips of two tags and {} others on two principal axes.",
                         tag_of.size(), drawn);
  plot.commands = R"(set key above horizontal
set xlabel 'axis 1'
set ylabel 'axis 2'
plot data using 1:2 with points lc rgb rule pt 7 ps 0.4 title 'other clips', \
     data using 1:3 with points lt 1 ps 0.6 title columnhead(3), \
     data using 1:4 with points lt 2 ps 0.6 title columnhead(4))";
  plot.height = 400;
  return plot;
}

void add_comparison(Page& page, const ordered_json& content, const ordered_json& comparison,
                    std::size_t pair) {
  const std::string first = comparison.at("first"), second = comparison.at("second");
  page.heading(3, fmt::format("{} and {}", first, second));
  TextRows rows = {{"median", first, second, "unit", "Cliff's delta", "p"}};
  for (const Measure& measure : kMeasures) {
    const auto& test = comparison.at("tests").at(measure.name);
    const auto median = [&](const char* of) {
      return shown(comparison.at(of).at(measure.name).at("quartiles").at(1), measure.decimals);
    };
    const auto& delta = test.at("cliffs_delta");
    const auto& p = test.at("p");
    rows.push_back({measure.name, median("of_first"), median("of_second"), measure.unit, shown(delta, 2),
                    p.is_null() ? "" : fmt::format("{:.2g}", p.get<double>())});
  }
  page.table(fmt::format("{} clips against {}; delta above 0: higher with {}",
                         comparison.at("clips_first").get<std::int64_t>(),
                         comparison.at("clips_second").get<std::int64_t>(), first),
             rows);
  if (comparison.at("separability").is_null()) return;
  page.plot(line_plot(comparison, pair));
  if (!content.at("principal_axes").is_null()) page.plot(axes_plot(content, comparison, pair));
}

void add_labels(Page& page, const TagStatistics& labels) {
  if (labels.tags.empty()) return;
  page.plot(count_plot(labels));
  if (labels.tags_per_clip.size() <= 2) return;  // one tag a clip: nothing comes together
  page.plot(tags_per_clip_plot(labels));
  page.plot(together_plot(labels));
  page.plot(graph_plot(labels));
}

void add_content(Page& page, const ordered_json& content, const TagStatistics& labels) {
  page.plot(effect_plot(content, labels));
  for (const Measure& measure : kMeasures) page.plot(measure_plot(content, labels, measure));
  std::size_t pair = 0;
  for (const auto& comparison : content.at("comparisons")) add_comparison(page, content, comparison, ++pair);
}

void add_analysis(Page& page, const ordered_json& found) {
  const TagStatistics labels = tag_statistics(found.at("labels"));
  page.heading(2, fmt::format("Data set: {}", found.at("data").get<std::string>()));
  page.paragraph(fmt::format("{} clips, {} tags.", labels.clips, labels.tags.size()));
  add_labels(page, labels);
  const auto& content = found.at("content");
  if (content.is_null()) {
    page.paragraph(fmt::format("The sound was not measured: {}.", found.at("no_content").get<std::string>()));
    return;
  }
  page.heading(3, fmt::format("The sound of {} clips", content.at("clips").get<std::int64_t>()));
  add_content(page, content, labels);
}

}  // namespace

Analysis read_analysis(const std::string& path) {
  std::ifstream in(path);
  Analysis analysis{path, ordered_json::parse(in, nullptr, false)};
  if (!analysis.found.is_object() || !analysis.found.contains("labels"))
    fail(ErrorKind::input, "{}: not what `melgrad analyze --out` writes (JSON with \"labels\")", path);
  return analysis;
}

void add_analyses(Page& page, const std::vector<Analysis>& analyses, std::vector<std::string>& problems) {
  for (std::size_t k = 0; k < analyses.size(); ++k) {
    Page section("");
    try {
      add_analysis(section, analyses[k].found);
    } catch (const nlohmann::json::exception& error) {
      problems.push_back(
          fmt::format("{}: left out, not a whole analysis: {}", analyses[k].path, error.what()));
      continue;
    }
    page.append(std::move(section), k == 0 ? "" : fmt::format("-{}", k + 1));
  }
}

}  // namespace melgrad
