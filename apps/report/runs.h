// What a report knows of its runs, read from their folders and kept small: a run of any length is a curve of
// at most kCurvePoints points, whatever is missing or broken is a note.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/metrics/tag_metrics.h"

namespace melgrad {

constexpr std::size_t kCurvePoints = 400;

struct CurvePoint {                                                       // means over neighbouring epochs
  double epoch = 0, loss = 0, valid = 0, rate = 0, seconds_per_step = 0;  // NaN where the log has none
};

struct GenreTest {
  struct Track {
    std::string name;
    std::int32_t label = 0, answer = 0;  // into classes
    float confidence = 0;                // mean probability of the answer
  };
  std::vector<std::string> classes;
  std::vector<Track> tracks;
  double accuracy = 0;

  std::vector<std::vector<std::int64_t>> confusion() const;  // [true][answer]
};

struct TagCurve {  // at most kCurvePoints points each
  std::string tag;
  std::vector<std::pair<double, double>> roc;  // false and true positive rate
  std::vector<std::pair<double, double>> pr;   // recall and precision
};

struct ReportRun {
  std::string path, group;                    // runs of one recipe are a group
  std::map<std::string, std::string> recipe;  // every key
  std::string best_by;                        // what `valid` is
  std::vector<CurvePoint> curve;
  std::int64_t epochs = 0, steps = 0;
  std::optional<GenreTest> genres;  // with the weights that the recipe keeps
  std::optional<TagMetrics> tags;
  std::vector<TagCurve> tag_curves;
  std::vector<std::pair<std::string, std::string>> origin;  // "data set", "commit", ...: what run.json says
  std::vector<std::string> notes;                           // what is missing or broken
};

// Drops test results on other classes than those of the first run of the same recipe, with a note.
void keep_comparable(std::vector<ReportRun>& runs);

// Reads a run folder, or all that lie in the folder of a `reproduce` or `sweep`. A run whose recipe cannot be
// read is left out and named in `problems`. Throws Error (input) if `path` is neither.
std::vector<ReportRun> read_runs(const std::string& path, std::vector<std::string>& problems);

}  // namespace melgrad
