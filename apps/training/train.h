// The pieces of `train` that other commands have in common with it.
#pragma once

#include <optional>
#include <string>

#include "apps/data/data_set.h"
#include "apps/processes/ranks.h"
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "models/runs/run_checkpoints.h"
#include "models/training/run.h"

namespace melgrad {

struct TrainRequest {
  std::string data;    // as given by the user
  std::string recipe;  // empty: by what the data has, one genre a track or tags
  std::vector<std::string> set;
  std::uint64_t seed = 0;     // of weights, order, crops and dropout
  std::int64_t split = 0;     // number of the random split; its seed
  bool random_split = false;  // even if the data set has a split of its own
  std::string split_lists;    // folder with name lists instead
  std::string fold;           // the fold to test on instead
  std::string group;          // column of what stays on one side of the random split
  std::string from;           // a model whose weights it starts with
  bool classes_are_folders = false;
  TrainingData::Hold hold = TrainingData::Hold::automatic;
  SaveOptions saving;
  RankOptions ranks;
};

// ---- what a run begins with (train_choices.cpp) ----

// What of a request says which data.
DataSetRequest data_request(const TrainRequest& request);
// The data set of audio that `data` names; nothing if it is a cache.
std::optional<DataSet> audio_of(const DataSetRequest& data, const Settings& settings);
// Of one class nothing can be learned, so for genres it is refused: Error (input).
void expect_classes(const std::string& data, const std::vector<std::string>& classes, const Recipe& recipe);
// Extracts it to `cache`. If files were left out, that becomes the exit code.
void extract_to(const std::string& cache, const DataSet& set, const MelOptions& mel, Device& device,
                Settings& settings);

// chosen_recipe (models/recipes/recipe_use.h), whose notes go to stderr.
Recipe told_recipe(const std::string& name_or_path, const std::vector<std::string>& assignments);

// The recipe that was asked for, else the one for the data: `audio`, or the cache where that is null.
Recipe recipe_of(const TrainRequest& request, const DataSet* audio);
// Throws Error (usage) where keys of `section` ("split.") were set, `because` they play no part.
void expect_none_of(const std::string& section, const std::vector<std::string>& assignments,
                    const std::string& because);

Split choose_split(const TrainingData& data, const Recipe& recipe, const TrainRequest& request);

// What run.json says of the split.
nlohmann::ordered_json split_record(const TrainRequest& request);

// ---- on the screen (train.cpp) ----

// How the tracks are divided: --split, which is returned, --split-lists, --fold, --group.
Option* add_split_options(CommandLine& command, TrainRequest& request);

// A line on it.
std::string describe(const std::string& label, const TrainingRun::Incident& incident);

// train_in_folder (models/runs/run_training.h) with its progress on stderr and Ctrl-C as the wish to stop.
bool train_shown(TrainingRun& run, const RunFolder& folder, const std::string& label,
                 const SaveOptions& saving = {});

}  // namespace melgrad
