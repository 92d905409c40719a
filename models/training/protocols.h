// How a data set is divided for an experiment: a protocol yields splits.
//   random          random splits as the recipe's [split] says (models/recipes/recipe.h)
//   dong            random stratified splits, half of the tracks to train, a fifth to validate, 30 % to test;
//                   a recording that is there twice may stand on both sides, as in the code of Dong 2018
//   repeat-free     the same, but identical tracks, and tracks with the same in the column `group`, stay on
//                   one side
//   fault-filtered  the three lists in the folder `lists`
//   folds           each fold tested on once, the next validated on: the folds of the data set's own column
//                   "fold" if it has one, else drawn, stratified; identical tracks and groups stay in one
#pragma once

#include <string>
#include <vector>

#include "models/training/data.h"

namespace melgrad {

enum class Protocol { random, dong, repeat_free, fault_filtered, folds };
template <>
inline constexpr const char* kNamesOf<Protocol>[] = {"random", "dong", "repeat-free", "fault-filtered",
                                                     "folds"};

struct ProtocolOptions {
  Protocol protocol = Protocol::random;
  std::int64_t splits = 1;  // how many; folds: all of them
  std::string group = {};   // column
  std::string lists = {};   // folder
  bool own_folds = false;   // those of the data set's column, which are `splits`
  std::int64_t seeds = 1;   // runs of each split; of folds that are drawn, drawings
};

// All splits of one repetition. Random split `k` is drawn by the seed k, whatever the repetition; folds are
// drawn by the repetition. `of_recipe` is for `random` alone. Throws Error (input), what it is of first, for
//   a class of which a split leaves no track to train on (genres; but for `random`)
//   a group that is larger than a fold, or than what a random split trains on
//   a group that stands in two of the data set's own folds
//   more folds than groups; data that have a column fold no longer, or one with other folds
std::vector<Split> splits_of(const TrainingData& data, const ProtocolOptions& options,
                             const SplitOptions& of_recipe, std::uint64_t repetition);

}  // namespace melgrad
