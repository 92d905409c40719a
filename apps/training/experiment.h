// An experiment: recipes by protocols by splits by seeds on one data set, each a run of one list
// (training/run_list.h). A protocol yields splits (models/training/protocols.h); all recipes are trained and
// tested on the same. `reproduce dong2018`, `reproduce gtzan` and `crossval` differ in what they ask for and
// in the table they make.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/training/run_list.h"
#include "models/training/protocols.h"

namespace melgrad {

struct Experiment;

// One of its runs: `recipe` and `protocol` by their place.
struct ExperimentRun {
  std::size_t recipe = 0, protocol = 0;
  std::int64_t split = 0, repetition = 0;
};

struct Experiment {
  DataSetRequest data;
  std::vector<Recipe> recipes;
  std::vector<ProtocolOptions> protocols;
  std::uint64_t seed = 0;
  // The folder of a run; and whether its run.json says which it is.
  std::function<std::string(const Experiment&, const ExperimentRun&)> name;
  bool records = true;

  // In the order in which they are trained: those that are compared one after another.
  std::vector<ExperimentRun> runs() const;
  std::vector<std::string> names() const;
  // Of weights, order, crops and dropout: no two runs of a recipe in a protocol have the same.
  std::uint64_t seed_of(const ExperimentRun& run) const;
};

// The recipes' files in the list's folder: recipe.toml, of several recipe-<name>.toml. Throws Error (usage)
// for two of one name, and for one that is no name of a file.
std::vector<std::string> recipe_files(const std::vector<std::string>& names);

// One run's result.json.
struct TestedRun {
  std::string name;
  ExperimentRun run;
  nlohmann::ordered_json result;
};
struct TestedRuns {
  std::vector<TestedRun> runs;       // that are there
  std::vector<std::string> missing;  // of the others
  std::vector<std::string> classes;  // or tags
  std::string device;
};

// What a command asks of an experiment.
struct ExperimentCommand {
  std::string name;  // "reproduce dong2018"
  // Of a new one, by default: "runs/<this>-<time>"; behind a - at its end comes the recipe's name.
  std::string folder;
  std::function<Experiment()> plan;                                 // what the command line asks for
  std::function<nlohmann::ordered_json(const Experiment&)> record;  // of that: run.json
  std::function<Experiment(const RunFolder&)> read;                 // what a folder was begun with
  // The table, of what is there: printed, and written to result.json.
  std::function<void(const RunFolder&, const Experiment&, const TestedRuns&, const Settings&)> tell;
};

// Begins, goes on with or collects an experiment, or does a part of it. Splits are drawn before the folder is
// made, unless the data are audio whose features are to be computed first.
void conduct(const ExperimentCommand& command, const ListOptions& options, Settings& settings);

}  // namespace melgrad
