// What the labels of a data set say without its audio: how frequent each tag is, how many tags a clip has,
// and which tags come together. Linear in the number of labels.
//
// For two tags with a, b clips of n and `both` clips in common:
//   P(b | a)  both / a                                    (undefined for a = 0: NaN)
//   lift      n both / (a b): 1 if independent            (Brin, Motwani, Ullman, Tsur 1997)
//   phi       (n both - a b) / sqrt(a (n - a) b (n - b)): Pearson's correlation of two yes-no variables,
//             -1 ... 1; undefined if all clips have a tag, and such a pair is left out
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/datasets/dataset.h"

namespace melgrad {

struct TagPair {
  std::size_t a = 0, b = 0;  // into DataSet::classes, a < b
  std::int64_t both = 0;
  double lift = 0, phi = 0;
};

struct TagStatistics {
  std::int64_t clips = 0;
  std::vector<std::string> tags;
  std::vector<std::int64_t> counts;         // [tags] clips with the tag
  std::vector<std::int64_t> tags_per_clip;  // [k] clips with k tags
  std::vector<std::int64_t> together;       // [tags, tags] clips with both; the diagonal is `counts`
  std::vector<TagPair> pairs;               // by falling phi

  double prevalence(std::size_t tag) const {
    return static_cast<double>(counts[tag]) / static_cast<double>(clips);
  }
  // P(column | row)
  double conditional(std::size_t row, std::size_t column) const;
  std::vector<std::size_t> by_count() const;  // tags, the most frequent first
};

TagStatistics tag_statistics(const DataSet& set);
// From the JSON below, to be called inside reading_json (io/files/json.h).
TagStatistics tag_statistics(const nlohmann::ordered_json& json);

// The matrices in full; of the pairs the `top` that attract each other most and the `top` that avoid each
// other most, with how many there are.
nlohmann::ordered_json as_json(const TagStatistics& statistics, std::size_t top);
// The same on screen: at most `top` rows a table, with the number of rows that are not shown.
std::string as_table(const TagStatistics& statistics, std::size_t top);

}  // namespace melgrad
