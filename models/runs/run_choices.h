// A training run as somebody asks for it, and what follows from that: the recipe, the split.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "io/datasets/dataset.h"
#include "models/recipes/recipe.h"
#include "models/training/data.h"
#include "models/training/notes.h"

namespace melgrad {

struct RunRequest {
  std::string data;    // as given by the user
  std::string recipe;  // empty: by what the data has, one genre a track or tags
  std::vector<std::string> set;
  std::uint64_t seed = 0;     // of weights, order, crops and dropout
  std::int64_t split = 0;     // number of the random split; its seed
  bool random_split = false;  // even if the data set has a split of its own
  std::string split_lists;    // folder with name lists instead
  std::string fold;           // the fold to test on instead
  std::string group;          // column of what stays on one side of the random split
  std::string from;           // a model whose weights it starts with
  bool classes_are_folders = false;
  TrainingData::Hold hold = TrainingData::Hold::automatic;
};

// The recipe that was asked for, else the one for the data: `audio`, or the cache where that is null.
Recipe recipe_of(const RunRequest& request, const DataSet* audio, const Notes& notes = {});

// Of one class nothing can be learned, so for genres it is refused: Error (input).
void expect_classes(const std::string& data, const std::vector<std::string>& classes, const Recipe& recipe);
// Throws Error (usage) where keys of `section` ("split.") were set, `because` they play no part.
void expect_none_of(const std::string& section, const std::vector<std::string>& assignments,
                    const std::string& because);

Split choose_split(const TrainingData& data, const Recipe& recipe, const RunRequest& request,
                   const Notes& notes = {});

// What run.json says of the split.
nlohmann::ordered_json split_record(const RunRequest& request);

}  // namespace melgrad
