// What `reproduce gtzan` and `crossval` are asked: recipes, protocols, how many splits, folds and seeds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/training/experiment.h"

namespace melgrad {

// A single split says little by a single run.
constexpr std::int64_t kSeedsOfLists = 5;

struct ExperimentRequest {
  DataSetRequest data;
  std::vector<std::string> recipes;    // none: the one for the data, as in train
  std::vector<std::string> protocols;  // none: all that the data allow
  std::vector<std::string> set;        // of every recipe
  std::int64_t splits = 30, folds = 10;
  std::int64_t seeds = 0;  // 0: kSeedsOfLists of the fault-filtered split, 1 of the others
  std::uint64_t seed = 0;
  std::string group, split_lists;
  const Option *splits_flag = nullptr, *folds_flag = nullptr;  // to know whether they were given
  ListOptions list;
};

// All options but the data and --protocol, --splits, --split-lists.
void add_experiment_options(CommandLine& command, ExperimentRequest& request, Settings& settings,
                            const std::string& folder);

// `option` names the data. Throws Error (usage, input) for what cannot be done, or plays no part.
Experiment planned_experiment(const ExperimentRequest& request, const std::string& option,
                              const Settings& settings);
// run.json of what was planned, and the same again.
nlohmann::ordered_json as_json(const Experiment& experiment);
Experiment read_experiment(const RunFolder& folder);

// The lists users download stand beside the genres or where they were `asked` for; "" if they are nowhere.
std::string find_lists(const std::string& data, const std::string& asked);
// Where they are published.
void say_no_lists();
// A path as run.json names it; "" stays.
std::string absolute_utf8(const std::string& path);

}  // namespace melgrad
