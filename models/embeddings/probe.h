// How much of a data set's labels can be read from embeddings: a classifier on frozen vectors, trained and
// tested by a protocol that others can repeat.
//
// Heads:
//   linear  logistic regression (models/embeddings/logistic.h); of several C the one that is best on the
//           validation tracks, the smallest of equals
//   mlp     one hidden layer (models/networks/mlp.cpp) trained by a recipe, its best epoch on the validation
//           tracks
// Where nothing is chosen on the validation tracks of a fold, they are trained on as well, as in k-fold
// cross-validation; of a split that the data set or lists prescribe they are left alone.
//
// Vectors are standardised first: each number to mean 0 and deviation 1 over the training tracks' rows. Of
// several rows a track (segments) each weighs its share; the probabilities of a test track's rows are
// averaged.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/recipes/recipe.h"
#include "models/training/data.h"

namespace melgrad {

enum class ProbeHead { linear, mlp };
enum class ProbeSplits {
  own,           // the data set's
  lists,         // of names
  column_folds,  // those that the data set names in its column "fold", each tested on once
  folds,         // random ones
  random,        // random halves of training, a fifth of validation, the rest of test (SplitOptions)
};
template <>
inline constexpr const char* kNamesOf<ProbeHead>[] = {"linear", "mlp"};
template <>
inline constexpr const char* kNamesOf<ProbeSplits>[] = {"own", "lists", "column-folds", "folds", "random"};

struct ProbeOptions {
  ProbeHead head = ProbeHead::linear;
  ProbeSplits splits = ProbeSplits::folds;
  std::string lists = {};  // folder
  std::int64_t folds = 10;
  std::int64_t repeats = 1;  // of random splits and folds; each has the next seed
  std::uint64_t seed = 0;
  std::string group = {};  // column: what is equal there never straddles a random split
  std::vector<double> c = {1};
  bool standardise = true;
  Recipe mlp = {};  // probe_recipe
};

// Of the head mlp: 512 hidden units, dropout 0.25, Adam at 1e-3, batches of 64, at most 200 epochs, ended by
// 20 without a better validation. Of a track of several rows a step sees one.
Recipe probe_recipe(TaskKind task);
// Whether every track has one label.
TaskKind task_of_labels(const Cache& cache);

// `data` is of `cache` and of the recipe; `fitted` is told after each fit how many of how many are done.
// What is returned:
//   head, splits, seed, group, width, tracks, classes
//   fits     one object a fit: repeat, fold, tracks of each part, score (accuracy, or macro ROC-AUC), c or
//            best_epoch, the names of the test tracks
//   score    mean and deviation over the fits, of each repeat as a whole
//   baseline the score of whoever always answers the most frequent class
//   leaks    models/embeddings/leaks.h, of the first repeat
//   doubts   what cannot be learned or tested with a split, a line each
//   test     of the first repeat, all its test tracks together: as Task::test writes it, with intervals
nlohmann::ordered_json probe(Device& device, const TrainingData& data, const Cache& cache,
                             const ProbeOptions& options,
                             const std::function<void(std::int64_t done, std::int64_t all)>& fitted);

}  // namespace melgrad
