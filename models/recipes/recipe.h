// Recipe: everything a published experiment fixes - features, network, split, training, evaluation. Recipes
// are TOML files (models/recipes, compiled in); every key can be set from the command line as
// section.key=value, and the recipe as used is written into the run folder. `base = "name"` as the first key
// takes over all keys of another compiled-in recipe.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/optimizer.h"
#include "kernels/mel.h"

namespace melgrad {

struct ModelOptions {
  std::string architecture = "dong2018";
  std::int64_t filters = 64;  // of the first convolution (dong2018)
  double dropout = 0.2;       // dong2018; the others have what was published
  double width = 1;           // multiplies the channels of the tagging networks
  double l2_conv = 0.01;      // penalty l2 * sum w^2 on convolution kernels
  double l2_dense = 0.02;     // and on hidden dense kernels
};

struct InputOptions {
  std::string standardise = "none";  // "bands": mean 0 and deviation 1 of each band over the training tracks
};

// Of the training input, each off by default; the formulas stand at struct Augment in kernels/ops.h.
struct AugmentOptions {
  double gain_db = 0;
  double shift = 0;
  double noise = 0;
  std::int64_t time_masks = 0, time_mask = 0;  // number, largest width in frames
  std::int64_t band_masks = 0, band_mask = 0;
  double mask_value = 0;
  double mixup = 0;  // alpha of the Beta distribution; needs whole batches
};

struct SegmentOptions {
  std::int64_t frames = 256;
  double overlap = 0.5;          // of test segments
  std::int64_t test_crops = 0;   // so many test segments, evenly over the track, instead of an overlap
  bool skip_last_start = false;  // neither train nor test on the last possible segment
};

struct SplitOptions {
  double train = 0.5, valid = 0.2, test = 0.3;
  bool keep_identical_together = true;  // tracks with identical audio never straddle a split
};

struct TrainOptions {
  std::int64_t batch = 150;
  bool own_crop = true;             // false: one random start for the whole batch
  bool partial_batch = true;        // train on the rest that does not fill a batch (padded, weight 0)
  std::int64_t drop_batches = 0;    // batches left out at the end of each epoch
  std::int64_t epochs = 100;        // at most
  std::int64_t stop_block = 0;      // epochs per block of the stopping rule; 0 = no rule
  std::int64_t stop_window = 10;    // compares mean validation accuracy of a block's first and last epochs
  double stop_change = 0.01;        // stops when they differ by less
  std::int64_t patience = 0;        // ends after so many epochs without a better validation; 0 = never
  std::string validation = "vote";  // "vote": all segments of each track; "crop": the batch's last crop
  std::int64_t validate_every = 1;  // epochs
  std::string best_by =
      "accuracy";                // what validation compares: accuracy (genres), loss, roc_auc, pr_auc (tags)
  std::string weights = "best";  // of the finished model: "best" on validation, or "final"
  std::string tag_weights = "none";    // of a tag's positives in the loss; "balanced": negatives / positives
  std::string class_weights = "none";  // of genres in the loss; "balanced": tracks / (classes * its tracks)
  std::string sampling = "shuffled";   // "balanced": as many tracks of each genre an epoch, repeated if few
  std::string optimizer = "adam";      // sgd, adam (AdamW when weight_decay > 0), adadelta
  double rate = 1e-3;
  std::string schedule = "constant";  // constant, inverse_time, step, cosine
  double decay = 0;                   // of inverse_time; of step: the factor
  std::int64_t period = 1;            // of step: epochs
  double final_fraction = 0;          // of cosine
  std::int64_t warmup = 0;            // steps
  double momentum = 0.9;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999;
  double rho = 0.95;
  double epsilon = 1e-7;
  double weight_decay = 0;  // decoupled (AdamW)
  double l2 = 0;            // coupled: PyTorch's weight_decay of Adam and SGD
  double clip_norm = 0;
  std::string on_nan = "stop";        // a step whose gradient is no number: "stop" there, or "skip" it
  double plateau_factor = 1;          // the rate is multiplied by this after
  std::int64_t plateau_patience = 0;  // so many epochs without a better validation; 0 = never
  // "80 adam 1e-4, 20 sgd 1e-3": epochs, optimizer and rate one after another, each from the best weights so
  // far; empty: `epochs` of `optimizer` at `rate`.
  std::string phases;
};

// One stretch of training with one optimizer.
struct TrainPhase {
  std::int64_t epochs = 0;
  std::string optimizer;
  double rate = 0;
};
// In order, at least one. Throws Error (usage) naming train.phases.
std::vector<TrainPhase> phases_of(const TrainOptions& train);
// The text of train.phases made to last train.epochs: each phase in proportion, one that rounds to no epoch
// left out; or the last one alone longer or shorter, then those before it.
std::string scaled_phases(const TrainOptions& train);
std::string ending_phases(const TrainOptions& train);

struct Recipe {
  std::string name;
  std::string title;
  std::string task = "genres";  // "genres": one class a track; "tags": any number of them
  MelOptions features;
  InputOptions input;
  AugmentOptions augment;
  ModelOptions model;
  SegmentOptions segment;
  SplitOptions split;
  TrainOptions train;
};

// A name of a compiled-in recipe or the path of a TOML file, whose name is the file's if it states none.
// `stated` receives the keys to which the file itself gives another value than they would have. Throws Error
// (usage) that names the file and key.
Recipe load_recipe(const std::string& name_or_path, std::vector<std::string>* stated = nullptr);
// `source` names the text in messages.
Recipe parse_recipe(const std::string& toml, const std::string& source);
// "section.key=value" each, keys also as other programs call them (recipe_keys.h); an unknown key is an Error
// (usage) that names the nearest one. train.epochs scales train.phases. Returns what is worth a line: names
// that were understood as keys, phases that changed.
std::vector<std::string> set_recipe_fields(Recipe& recipe, const std::vector<std::string>& assignments);
// Every key with its value; as_toml prints what parse_recipe reads back.
std::vector<std::pair<std::string, std::string>> recipe_fields(const Recipe& recipe);
std::string as_toml(const Recipe& recipe);

// The optimizer of one phase.
OptimizerOptions optimizer_options(const TrainOptions& train, const TrainPhase& phase,
                                   std::int64_t steps_per_epoch);

}  // namespace melgrad
