// A training run in its folder, from what somebody asks for to the first step: what `melgrad train` and
// melgrad.train of Python do before they train.
//
//   OpenedRun opened = open_new_run(request, out, data_of_audio, extract, notes);    or open_begun_run
//   const TrainingData data(device, opened.cache, opened.recipe, request.hold, notes);
//   TrainingRun run(device, data, opened.split(data, request, notes), opened.recipe, request.seed);
//   opened.start(run, request, device, notes);
//   train_in_folder(run, opened.folder, ...);                                        run_training.h
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "io/datasets/dataset.h"
#include "models/runs/run_choices.h"
#include "models/runs/run_folder.h"
#include "models/training/run.h"

namespace melgrad {

// Extracts the features of a data set to a file; throws where that was interrupted.
using ExtractTo = std::function<void(const std::string& cache, const DataSet& set, const MelOptions& mel)>;

// What whoever uses these features should know, as filters that are empty; "" where there is nothing.
std::string note_on_features(const MelOptions& mel);

struct OpenedRun {
  Recipe recipe;
  RunFolder folder;
  std::string cache;  // of features
  bool begins = true;

  // The tracks of a run that begins as they are chosen, of another as they were.

  Split split(const TrainingData& data, const RunRequest& request, const Notes& notes = {}) const;
  // Puts `run` where its training goes on: one that begins writes into its folder what it takes to go on in
  // it, another takes over its checkpoint. Throws Error (usage) where it has done more epochs than are asked.
  void start(TrainingRun& run, const RunRequest& request, const Device& device,
             const Notes& notes = {}) const;
};

// In the folder `out`, or runs/<recipe>-<date>-<time> where that is empty. `audio`: the data set, null where
// request.data is a cache. What can be refused is, before there is a folder.
OpenedRun open_new_run(const RunRequest& request, const std::string& out, const DataSet* audio,
                       const ExtractTo& extract, const Notes& notes = {});

// One that was begun, to go on with; request.seed becomes the run's. Of its recipe only what ends it may
// change.
OpenedRun open_begun_run(RunRequest& request, const std::string& folder, const Device& device,
                         const Notes& notes = {});

}  // namespace melgrad
