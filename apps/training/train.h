// The pieces of `train` that other commands have in common with it.
#pragma once

#include <optional>
#include <string>

#include "apps/data/data_set.h"
#include "apps/processes/ranks.h"
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "models/runs/run_checkpoints.h"
#include "models/runs/run_choices.h"
#include "models/training/run.h"

namespace melgrad {

struct TrainRequest : RunRequest {
  SaveOptions saving;
  RankOptions ranks;
};

// ---- data and their features (training_data.cpp) ----

// What of a request says which data.
DataSetRequest data_request(const RunRequest& request);
// The data set of audio that `data` names; nothing if it is a cache.
std::optional<DataSet> audio_of(const DataSetRequest& data, const Settings& settings);
// Extracts it to `cache`. If files were left out, that becomes the exit code.
void extract_to(const std::string& cache, const DataSet& set, const MelOptions& mel, Device& device,
                Settings& settings);

// ---- on the screen (train.cpp) ----

// How the tracks are divided: --split, which is returned, --split-lists, --fold, --group.
Option* add_split_options(CommandLine& command, TrainRequest& request);

// A line on it.
std::string describe(const std::string& label, const TrainingRun::Incident& incident);

// train_in_folder (models/runs/run_training.h) with its progress on stderr and Ctrl-C as the wish to stop.
bool train_shown(TrainingRun& run, const RunFolder& folder, const std::string& label,
                 const SaveOptions& saving = {});

}  // namespace melgrad
