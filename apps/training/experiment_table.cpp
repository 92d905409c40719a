#include "apps/training/experiment_table.h"

#include <algorithm>
#include <map>

#include "apps/terminal/result_text.h"
#include "apps/terminal/text_table.h"
#include "kernels/text.h"
#include "models/metrics/paired.h"
#include "models/metrics/statistics.h"
#include "models/metrics/tag_metrics.h"

namespace melgrad {
namespace {

using nlohmann::ordered_json;

// Track by track over the runs that tested it: sum and count.
using TrackSums = std::map<std::string, std::pair<double, std::int64_t>>;

std::vector<double> means_of(const TrackSums& sums) {
  std::vector<double> means;
  for (const auto& [track, sum] : sums) means.push_back(sum.first / static_cast<double>(sum.second));
  return means;
}

// 1 where the answer is right, by the track's name.
std::map<std::string, double> right_answers(const TestedRun& run) {
  std::map<std::string, double> right;
  for (const auto& track : run.result.at("test").at("predictions"))
    right[track.at("track")] = track.at("label") == track.at("answer") ? 1 : 0;
  return right;
}

// A recipe's runs in a protocol.
struct Cell {
  std::size_t recipe = 0, protocol = 0;
  std::vector<const TestedRun*> runs;
};

std::vector<Cell> cells_of(const Experiment& experiment, const TestedRuns& tested) {
  std::vector<Cell> cells;
  for (std::size_t p = 0; p < experiment.protocols.size(); ++p)
    for (std::size_t r = 0; r < experiment.recipes.size(); ++r) {
      Cell cell{r, p, {}};
      for (const TestedRun& run : tested.runs)
        if (run.run.recipe == r && run.run.protocol == p) cell.runs.push_back(&run);
      if (!cell.runs.empty()) cells.push_back(std::move(cell));
    }
  return cells;
}

std::string protocol_name(const Experiment& experiment, std::size_t protocol) {
  return name_of(experiment.protocols[protocol].protocol);
}

std::vector<double> each(const Cell& cell, const std::function<double(const ordered_json& test)>& figure) {
  std::vector<double> values;
  for (const TestedRun* run : cell.runs) values.push_back(figure(run->result.at("test")));
  return values;
}

ordered_json spread_json(const std::vector<double>& values) {
  return {{"mean", mean(values)}, {"deviation", deviation(values)}};
}

std::string points(double low, double high) { return fmt::format("{:.1f} to {:.1f}", 100 * low, 100 * high); }

// ---- genres

// What result.json says of it; a row of the table.
ordered_json genre_cell(const Cell& cell, const Experiment& experiment, const RunFolder& folder,
                        TextRows& rows) {
  Confusion confusion;
  TrackSums sums;
  for (const TestedRun* run : cell.runs) {
    add_confusion(confusion, *run, folder);
    for (const auto& [track, right] : right_answers(*run)) {
      sums[track].first += right;
      ++sums[track].second;
    }
  }
  const auto accuracy =
      each(cell, [](const ordered_json& test) { return test.at("accuracy").get<double>(); });
  const auto segments =
      each(cell, [](const ordered_json& test) { return test.at("segment_accuracy").get<double>(); });
  const auto [low, high] = bootstrap_mean(means_of(sums));
  const std::string &recipe = experiment.recipes[cell.recipe].name,
                    protocol = protocol_name(experiment, cell.protocol);
  ordered_json json = {{"recipe", recipe},
                       {"protocol", protocol},
                       {"runs", cell.runs.size()},
                       {"tracks", sums.size()},
                       {"accuracy", spread_json(accuracy)},
                       {"segment_accuracy", spread_json(segments)},
                       {"confusion", confusion}};
  json["accuracy"]["interval"] = {low, high};
  rows.push_back({protocol + ": " + recipe, std::to_string(cell.runs.size()), percent_text(accuracy),
                  points(low, high), percent_text(segments), std::to_string(sums.size())});
  return json;
}

// Of what two recipes answer in runs of the same split and repetition. Nothing where they share no run.
ordered_json comparison(const Cell& a, const Cell& b, const Experiment& experiment) {
  TrackSums differences;
  std::size_t pairs = 0;
  for (const TestedRun* one : a.runs)
    for (const TestedRun* other : b.runs) {
      if (one->run.split != other->run.split || one->run.repetition != other->run.repetition) continue;
      const auto of_one = right_answers(*one), of_other = right_answers(*other);
      ++pairs;
      for (const auto& [track, right] : of_one) {
        const auto at = of_other.find(track);
        if (at == of_other.end()) continue;
        differences[track].first += right - at->second;
        ++differences[track].second;
      }
    }
  if (differences.empty()) return nullptr;
  const PairedComparison found = compared(means_of(differences));
  return {{"protocol", protocol_name(experiment, a.protocol)},
          {"a", experiment.recipes[a.recipe].name},
          {"b", experiment.recipes[b.recipe].name},
          {"runs", pairs},
          {"tracks", found.tracks},
          {"difference", found.difference},
          {"interval", {found.low, found.high}},
          {"p", found.p}};
}

ordered_json comparisons_of(const std::vector<Cell>& cells, const Experiment& experiment) {
  ordered_json all = ordered_json::array();
  for (std::size_t i = 0; i < cells.size(); ++i)
    for (std::size_t k = i + 1; k < cells.size() && cells[k].protocol == cells[i].protocol; ++k)
      if (ordered_json one = comparison(cells[i], cells[k], experiment); !one.is_null())
        all.push_back(std::move(one));
  return all;
}

std::string comparisons_text(const ordered_json& comparisons) {
  if (comparisons.empty()) return "";
  TextRows rows = {{"difference on the same tracks", "points", "95 % interval", "p", "runs", "tracks"}};
  for (const ordered_json& one : comparisons)
    rows.push_back({fmt::format("{}: {} - {}", one.at("protocol").get<std::string>(),
                                one.at("a").get<std::string>(), one.at("b").get<std::string>()),
                    fmt::format("{:+.1f}", 100 * one.at("difference").get<double>()),
                    points(one.at("interval").at(0), one.at("interval").at(1)),
                    fmt::format("{:.4f}", one.at("p").get<double>()),
                    std::to_string(one.at("runs").get<std::size_t>()),
                    std::to_string(one.at("tracks").get<std::size_t>())});
  return align(rows) +
         "p: sign-flip permutation test over tracks, not corrected for the number of comparisons\n\n";
}

// What is printed; `json` gets the same.
std::string genres_of(const RunFolder& folder, const Experiment& experiment, const TestedRuns& tested,
                      ordered_json& json) {
  const std::vector<Cell> cells = cells_of(experiment, tested);
  TextRows rows = {{"test accuracy of tracks", "runs", "mean", "95 % interval", "segments", "tracks"}};
  std::string confusions;
  for (const Cell& cell : cells) {
    json["table"].push_back(genre_cell(cell, experiment, folder, rows));
    if (experiment.protocols[cell.protocol].protocol == Protocol::folds)
      confusions += fmt::format("{}: confusion of all folds, rates per true genre\n\n{}\n",
                                printable(experiment.recipes[cell.recipe].name),
                                as_table(json["table"].back()["confusion"].get<Confusion>(), tested.classes));
  }
  json["comparisons"] = comparisons_of(cells, experiment);
  return align(rows) + "±: deviation over runs; interval: bootstrap over tracks\n\n" +
         comparisons_text(json["comparisons"]) + confusions;
}

// ---- tags

// All test tracks of the first repetition together.
TagScores pooled_scores(const Cell& cell, const std::vector<std::string>& tags) {
  TagScores pool{{}, tags, {}, {}};
  for (const TestedRun* run : cell.runs) {
    if (run->run.repetition > 0) continue;
    for (const auto& track : run->result.at("test").at("predictions")) {
      pool.tracks.push_back(track.at("track"));
      const std::vector<std::string> own = track.at("tags");
      for (std::size_t k = 0; k < tags.size(); ++k) {
        pool.scores.push_back(track.at("scores").at(k).get<float>());
        pool.targets.push_back(std::find(own.begin(), own.end(), tags[k]) != own.end() ? 1 : 0);
      }
    }
  }
  return pool;
}

// "0.812 ± 0.013"; a run may have none.
std::string figure_spread(std::vector<double> values) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  if (values.empty()) return "-";
  return values.size() > 1 ? fmt::format("{:.3f} ± {:.3f}", mean(values), deviation(values))
                           : fmt::format("{:.3f}", values[0]);
}

std::string tags_of(const Experiment& experiment, const TestedRuns& tested, int threads, ordered_json& json) {
  TextRows rows = {
      {"macro over tags", "runs", "ROC-AUC", "all tracks (95 %)", "PR-AUC", "all tracks (95 %)", "tracks"}};
  for (const Cell& cell : cells_of(experiment, tested)) {
    TagMetricsOptions options;
    options.threads = threads;
    const TagMetrics all = tag_metrics(pooled_scores(cell, tested.classes), options);
    const std::string &recipe = experiment.recipes[cell.recipe].name,
                      protocol = protocol_name(experiment, cell.protocol);
    ordered_json one = {{"recipe", recipe}, {"protocol", protocol}, {"runs", cell.runs.size()}};
    std::vector<std::string> row = {protocol + ": " + recipe, std::to_string(cell.runs.size())};
    for (const char* key : {"roc_auc", "pr_auc"}) {
      const auto values = each(cell, [&](const ordered_json& test) {
        const ordered_json& value = test.at("macro").at(key).at("value");
        return value.is_null() ? std::nan("") : value.get<double>();
      });
      const Figure& figure =
          all.macro.*(std::string(key) == "roc_auc" ? &TagFigures::roc_auc : &TagFigures::pr_auc);
      one[key] = {{"mean", or_null(mean(values))}, {"deviation", or_null(deviation(values))}};
      row.push_back(figure_spread(values));
      row.push_back(fmt::format("{} ({} to {})", figure_text(figure.value), figure_text(figure.low),
                                figure_text(figure.high)));
    }
    row.push_back(std::to_string(all.tracks));
    one["pooled"] = as_json(all);
    json["table"].push_back(std::move(one));
    rows.push_back(std::move(row));
  }
  return align(rows) + "±: deviation over runs; interval: bootstrap over tracks\n\n";
}

}  // namespace

void add_confusion(Confusion& confusion, const TestedRun& run, const RunFolder& folder) {
  const std::string file = folder.file(run.name) + "/result.json";
  Confusion own;
  reading_json(file, [&] {
    for (const auto& row : run.result.at("test").at("confusion")) own.push_back(counts_of(row));
  });
  if (confusion.empty()) confusion.assign(own.size(), std::vector<std::int64_t>(own.size(), 0));
  const auto fits = [&](const auto& row) { return row.size() == confusion.size(); };
  if (!fits(own) || !std::all_of(own.begin(), own.end(), fits))
    fail(ErrorKind::input, "{}: its confusion matrix is not {} by {}", file, confusion.size(),
         confusion.size());
  for (std::size_t r = 0; r < own.size(); ++r)
    for (std::size_t c = 0; c < own.size(); ++c) confusion[r][c] += own[r][c];
}

std::string percent_text(const std::vector<double>& shares) {
  return shares.size() > 1 ? fmt::format("{:.1f} ± {:.1f} %", 100 * mean(shares), 100 * deviation(shares))
                           : fmt::format("{:.1f} %", 100 * shares[0]);
}

void tell_experiment(const RunFolder& folder, const Experiment& experiment, const TestedRuns& tested,
                     const Settings& settings) {
  ordered_json out = {{"recipes", ordered_json::array()}, {"data", as_utf8(experiment.data.path)},
                      {"seed", experiment.seed},          {"classes", tested.classes},
                      {"device", tested.device},          {"table", ordered_json::array()}};
  for (const Recipe& recipe : experiment.recipes) out["recipes"].push_back(recipe.name);
  const std::string text = reading_json(folder.path().string(), [&] {
    return experiment.recipes[0].task == TaskKind::tags ? tags_of(experiment, tested, settings.threads, out)
                                                        : genres_of(folder, experiment, tested, out);
  });
  auto& runs = out["runs"] = ordered_json::array();
  for (const TestedRun& run : tested.runs) {
    runs.push_back({{"run", run.name},
                    {"recipe", experiment.recipes[run.run.recipe].name},
                    {"protocol", protocol_name(experiment, run.run.protocol)},
                    {"split", run.run.split},
                    {"repetition", run.run.repetition},
                    {"seed", experiment.seed_of(run.run)}});
    const ordered_json& test = run.result.at("test");
    for (const char* key : {"accuracy", "segment_accuracy"})
      if (test.contains(key)) runs.back()[key] = test.at(key);
    if (test.contains("macro"))
      for (const char* key : {"roc_auc", "pr_auc"}) runs.back()[key] = test.at("macro").at(key).at("value");
  }
  if (!tested.missing.empty()) out["missing"] = tested.missing;
  folder.write_json("result.json", out);
  if (settings.json) return print_json(out);
  print("\n{}result: {}\n", Lines{text}, folder.file("result.json"));
}

}  // namespace melgrad
