// What a sweep's folder says: which points there are, and what has come of each so far. Read from files
// alone, for the command that made it and for `report`.
//   run.json                what was asked for, and the points
//   recipe.toml             the recipe that they change
//   point-000-seed-0/       a run: point 0, seed 0 (models/runs/run_folder.h), and
//     trained.json          what its training came to: `outcome` (finished, diverged), `best_by`, `valid`,
//                           `best_epoch`, `steps`, `weights` (digest), `ending`
//     result.json           of the best point alone
//   sweep.csv               a row a run, in the points' order
//   result.json             the points, best first
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/terminal/text_table.h"
#include "models/runs/run_folder.h"
#include "models/training/run.h"

namespace melgrad {

struct SweepRun {
  std::string name;  // of its folder
  std::uint64_t seed = 0;
  std::string outcome;  // "" while it is not done
  std::optional<double> valid, test;
  std::int64_t best_epoch = 0, steps = 0;
  std::string weights;
};

struct SweepTable {
  struct Point {
    std::size_t number = 0;
    std::vector<std::string> values;  // for each key
    std::vector<SweepRun> runs;       // one for each seed

    bool is_done() const;   // all of them
    bool diverged() const;  // any of them
    std::vector<double> figures(std::optional<double> SweepRun::*figure) const;
  };
  std::string recipe, best_by;
  std::vector<std::string> keys;
  std::vector<Point> points;  // in their own order

  std::vector<std::string> runs() const;  // their names
  std::vector<std::string> missing() const;
  // By the mean of validation over the seeds, best first; behind them points that have diverged with one seed
  // or more, then those that are not done. Of equals the first.
  std::vector<const Point*> ranked() const;
  // The first of these, when all are done; null before, and where none has a figure of validation.
  const Point* best() const;

  std::string csv() const;
  nlohmann::ordered_json json() const;
  // For people: a row a point, best first, with the keys in which they differ.
  TextRows rows() const;
};

// Whether the folder is a sweep's.
bool is_sweep(const std::string& folder);
// Throws Error (input).
SweepTable read_sweep(const RunFolder& folder);

std::string sweep_run_name(std::size_t point, std::uint64_t seed);

// trained.json of a run, after its training.
inline constexpr const char* kTrained = "trained.json";
void write_trained(TrainingRun& run, const RunFolder& folder);
void write_diverged(const RunFolder& folder);

}  // namespace melgrad
