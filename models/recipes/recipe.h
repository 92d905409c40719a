// Recipe: everything a published experiment fixes - features, network, split, training, evaluation. Recipes
// are TOML files (models/recipes, compiled in); every key can be set from the command line as
// section.key=value, and the recipe as used is written into the run folder. `base = "name"` as the first key
// takes over all keys of another compiled-in recipe. What each key means and may be stands in recipe_table.h.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/optimizer.h"
#include "kernels/fields.h"
#include "kernels/mel.h"
#include "kernels/ops.h"
#include "models/networks/options.h"

namespace melgrad {

enum class TaskKind { genres, tags };
enum class Standardise { none, bands };
enum class ValidateBy { vote, crop };
enum class BestBy { accuracy, loss, roc_auc, pr_auc };
enum class KeptWeights { best, final };
enum class Weighting { none, balanced };
enum class Sampling { shuffled, balanced };
enum class OnNan { stop, skip };
enum class MaskWith { value, mean };

template <>
inline constexpr const char* kNamesOf<TaskKind>[] = {"genres", "tags"};
template <>
inline constexpr const char* kNamesOf<Standardise>[] = {"none", "bands"};
template <>
inline constexpr const char* kNamesOf<ValidateBy>[] = {"vote", "crop"};
template <>
inline constexpr const char* kNamesOf<BestBy>[] = {"accuracy", "loss", "roc_auc", "pr_auc"};
template <>
inline constexpr const char* kNamesOf<KeptWeights>[] = {"best", "final"};
template <>
inline constexpr const char* kNamesOf<Weighting>[] = {"none", "balanced"};
template <>
inline constexpr const char* kNamesOf<Sampling>[] = {"shuffled", "balanced"};
template <>
inline constexpr const char* kNamesOf<OnNan>[] = {"stop", "skip"};
template <>
inline constexpr const char* kNamesOf<MaskWith>[] = {"value", "mean"};
template <>
inline constexpr const char* kNamesOf<Pooling>[] = {"own", "mean", "max", "max_mean", "attention"};
template <>
inline constexpr const char* kNamesOf<OptimizerKind>[] = {"sgd", "adam", "adadelta"};
template <>
inline constexpr const char* kNamesOf<Schedule::Kind>[] = {"constant", "inverse_time", "step", "cosine"};

struct InputOptions {
  Standardise standardise = Standardise::none;
};

struct AugmentOptions : AugmentSettings, ResampleSettings {
  MaskWith mask_with = MaskWith::value;
  double mixup = 0;
};

struct SegmentOptions {
  std::int64_t frames = 256;
  double overlap = 0.5;
  std::int64_t test_crops = 0;
  bool test_reverse = false;
  bool skip_last_start = false;
};

struct SplitOptions {
  double train = 0.5, valid = 0.2, test = 0.3;
  bool keep_identical_together = true;
};

struct TrainOptions : UpdateConstants {
  std::int64_t batch = 150;
  std::int64_t shards = 1;
  bool own_crop = true;
  bool partial_batch = true;
  std::int64_t drop_batches = 0;
  std::int64_t epochs = 100;
  std::int64_t stop_block = 0, stop_window = 10;
  double stop_change = 0.01;
  std::int64_t patience = 0;
  ValidateBy validation = ValidateBy::vote;
  std::int64_t validate_every = 1;
  BestBy best_by = BestBy::accuracy;
  KeptWeights weights = KeptWeights::best;
  Weighting tag_weights = Weighting::none, class_weights = Weighting::none;
  Sampling sampling = Sampling::shuffled;
  OptimizerKind optimizer = OptimizerKind::adam;
  double rate = 1e-3;
  Schedule::Kind schedule = Schedule::Kind::constant;
  double decay = 0;
  std::int64_t period = 1;
  double final_fraction = 0;
  std::int64_t warmup = 0;
  double label_smoothing = 0;
  std::string teacher;
  double teacher_share = 0.5;
  double average = 0;
  std::int64_t average_last = 0;
  OnNan on_nan = OnNan::stop;
  double plateau_factor = 1;
  std::int64_t plateau_patience = 0;
  // "80 adam 1e-4, 20 sgd 1e-3": epochs, optimizer and rate one after another, each from the best weights so
  // far; empty: `epochs` of `optimizer` at `rate`.
  std::string phases;
  // "block1.*, front.*": what stays as it is; "block2.* 0.1": what learns slower
  // (models/training/transfer.h).
  std::string freeze, rates;
};

// One stretch of training with one optimizer.
struct TrainPhase {
  std::int64_t epochs = 0;
  OptimizerKind optimizer = OptimizerKind::adam;
  double rate = 0;
};
// In order, at least one. Throws Error (usage) naming train.phases.
std::vector<TrainPhase> phases_of(const TrainOptions& train);
// The text of train.phases made to last train.epochs: each phase in proportion, one that rounds to no epoch
// left out; or the last one alone longer or shorter, then those before it.
std::string scaled_phases(const TrainOptions& train);
std::string ending_phases(const TrainOptions& train);

// What the engine calls the optimizer of that name: "adamw" is adam, whose weight_decay is AdamW's. Throws
// Error (usage) that begins with `where`.
inline constexpr const char* kAdamW = "adamw";
OptimizerKind optimizer_named(const FieldValue& name, const std::string& where);
// The optimizer of one phase.
OptimizerOptions optimizer_options(const TrainOptions& train, const TrainPhase& phase,
                                   std::int64_t steps_per_epoch);

struct Recipe {
  std::string name;
  std::string title;
  TaskKind task = TaskKind::genres;
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

// Every key with its value; as_toml prints what parse_recipe reads back, described_toml the same with a
// comment on each key.
std::vector<std::pair<std::string, std::string>> recipe_fields(const Recipe& recipe);
std::string as_toml(const Recipe& recipe);
std::string described_toml(const Recipe& recipe);
// What there is to say of each key, in the order of recipe_fields.
std::vector<FieldInfo> recipe_field_infos();

}  // namespace melgrad
