// The part of a report on tags.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "apps/report/sections.h"
#include "apps/terminal/result_text.h"
#include "models/metrics/tag_metrics.h"

namespace melgrad {
namespace {

struct Tagger {
  std::string name, id;
  const TagMetrics* test;
  const std::vector<TagCurve>* curves;
};

struct Drawn {
  const char *name, *axis;
  FigureMember figure;
};
constexpr Drawn kDrawnFigures[] = {{"roc_auc", "ROC-AUC", &TagFigures::roc_auc},
                                   {"pr_auc", "PR-AUC", &TagFigures::pr_auc}};

std::vector<Tagger> taggers(const std::vector<RunGroup>& groups) {
  std::vector<Tagger> out;
  for (const RunGroup& group : groups) {
    for (const ReportRun* run : group.runs) {
      if (!run->tags) continue;
      const std::string name = group.runs.size() == 1 ? group.label : group.label + ", " + run->path;
      out.push_back({name, fmt::format("{}", out.size() + 1), &*run->tags, &run->tag_curves});
    }
  }
  return out;
}

TextRows head_of(const char* what) { return {{what, "value", "baseline", "low", "high"}}; }

// A row below it; empty cells where the figure is undefined.
std::vector<std::string> row_of(const std::string& name, const Figure& figure) {
  std::vector<std::string> row = {name};
  for (const double number : {figure.value, figure.baseline, figure.low, figure.high})
    row.push_back(std::isnan(number) ? "" : fmt::format("{:.6g}", number));
  return row;
}

// A row a name: dot, 95 % interval, and a bar where the baseline is.
Plot dots(const std::string& name, TextRows data, const std::string& axis, std::string caption,
          std::string alt) {
  const std::size_t rows = data.size() - 1;
  return {name,
          std::move(caption),
          std::move(alt),
          std::move(data),
          fmt::format(R"(set xrange [0:1]
set yrange [{0}-0.5:-0.5]
set xlabel '{1}'
set grid xtics noytics
set key above vertical maxcols 1
plot data using 2:0:4:5:ytic(1) with xerrorbars lt 1 ps 0.8 title 'with 95 % interval', \
     data using 3:0:(0):(0.7) with vectors nohead lc rgb ink lw 0, \
     data using 3:($0-0.35):(0):(0.7) with vectors nohead lt 2 title 'predicting nothing')",
                      rows, axis),
          460,
          120 + 26 * static_cast<int>(rows)};
}

// A curve for each tag: a column for each, a blank line between; named and coloured as long as colours last.
Plot tag_curves(const Tagger& tagger, std::vector<std::pair<double, double>> TagCurve::*field,
                const std::string& name, const std::string& x, const std::string& y) {
  constexpr std::size_t kNamed = 14;
  Plot plot;
  plot.name = fmt::format("{}-{}", name, tagger.id);
  plot.data = {{x}};
  const bool named = tagger.curves->size() <= kNamed;
  if (named) plot.commands = "set key above horizontal width -3\n";
  plot.commands +=
      fmt::format("set xrange [0:1]\nset yrange [0:1]\nset xlabel '{}'\nset ylabel '{}'\n", x, y);
  for (const TagCurve& curve : *tagger.curves) plot.data[0].push_back(curve.tag);
  for (std::size_t k = 0; k < tagger.curves->size(); ++k) {
    for (const auto& [at, value] : (*tagger.curves)[k].*field) {
      std::vector<std::string> row(1 + tagger.curves->size());
      row[0] = fmt::format("{:.4g}", at);
      row[1 + k] = fmt::format("{:.4g}", value);
      plot.data.push_back(std::move(row));
    }
    plot.data.emplace_back();
    plot.commands += fmt::format("{} data using 1:{} with lines lt {} lw 1.5 dt {}{}", k == 0 ? "plot" : ",",
                                 k + 2, named ? k % 7 + 1 : 1, named && k >= 7 ? 2 : 1,
                                 named ? fmt::format(" title columnhead({})", k + 2) : "");
  }
  plot.caption = fmt::format("{}: {} against {} of each tag", tagger.name, y, x);
  plot.alt = fmt::format("{} curves of {} against {}; their points are in {}.csv.", tagger.curves->size(), y,
                         x, plot.name);
  plot.height = named ? 380 : 320;
  return plot;
}

void add_macro(Page& page, const std::vector<Tagger>& all) {
  TextRows rows = {{"model"}};
  for (const auto& [key, title, member] : kTagFigures) rows[0].emplace_back(title);
  for (const Tagger& tagger : all) {
    std::vector<std::string> row = {tagger.name};
    for (const auto& [key, title, member] : kTagFigures)
      row.push_back(figure_text((tagger.test->macro.*member).value));
    rows.push_back(std::move(row));
  }
  TextRows baselines;  // one, unless the test tracks differ
  for (const Tagger& tagger : all) {
    std::vector<std::string> row = {"predicting nothing"};
    for (const auto& [key, title, member] : kTagFigures)
      row.push_back(figure_text((tagger.test->macro.*member).baseline));
    if (std::find(baselines.begin(), baselines.end(), row) == baselines.end())
      baselines.push_back(std::move(row));
  }
  rows.insert(rows.end(), baselines.begin(), baselines.end());
  page.table("Means over the tags, and what an empty answer gets", rows);
  for (const Drawn& drawn : kDrawnFigures) {
    TextRows data = head_of("model");
    const Tagger* best = &all[0];
    const auto value = [&](const Tagger& tagger) { return (tagger.test->macro.*drawn.figure).value; };
    for (const Tagger& tagger : all) {
      data.push_back(row_of(tagger.name, tagger.test->macro.*drawn.figure));
      if (std::isnan(value(*best)) || value(tagger) > value(*best)) best = &tagger;
    }
    const std::string axis = fmt::format("macro {}", drawn.axis);
    page.plot(dots(fmt::format("macro-{}", drawn.name), std::move(data), axis,
                   fmt::format("{} of all models", axis),
                   fmt::format("Dot plot of {} models; {} is best with {}.", all.size(), best->name,
                               figure_text(value(*best)))));
  }
}

void add_tags_of(Page& page, const Tagger& tagger) {
  page.heading(3, tagger.name);
  const std::vector<TagResult>& tags = tagger.test->tags;
  TextRows table = {{"tag", "tracks with it"}};
  for (const auto& [key, title, member] : kTagFigures) table[0].emplace_back(title);
  for (const TagResult& tag : tags) {
    std::vector<std::string> row = {tag.tag, fmt::format("{}", tag.positives)};
    for (const auto& [key, title, member] : kTagFigures)
      row.push_back(figure_text((tag.figures.*member).value));
    table.push_back(std::move(row));
  }
  page.table(fmt::format("{}: {} test tracks", tagger.name, tagger.test->tracks), table);
  for (const Drawn& drawn : kDrawnFigures) {
    TextRows data = head_of("tag");
    for (const TagResult& tag : tags) data.push_back(row_of(tag.tag, tag.figures.*drawn.figure));
    page.plot(dots(
        fmt::format("{}-{}", drawn.name, tagger.id), std::move(data), drawn.axis,
        fmt::format("{}: {} of each tag", tagger.name, drawn.axis),
        fmt::format("Dot plot of the {} of {} tags with intervals, each beside its baseline; the figures "
                    "are in the table above and in {}-{}.csv.",
                    drawn.axis, tags.size(), drawn.name, tagger.id)));
  }
  if (tagger.curves->empty()) return;
  page.plot(tag_curves(tagger, &TagCurve::roc, "roc", "false positive rate", "true positive rate"));
  page.plot(tag_curves(tagger, &TagCurve::pr, "precision-recall", "recall", "precision"));
}

}  // namespace

void add_tag_results(Page& page, const std::vector<RunGroup>& groups) {
  const std::vector<Tagger> all = taggers(groups);
  if (all.empty()) return;
  page.heading(2, "Tags");
  add_macro(page, all);
  for (const Tagger& tagger : all) add_tags_of(page, tagger);
}

}  // namespace melgrad
