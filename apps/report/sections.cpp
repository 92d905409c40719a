#include "apps/report/sections.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <set>

#include "models/metrics/statistics.h"

namespace melgrad {
namespace {

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }
std::string number(double value) { return std::isnan(value) ? "" : fmt::format("{:.6g}", value); }

// Of its runs' accuracies: the mean, with the spread where there are several.
std::string accuracy_of(const RunGroup& group) {
  std::vector<double> each;
  for (const ReportRun* run : group.runs)
    if (run->genres) each.push_back(run->genres->accuracy);
  if (each.empty()) return "";
  if (each.size() == 1) return percent(each[0]);
  return fmt::format("{:.1f} ± {:.1f} %", 100 * mean(each), 100 * deviation(each));
}

std::string roc_auc_of(const RunGroup& group) {
  std::vector<double> each;
  for (const ReportRun* run : group.runs)
    if (run->tags) each.push_back(run->tags->macro.roc_auc.value);
  if (each.empty()) return "";
  if (each.size() == 1) return fmt::format("{:.3f}", each[0]);
  return fmt::format("{:.3f} ± {:.3f}", mean(each), deviation(each));
}

std::string range_of(const RunGroup& group, std::int64_t ReportRun::*field) {
  const auto [low, high] = std::minmax_element(group.runs.begin(), group.runs.end(),
                                               [&](auto* a, auto* b) { return a->*field < b->*field; });
  return (*low)->*field == (*high)->*field ? fmt::format("{}", (*low)->*field)
                                           : fmt::format("{} to {}", (*low)->*field, (*high)->*field);
}

using Groups = std::vector<const RunGroup*>;

// A line for every run in the colour of its group: one column a group, a blank line between runs.
void add_curve(Page& page, const Groups& groups, double CurvePoint::*field, const std::string& name,
               const std::string& what, const std::string& commands) {
  TextRows rows = {{"run", "epoch"}};
  for (const RunGroup* group : groups) rows[0].push_back(group->label);
  std::string plot;
  std::size_t curves = 0;
  bool short_runs = true;  // a run of one epoch has no line
  for (const RunGroup* group : groups)
    for (const ReportRun* run : group->runs) short_runs = short_runs && run->curve.size() <= 40;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const ReportRun* run : groups[g]->runs) {
      const std::size_t before = rows.size();
      for (const CurvePoint& point : run->curve) {
        if (std::isnan(point.*field)) continue;
        std::vector<std::string> row(2 + groups.size());
        row[0] = run->path;
        row[1] = number(point.epoch);
        row[2 + g] = number(point.*field);
        rows.push_back(std::move(row));
      }
      if (rows.size() == before) continue;
      rows.emplace_back();
      ++curves;
    }
    plot +=
        fmt::format("{} data using 2:{} with {} lt {} lw {}", g == 0 ? "plot" : ",", 3 + g,
                    short_runs ? "linespoints ps 0.5" : "lines", g + 1, groups[g]->runs.size() > 1 ? 1 : 2);
    if (groups.size() > 1) plot += fmt::format(" title columnhead({})", 3 + g);
  }
  if (curves == 0) return;
  const auto legend_rows = static_cast<int>(groups.size() > 1 ? (groups.size() + 1) / 2 : 0);
  page.plot({name, what,
             fmt::format("Line chart of {} runs: {} over the epochs. The figures are in {}.csv.", curves,
                         what, name),
             std::move(rows), commands + "\nset xlabel 'epoch'\nset key above horizontal width -3\n" + plot,
             460, 300 + 20 * legend_rows});
}

// What can stand in one picture: the same validation, and as many groups as there are colours.
std::vector<Groups> for_one_picture(const std::vector<RunGroup>& groups) {
  constexpr std::size_t kColours = 7;
  std::vector<Groups> pictures;
  std::set<std::string> done;
  for (const RunGroup& first : groups) {
    const std::string& kind = first.runs[0]->best_by;
    if (!done.insert(kind).second) continue;
    std::size_t taken = 0;
    for (const RunGroup& group : groups) {
      if (group.runs[0]->best_by != kind) continue;
      if (taken++ % kColours == 0) pictures.emplace_back();
      pictures.back().push_back(&group);
    }
  }
  return pictures;
}

// Of rates: from 0, but logarithmic where some would lie flat on the axis of others.
std::string rate_axis(const Groups& groups) {
  double least = std::numeric_limits<double>::infinity(), most = 0;  // among the largest rates of each group
  for (const RunGroup* group : groups) {
    double largest = 0;
    for (const ReportRun* run : group->runs)
      for (const CurvePoint& point : run->curve) largest = std::max(largest, point.rate);
    least = std::min(least, largest);
    most = std::max(most, largest);
  }
  if (least <= 0 || most < 20 * least) return "set yrange [0:*]";
  return fmt::format("set logscale y\nset format y '%g'\nset yrange [{:.3g}:*]", least / 100);
}

}  // namespace

std::vector<RunGroup> group_runs(const std::vector<ReportRun>& runs) {
  std::vector<RunGroup> groups;
  for (const ReportRun& run : runs) {
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [&](const RunGroup& g) { return g.runs[0]->recipe == run.recipe; });
    if (found == groups.end()) {
      groups.push_back({run.group, "", "", {&run}});
    } else {
      found->runs.push_back(&run);
    }
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    groups[g].id = fmt::format("{}", g + 1);
    std::set<std::string> telling;
    std::size_t of_this_name = 0, nth = 0;
    const auto& recipe = groups[g].runs[0]->recipe;
    for (std::size_t h = 0; h < groups.size(); ++h) {
      if (groups[h].runs[0]->group != groups[g].runs[0]->group) continue;
      ++of_this_name;
      if (h <= g) ++nth;
      const auto& theirs = groups[h].runs[0]->recipe;
      for (const auto& [key, value] : recipe)
        if (theirs.contains(key) && theirs.at(key) != value) telling.insert(key);
    }
    if (of_this_name > 1) groups[g].label += fmt::format(" ({})", nth);
    for (const std::string& key : telling)
      groups[g].settings +=
          fmt::format("{}{} {}", groups[g].settings.empty() ? "" : ", ", key, recipe.at(key));
  }
  return groups;
}

void add_overview(Page& page, const std::vector<RunGroup>& groups) {
  TextRows rows = {
      {"recipe", "differs in", "runs", "epochs", "steps", "test accuracy of tracks", "macro ROC-AUC"}};
  for (const RunGroup& group : groups) {
    rows.push_back({group.label, group.settings, fmt::format("{}", group.runs.size()),
                    range_of(group, &ReportRun::epochs), range_of(group, &ReportRun::steps),
                    accuracy_of(group), roc_auc_of(group)});
  }
  const auto drop_empty = [&](std::size_t column) {
    if (std::any_of(rows.begin() + 1, rows.end(), [&](const auto& row) { return !row[column].empty(); }))
      return;
    for (auto& row : rows) row.erase(row.begin() + static_cast<std::ptrdiff_t>(column));
  };
  for (const std::size_t column : {6, 5, 1}) drop_empty(column);
  page.table("Mean and standard deviation over the runs of a recipe", rows);
}

void add_sweeps(Page& page, const std::vector<SweepTable>& sweeps) {
  for (const SweepTable& sweep : sweeps) {
    page.heading(2, "Sweep of " + sweep.recipe);
    page.paragraph(fmt::format(
        "Points are ordered by validation, mean and standard deviation over their runs; the test tracks were "
        "asked for the first alone, once all were trained.{}",
        sweep.missing().empty() ? "" : fmt::format(" {} runs are missing.", sweep.missing().size())));
    page.table("What was tried", sweep.rows());
  }
}

void add_learning_curves(Page& page, const std::vector<RunGroup>& groups) {
  page.heading(2, "Learning curves");
  const std::vector<Groups> pictures = for_one_picture(groups);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto named = [&](const char* name) { return fmt::format("{}-{}", name, i + 1); };
    const Groups& shown = pictures[i];
    add_curve(page, shown, &CurvePoint::loss, named("loss"), "loss in training, with penalties",
              "set ylabel 'loss'");
    add_curve(page, shown, &CurvePoint::valid, named("validation"),
              "validation " + shown[0]->runs[0]->best_by, "set ylabel 'validation'");
    add_curve(page, shown, &CurvePoint::rate, named("rate"), "learning rate",
              "set ylabel 'rate'\n" + rate_axis(shown));
    add_curve(page, shown, &CurvePoint::seconds_per_step, named("step-time"),
              "seconds per step, validation included", "set ylabel 'seconds per step'\nset yrange [0:*]");
  }
}

double mcnemar(std::int64_t b, std::int64_t c) {
  const std::int64_t n = b + c;
  if (n == 0) return 1;
  const auto pairs = static_cast<double>(n);
  if (n > 1000) {
    const double z = (std::abs(static_cast<double>(b - c)) - 1) / std::sqrt(pairs);
    return std::min(1.0, std::erfc(std::max(0.0, z) / std::sqrt(2.0)));
  }
  double tail = 0;
  for (std::int64_t k = 0; k <= std::min(b, c); ++k) {
    const auto chosen = static_cast<double>(k);
    tail += std::exp(std::lgamma(pairs + 1) - std::lgamma(chosen + 1) - std::lgamma(pairs - chosen + 1) -
                     pairs * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

void add_comparisons(Page& page, const std::vector<RunGroup>& groups) {
  TextRows rows = {{"runs", "tracks", "first right", "second right", "only first", "only second", "p"}};
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t h = g + 1; h < groups.size(); ++h) {
      for (const ReportRun* first : groups[g].runs) {
        for (const ReportRun* second : groups[h].runs) {
          if (!first->genres || !second->genres || first->genres->classes != second->genres->classes)
            continue;
          const auto &a = first->genres->tracks, &b = second->genres->tracks;
          const bool same = std::equal(a.begin(), a.end(), b.begin(), b.end(),
                                       [](const auto& x, const auto& y) { return x.name == y.name; });
          if (!same) continue;
          std::int64_t only_first = 0, only_second = 0;
          for (std::size_t i = 0; i < a.size(); ++i) {
            const bool right = a[i].answer == a[i].label, other = b[i].answer == b[i].label;
            only_first += right && !other ? 1 : 0;
            only_second += other && !right ? 1 : 0;
          }
          rows.push_back({first->path + " / " + second->path, fmt::format("{}", a.size()),
                          percent(first->genres->accuracy), percent(second->genres->accuracy),
                          fmt::format("{}", only_first), fmt::format("{}", only_second),
                          fmt::format("{:.3g}", mcnemar(only_first, only_second))});
        }
      }
    }
  }
  if (rows.size() == 1) return;
  page.heading(2, "Comparison, track by track");
  page.paragraph(
      "Runs with the same test tracks. Only the tracks that one of them gets right and the other wrong tell "
      "them "
      "apart; p is McNemar's, exact: how likely so uneven a count is if both are equally good. With many "
      "rows some "
      "p are small by chance.");
  page.table("Test tracks answered rightly", rows);
}

void add_recipe_differences(Page& page, const std::vector<RunGroup>& groups) {
  if (groups.size() < 2) return;
  std::set<std::string> keys;
  for (const RunGroup& group : groups)
    for (const auto& [key, value] : group.runs[0]->recipe) keys.insert(key);
  keys.erase("name");
  keys.erase("title");
  TextRows rows = {{"setting"}};
  for (const RunGroup& group : groups) rows[0].push_back(group.label);
  for (const std::string& key : keys) {
    std::vector<std::string> row = {key};
    for (const RunGroup& group : groups) {
      const auto& recipe = group.runs[0]->recipe;
      row.push_back(recipe.contains(key) ? recipe.at(key) : "");
    }
    if (std::adjacent_find(row.begin() + 1, row.end(), std::not_equal_to<>()) != row.end())
      rows.push_back(row);
  }
  page.heading(2, "What the recipes differ in");
  page.table("Settings that are not the same in all", rows);
}

void add_origins(Page& page, const std::vector<ReportRun>& runs) {
  if (runs.empty()) return;
  // What is the same for all is said once.
  TextRows shared = {{"of all runs", ""}}, rows = {{"run"}};
  for (const ReportRun& run : runs) rows.push_back({run.path});
  for (std::size_t i = 0; i < runs[0].origin.size(); ++i) {
    const std::string& what = runs[0].origin[i].first;
    const std::string& first = runs[0].origin[i].second;
    const bool same = std::all_of(runs.begin(), runs.end(),
                                  [&](const ReportRun& run) { return run.origin[i].second == first; });
    if (same) {
      shared.push_back({what, first});
      continue;
    }
    rows[0].push_back(what);
    for (std::size_t r = 0; r < runs.size(); ++r) rows[r + 1].push_back(runs[r].origin[i].second);
  }
  page.heading(2, "Where the runs come from");
  if (shared.size() > 1) page.table("As their run.json has it", shared);
  if (rows[0].size() > 1) page.table("What differs", rows);
}

void add_notes(Page& page, const std::vector<ReportRun>& runs) {
  TextRows rows = {{"run", "note"}};
  for (const ReportRun& run : runs)
    for (const std::string& note : run.notes) rows.push_back({run.path, note});
  if (rows.size() == 1) return;
  page.heading(2, "What is missing");
  page.table("Files that a run lacks or that could not be read", rows);
}

}  // namespace melgrad
