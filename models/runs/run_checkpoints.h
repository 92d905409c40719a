// The checkpoints of a run folder: each is checkpoint-<step>.h5, and checkpoint.h5 is a second name (a hard
// link) of the newest. A kill at any instant leaves the one before or the new one behind checkpoint.h5,
// whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/arrays/checkpoint.h"
#include "models/runs/run_folder.h"
#include "models/training/notes.h"

namespace melgrad {

class RunCheckpoints {
 public:
  static constexpr int kKeep = 2;

  // `keep` of the last are kept, at least one; with one there is checkpoint.h5 only.
  explicit RunCheckpoints(const RunFolder& folder, int keep = kKeep) : folder_(&folder), keep_(keep) {}

  std::string newest() const { return folder_->file("checkpoint.h5"); }
  // The newest that is whole; none if the run has saved nothing yet. If checkpoint.h5 is damaged, `notes`
  // are told so, it is put aside as checkpoint-damaged.h5, and the one before takes its place: from there
  // the run goes on to the same bits. Error (input) if no checkpoint is whole.
  std::optional<Checkpoint> load(const Notes& notes = {}) const;
  // The step of the newest; none if there is none that can be read.
  std::optional<std::int64_t> step() const;
  // Error (output).
  void save(const Checkpoint& state) const;

 private:
  std::vector<std::string> by_age() const;  // of those with a step in their names, newest first

  const RunFolder* folder_;
  int keep_;
};

struct SaveOptions {
  double every = 60;                 // seconds between checkpoints
  int keep = RunCheckpoints::kKeep;  // of the last
};

// Finished steps of a checkpoint that a run has saved.
std::int64_t steps_of(const Checkpoint& state, const std::string& path);

}  // namespace melgrad
