// The parts of a report, each drawn from what the runs have of it and left out where they have nothing.
#pragma once

#include <string>
#include <vector>

#include "apps/report/page.h"
#include "apps/report/runs.h"
#include "apps/sweep/table.h"

namespace melgrad {

// Runs of one recipe, setting for setting: the splits of a reproduction.
struct RunGroup {
  std::string label;     // the recipe's name, numbered if there are several of that name
  std::string settings;  // in which it differs from those
  std::string id;        // of its figures' files
  std::vector<const ReportRun*> runs;
};
std::vector<RunGroup> group_runs(const std::vector<ReportRun>& runs);

// A row per group: runs, epochs, steps, test result.
void add_overview(Page& page, const std::vector<RunGroup>& groups);
// The points of each sweep, best by validation first.
void add_sweeps(Page& page, const std::vector<SweepTable>& sweeps);
// Loss, validation, rate and time of a step over the epochs.
void add_learning_curves(Page& page, const std::vector<RunGroup>& groups);
// Confusion, accuracy of each genre, calibration, the most confident mistakes.
void add_genre_results(Page& page, const std::vector<RunGroup>& groups);
// What the first run of each group listens for, where its network is dong2018 (filters.h). A model that
// cannot be read is named in `problems`.
void add_filters(Page& page, const std::vector<RunGroup>& groups, std::vector<std::string>& problems);
// All taggers beside what predicts nothing, then tag by tag.
void add_tag_results(Page& page, const std::vector<RunGroup>& groups);
// Pairs of runs with the same test tracks: McNemar's exact test (1947).
void add_comparisons(Page& page, const std::vector<RunGroup>& groups);
// The keys in which the recipes differ.
void add_recipe_differences(Page& page, const std::vector<RunGroup>& groups);
// Data set, date, version, commit, seed and device of each run.
void add_origins(Page& page, const std::vector<ReportRun>& runs);
// What is missing or broken.
void add_notes(Page& page, const std::vector<ReportRun>& runs);

// Two-sided p of b against c discordant pairs under one half: exact up to 1,000 pairs, beyond by the normal
// approximation with continuity correction.
double mcnemar(std::int64_t b, std::int64_t c);

}  // namespace melgrad
