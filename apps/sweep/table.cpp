#include "apps/sweep/table.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "io/datasets/csv.h"
#include "io/files/json.h"
#include "kernels/text.h"
#include "models/metrics/statistics.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char *kFinished = "finished", *kDiverged = "diverged";

// The figure of a test that validation by `best_by` is of: of a loss the one that stands first.
std::optional<double> test_figure(const ordered_json& result, const std::string& best_by) {
  if (result.contains("accuracy")) return result.at("accuracy").get<double>();
  const auto& macro = result.at("test").at("macro");
  const auto& value = macro.at(macro.contains(best_by) ? best_by : "roc_auc").at("value");
  return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

SweepRun read_run(const RunFolder& sweep, const std::string& name, std::uint64_t seed,
                  const std::string& best_by) {
  SweepRun run;
  run.name = name;
  run.seed = seed;
  if (!fs::exists(fs::path(sweep.file(name)) / kTrained)) return run;
  const RunFolder folder = RunFolder::open(sweep.file(name));
  folder.read(kTrained, [&](const ordered_json& json) {
    run.outcome = json.at("outcome");
    if (run.outcome != kFinished) return;
    if (!json.at("valid").is_null()) run.valid = json.at("valid").get<double>();
    run.best_epoch = count_of(json.at("best_epoch"));
    run.steps = count_of(json.at("steps"));
    run.weights = json.at("weights");
  });
  if (fs::exists(folder.file("result.json")))
    run.test =
        folder.read("result.json", [&](const ordered_json& json) { return test_figure(json, best_by); });
  return run;
}

std::string cell(const std::vector<double>& figures) {
  if (figures.empty()) return "";
  if (figures.size() == 1) return fmt::format("{:.4f}", figures[0]);
  return fmt::format("{:.4f} ± {:.4f}", mean(figures), deviation(figures));
}

std::string number(const std::optional<double>& value) { return value ? shortest(*value) : ""; }

std::string test_name(const std::string& best_by) { return best_by == "loss" ? "roc_auc" : best_by; }

}  // namespace

bool SweepTable::Point::is_done() const {
  return std::none_of(runs.begin(), runs.end(), [](const SweepRun& run) { return run.outcome.empty(); });
}

bool SweepTable::Point::diverged() const {
  return std::any_of(runs.begin(), runs.end(), [](const SweepRun& run) { return run.outcome == kDiverged; });
}

std::vector<double> SweepTable::Point::figures(std::optional<double> SweepRun::*figure) const {
  std::vector<double> out;
  for (const SweepRun& run : runs)
    if (run.*figure) out.push_back(*(run.*figure));
  return out;
}

std::vector<std::string> SweepTable::runs() const {
  std::vector<std::string> names;
  for (const Point& point : points)
    for (const SweepRun& run : point.runs) names.push_back(run.name);
  return names;
}

std::vector<std::string> SweepTable::missing() const {
  std::vector<std::string> names;
  for (const Point& point : points)
    for (const SweepRun& run : point.runs)
      if (run.outcome.empty()) names.push_back(run.name);
  return names;
}

std::vector<const SweepTable::Point*> SweepTable::ranked() const {
  std::vector<const Point*> order;
  for (const Point& point : points) order.push_back(&point);
  const auto rank = [&](const Point* point) {  // the least is best
    const std::vector<double> valid = point->figures(&SweepRun::valid);
    const int kind = point->diverged() ? 1 : !point->is_done() || valid.empty() ? 2 : 0;
    return std::pair(kind, kind != 0 ? 0.0 : best_by == "loss" ? mean(valid) : -mean(valid));
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Point* a, const Point* b) { return rank(a) < rank(b); });
  return order;
}

const SweepTable::Point* SweepTable::best() const {
  const Point* first = points.empty() || !missing().empty() ? nullptr : ranked().front();
  const bool chosen = first != nullptr && !first->diverged() && !first->figures(&SweepRun::valid).empty();
  return chosen ? first : nullptr;
}

std::string SweepTable::csv() const {
  std::string text = "point,seed";
  for (const std::string& key : keys) text += "," + csv_field(key);
  text += fmt::format(",outcome,valid_{},best_epoch,steps,weights,test_{}\n", best_by, test_name(best_by));
  for (const Point& point : points)
    for (const SweepRun& run : point.runs) {
      text += fmt::format("{},{}", point.number, run.seed);
      // Numbers as they are; csv_field would take a minus for a formula's.
      for (const std::string& value : point.values)
        text += "," + (number_in<double>(value) ? value : csv_field(value));
      const bool trained = run.outcome == kFinished;
      text += fmt::format(",{},{},{},{},{},{}\n", run.outcome.empty() ? "missing" : run.outcome,
                          number(run.valid), trained ? fmt::format("{}", run.best_epoch) : "",
                          trained ? fmt::format("{}", run.steps) : "", run.weights, number(run.test));
    }
  return text;
}

ordered_json SweepTable::json() const {
  ordered_json out = {{"recipe", recipe}, {"best_by", best_by}, {"best", nullptr}};
  if (const Point* first = best()) out["best"] = first->number;
  auto& list = out["points"] = ordered_json::array();
  for (const Point* point : ranked()) {
    ordered_json one = {{"point", point->number}, {"set", ordered_json::object()}};
    for (std::size_t i = 0; i < keys.size(); ++i) one["set"][keys[i]] = point->values[i];
    const std::vector<double> valid = point->figures(&SweepRun::valid);
    one["valid"] = point->diverged() || valid.empty() ? ordered_json() : or_null(mean(valid));
    auto& runs = one["runs"] = ordered_json::array();
    for (const SweepRun& run : point->runs)
      runs.push_back({{"run", run.name},
                      {"seed", run.seed},
                      {"outcome", run.outcome.empty() ? "missing" : run.outcome},
                      {"valid", or_null(run.valid)},
                      {"best_epoch", run.best_epoch},
                      {"steps", run.steps},
                      {"weights", run.weights},
                      {"test", or_null(run.test)}});
    list.push_back(std::move(one));
  }
  if (const auto names = missing(); !names.empty()) out["missing"] = names;
  return out;
}

TextRows SweepTable::rows() const {
  TextRows rows = {{"point"}};
  std::vector<std::size_t> telling;  // keys in which points differ
  for (std::size_t k = 0; k < keys.size(); ++k)
    if (std::any_of(points.begin(), points.end(),
                    [&](const Point& p) { return p.values[k] != points[0].values[k]; }))
      telling.push_back(k);
  for (const std::size_t k : telling) rows[0].push_back(keys[k]);
  rows[0].insert(rows[0].end(), {"runs", "validation " + best_by, "epoch", "test " + test_name(best_by)});
  for (const Point* point : ranked()) {
    std::vector<std::string> row = {fmt::format("{}", point->number)};
    for (const std::size_t k : telling) row.push_back(point->values[k].empty() ? "\"\"" : point->values[k]);
    std::string epochs;
    std::size_t done = 0;
    for (const SweepRun& run : point->runs) {
      done += run.outcome.empty() ? 0 : 1;
      if (run.outcome == kFinished) epochs += (epochs.empty() ? "" : " ") + fmt::format("{}", run.best_epoch);
    }
    row.insert(row.end(), {fmt::format("{}", done),
                           point->diverged() ? kDiverged : cell(point->figures(&SweepRun::valid)), epochs,
                           cell(point->figures(&SweepRun::test))});
    rows.push_back(std::move(row));
  }
  return rows;
}

bool is_sweep(const std::string& folder) {
  if (!fs::is_regular_file(fs::path(folder) / "run.json")) return false;
  const ordered_json run = RunFolder::open(folder).read_json("run.json");
  return run.is_object() && run.contains("points");
}

SweepTable read_sweep(const RunFolder& folder) {
  const Recipe recipe = load_recipe(folder.file("recipe.toml"));
  SweepTable table;
  table.recipe = recipe.name;
  std::vector<std::uint64_t> seeds;
  folder.read("run.json", [&](const ordered_json& run) {
    if (!run.contains("points")) fail(ErrorKind::input, "{}: is no sweep", folder.path().string());
    table.best_by = run.at("best_by");
    for (const auto& [key, values] : run.at("set").items()) table.keys.push_back(key);
    const std::uint64_t first = seed_of(run.at("seed"));
    for (std::int64_t k = 0; k < count_of(run.at("seeds")); ++k)
      seeds.push_back(first + static_cast<std::uint64_t>(k));
    for (const ordered_json& values : run.at("points")) {
      table.points.push_back({table.points.size(), values.get<std::vector<std::string>>(), {}});
      if (table.points.back().values.size() != table.keys.size())
        fail(ErrorKind::input, "{}: point {} has not as many values as there are keys",
             folder.file("run.json"), table.points.size() - 1);
    }
  });
  for (SweepTable::Point& point : table.points)
    for (const std::uint64_t seed : seeds)
      point.runs.push_back(read_run(folder, sweep_run_name(point.number, seed), seed, table.best_by));
  // What others were tested at by hand is not the sweep's to tell.
  const SweepTable::Point* best = table.best();
  for (SweepTable::Point& point : table.points)
    if (&point != best)
      for (SweepRun& run : point.runs) run.test.reset();
  return table;
}

std::string sweep_run_name(std::size_t point, std::uint64_t seed) {
  return fmt::format("point-{:03}-seed-{}", point, seed);
}

void write_trained(TrainingRun& run, const RunFolder& folder) {
  folder.write_json(kTrained, {{"outcome", kFinished},
                               {"best_by", name_of(run.recipe().train.best_by)},
                               {"valid", or_null(run.best_valid())},
                               {"best_epoch", run.best_epoch()},
                               {"steps", run.steps()},
                               {"weights", fmt::format("{:016x}", run.weights_digest())},
                               {"ending", run.ending()}});
}

void write_diverged(const RunFolder& folder) { folder.write_json(kTrained, {{"outcome", kDiverged}}); }

}  // namespace melgrad
