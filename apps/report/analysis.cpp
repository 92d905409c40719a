#include "apps/report/analysis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <map>

#include "apps/analysis/content.h"
#include "apps/report/gnuplot.h"
#include "apps/report/labels.h"
#include "io/files/json.h"
#include "io/files/text_file.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kCloud = 1000;  // clips, at most, behind those of two tags
constexpr std::size_t kHistogramBins = 24;

// JSON has null where a figure is undefined, gnuplot NaN.
std::string number(const ordered_json& value) {
  return value.is_null() ? "NaN" : fmt::format("{:.6g}", value.get<double>());
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
      "the tag) to 1 (always higher); {}.",
      of_frequent(labels));
  plot.alt = fmt::format("Heat map of {} tags by {} measures; the largest effect is {}, {:+.2f}.",
                         order.size(), kMeasures.size(), what, largest);
  // The cells' letters are of fixed colours: the cells do not turn dark with the page.
  plot.commands = R"(unset colorbox
set palette defined (-1 '#b34700', -0.5 '#f0a060', 0 '#f7f7f7', 0.5 '#6baed6', 1 '#08519c')
set cbrange [-1:1]
)" + heat_map(40) +
                  R"(, \
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
  if (value.is_null()) return "";
  const auto x = value.get<double>();
  const bool vanishes = x != 0 && std::abs(x) < 0.5 * std::pow(10, -decimals);
  return vanishes ? fmt::format("{:.1e}", x) : fmt::format("{:.{}f}", x, decimals);
}

// How many clips of either tag lie where on the line that tells them apart best.
Plot line_plot(const ordered_json& comparison, std::size_t pair) {
  const auto& line = comparison.at("discriminant");
  double low = INFINITY, high = -INFINITY;
  for (const auto& clip : line) {
    low = std::min(low, clip.at("x").get<double>());
    high = std::max(high, clip.at("x").get<double>());
  }
  const double range = std::max(high - low, 1e-12);
  std::array<std::array<int, 2>, kHistogramBins> clips{};
  for (const auto& clip : line) {
    const std::size_t bin = bin_of((clip.at("x").get<double>() - low) / range, kHistogramBins);
    ++clips[bin][clip.at("tag") == comparison.at("first") ? 0 : 1];
  }
  Plot plot;
  plot.data = {{"discriminant", comparison.at("first"), comparison.at("second")}};
  for (std::size_t bin = 0; bin < kHistogramBins; ++bin)
    plot.data.push_back(
        {fmt::format("{:.4g}", low + (static_cast<double>(bin) + 0.5) * range / kHistogramBins),
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
  page.table(
      fmt::format("{} clips against {}; delta above 0: higher with {}",
                  count_of(comparison.at("clips_first")), count_of(comparison.at("clips_second")), first),
      rows);
  if (comparison.at("separability").is_null()) return;
  page.plot(line_plot(comparison, pair));
  if (!content.at("principal_axes").is_null()) page.plot(axes_plot(content, comparison, pair));
}

void add_content(Page& page, const ordered_json& content, const TagStatistics& labels) {
  page.plot(effect_plot(content, labels));
  for (const Measure& measure : kMeasures) {
    if (count_of(content.at("all").at(measure.name).at("clips")) > 0)  // short clips have no tempo
      page.plot(measure_plot(content, labels, measure));
  }
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
  page.heading(3, fmt::format("The sound of {} clips", count_of(content.at("clips"))));
  add_content(page, content, labels);
}

}  // namespace

Analysis read_analysis(const std::string& path) {
  Analysis analysis{path, json_or_none(read_text_file(path)).value_or(nullptr)};
  if (!analysis.found.is_object() || !analysis.found.contains("labels"))
    fail(ErrorKind::input, "{}: not what `melgrad analyze --out` writes (JSON with \"labels\")", path);
  return analysis;
}

void add_analyses(Page& page, const std::vector<Analysis>& analyses, std::vector<std::string>& problems) {
  for (std::size_t k = 0; k < analyses.size(); ++k) {
    Page section("");
    try {
      reading_json(analyses[k].path + ": left out, not a whole analysis",
                   [&] { add_analysis(section, analyses[k].found); });
    } catch (const Error& error) {
      problems.emplace_back(error.what());
      continue;
    }
    page.append(std::move(section), k == 0 ? "" : fmt::format("-{}", k + 1));
  }
}

}  // namespace melgrad
