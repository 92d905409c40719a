// A training run in its folder: begun, gone on with, trained, tested.
#pragma once

#include <functional>
#include <string>

#include "models/runs/run_checkpoints.h"
#include "models/runs/run_folder.h"
#include "models/training/run.h"

namespace melgrad {

// Writes into a new run folder what it takes to go on in it: recipe.toml, splits.json and run.json, which
// also gets what is in `more`. `source` is the data set as the user named it.
void begin_in_folder(const RunFolder& folder, const Recipe& recipe, const TrainingData& data,
                     const std::string& source, const Split& split, std::uint64_t seed, const Device& device,
                     const nlohmann::ordered_json& more = nlohmann::ordered_json::object());

// `notes` are told if a run that goes on was begun on another device or in another precision.
void compare_devices(const RunOrigin& run, const Device& device, const Notes& notes);

// Takes over the folder's checkpoint, if there is one.
void resume_in_folder(TrainingRun& run, const RunFolder& folder, const Notes& notes = {});

// What stands in the folder of a run that goes on: its result is of the shorter run, run.json lists the
// session.
void note_resumption(TrainingRun& run, const RunFolder& folder, const Notes& notes = {});

// Who looks on. All are called on the thread that trains; empty ones are left out.
struct Watcher {
  std::function<void(std::int64_t steps)> step;  // finished steps
  std::function<void(const TrainingRun::Epoch&)> epoch;
  std::function<void(const TrainingRun::Incident&)> incident;
  // Asked after each step: whether to save and leave. Asked once before the first as well, where the answer
  // does not count yet: who handles a signal then knows that somebody will save.
  std::function<bool()> stop;
  // The run has diverged; the steps since the last checkpoint, or since the beginning, will be done again to
  // find the operation.
  std::function<void(const Diverged&, bool from_checkpoint)> diverged;
  Notes notes;
};

// Trains in `folder` until done or stopped; writes metrics, checkpoints and the model. Returns whether it
// finished. Throws Error (diverged) that begins with `label` and names the operation that did it first.
bool train_in_folder(TrainingRun& run, const RunFolder& folder, const std::string& label,
                     const SaveOptions& saving = {}, const Watcher& watcher = {});

// The same on a rank that is not the first: its part of a run that the first has in its folder. Nothing is
// written.
void train_along(TrainingRun& run, const std::function<bool()>& stop);

// Tests the run's network on its test tracks, with the weights that the recipe keeps: what result.json holds.
nlohmann::ordered_json test_of(TrainingRun& run);
// The same, written to result.json.
nlohmann::ordered_json test_in_folder(TrainingRun& run, const RunFolder& folder);

}  // namespace melgrad
