// What run.json says of where a run comes from, and what a run folder says of where it stands.
//
// run.json names the data, their digest, the command, the commit, the machine and the times of the run's
// first session; each later one stands in "resumed". In a folder that several processes share, run.json says
// what was asked for alone, and each has a file of its own for its sessions: `file` below. A session that was
// killed has no "ended". Nothing of this enters what runs are compared by: checkpoints, models, metrics and
// results hold no time and no place.
#pragma once

#include <optional>
#include <string>

#include "models/runs/run_folder.h"
#include "models/training/notes.h"

namespace melgrad {

// Of the session that begins now: version, commit, command, host, processor, started.
nlohmann::ordered_json session_record();

// A run goes on, from `step` where steps are counted.
void record_resumption(const RunFolder& folder, std::optional<std::int64_t> step = std::nullopt,
                       const std::string& file = "run.json");
// How the session ended: "finished: ...", "interrupted", "diverged: ...". One that has finished stays so.
void record_end(const RunFolder& folder, const std::string& outcome, const std::string& file = "run.json");

// What run.json says besides: what was asked for.
nlohmann::ordered_json without_sessions(nlohmann::ordered_json run);

// Before a run goes on from `step`: what was made of the shorter one must not stand as if of the longer. Its
// result.json and model.h5 become result-<step>.json and model-<step>.h5, and `notes` are told.
void set_result_aside(const RunFolder& folder, std::int64_t step, const Notes& notes);

// "" if training has finished; else that it failed and why, or how to go on.
std::string unfinished(const RunFolder& folder);
// "" if result.json is of the run's last step; else that it was not tested yet, or was trained further since.
std::string untested(const RunFolder& folder);
// Whether result.json is that of the whole run.
bool result_stands(const RunFolder& folder);

}  // namespace melgrad
