// What the content measures (apps/analysis/content.h) of many clips say about their tags: quartiles of each
// measure with and without a tag, comparisons of pairs of tags, and linear projections of measures and mel
// bands together.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/analysis/content.h"
#include "apps/analysis/projection.h"
#include "io/datasets/dataset.h"
#include "models/metrics/statistics.h"

namespace melgrad {

struct MeasuredClips {
  std::vector<std::size_t> tracks;  // into DataSet::tracks, ascending
  std::vector<Content> contents;    // of the same clips
};

// Clips whose measure is NaN are not in.
using MeasureQuartiles = std::array<Quartiles, kMeasures.size()>;
using MeasureTests = std::array<RankTest, kMeasures.size()>;

// Clips with both tags are in neither group.
struct TagComparison {
  std::size_t first = 0, second = 0;  // into DataSet::classes
  std::size_t clips_first = 0, clips_second = 0, clips_both = 0;
  MeasureQuartiles of_first, of_second;
  MeasureTests tests;                        // delta > 0: larger with the first tag
  std::size_t incomplete = 0;                // clips with a measure that is NaN: not in what follows
  std::optional<Separability> separability;  // with kFolds clips in each group
  // Discriminant of all of these clips, to be drawn: larger for the second tag. The clips are those it was
  // fitted to, so only `separability` says how far the tags can be told apart.
  struct OnLine {
    std::size_t track, tag;
    double x;
  };
  std::vector<OnLine> line;
};

struct ContentStatistics {
  MeasureQuartiles all;
  std::vector<MeasureQuartiles> with, without;  // [tags]
  std::vector<MeasureTests> tests;              // [tags], delta > 0: larger with the tag than without
  std::vector<TagComparison> comparisons;
  std::optional<PrincipalAxes> axes;  // of all complete clips, if there are two
  std::vector<std::size_t> complete;  // positions in MeasuredClips
};

// Measures and bands side by side: what is projected.
std::vector<double> content_row(const Content& content);

using TagNames = std::pair<std::string, std::string>;

ContentStatistics content_statistics(const DataSet& set, const MeasuredClips& clips,
                                     const std::vector<TagNames>& pairs);

// Everything, and the measures and coordinates of every clip.
nlohmann::ordered_json as_json(const ContentStatistics& statistics, const DataSet& set,
                               const MeasuredClips& clips);
// Medians by tag (the `top` most frequent), tests and separability of the pairs, principal axes.
std::string as_table(const ContentStatistics& statistics, const DataSet& set, std::size_t top);

}  // namespace melgrad
