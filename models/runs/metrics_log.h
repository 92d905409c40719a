// metrics.jsonl of a run folder: a line per epoch, and one with "event" per skipped step and spike of the
// loss.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/files/atomic_file.h"
#include "models/runs/run_folder.h"
#include "models/training/run.h"

namespace melgrad {

class MetricsLog {
 public:
  explicit MetricsLog(const RunFolder& folder);
  // `seconds` since the training began or went on.
  void add(const TrainingRun::Epoch& epoch, double seconds);
  void add(const TrainingRun::Incident& incident);

 private:
  AppendedFile file_;
};

// What is logged of an epoch, by name.
std::vector<std::pair<std::string, double>> figures_of(const TrainingRun::Epoch& epoch);

// A resumed run goes on behind its checkpoint: later lines of the log are of work that is done again.
void cut_metrics(const RunFolder& folder, std::int64_t steps);

}  // namespace melgrad
