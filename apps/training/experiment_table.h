// What has come of an experiment's runs (apps/training/experiment.h): its table, and which recipe is right
// more often than which other, on the same tracks (models/metrics/paired.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/training/experiment.h"

namespace melgrad {

using Confusion = std::vector<std::vector<std::int64_t>>;  // [true][answer] tracks

// Adds that of a run; the first gives the size. Throws Error (input) naming a file whose matrix has another.
void add_confusion(Confusion& confusion, const TestedRun& run, const RunFolder& folder);

// "71.2 ± 2.3 %" of shares, at least one.
std::string percent_text(const std::vector<double>& shares);

// The table of recipes and protocols, comparisons of every two recipes in a protocol, the pooled confusion of
// folds: printed, and with every run in result.json. Of tags ROC-AUC and PR-AUC, and no comparisons.
void tell_experiment(const RunFolder& folder, const Experiment& experiment, const TestedRuns& tested,
                     const Settings& settings);

}  // namespace melgrad
