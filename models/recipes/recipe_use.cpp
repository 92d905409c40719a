#include "models/recipes/recipe_use.h"

#include <algorithm>
#include <filesystem>

#include "kernels/error.h"
#include "kernels/text.h"
#include "models/recipes/recipe_keys.h"

namespace melgrad {
namespace {

bool trains_by(const Recipe& r, std::initializer_list<OptimizerKind> optimizers) {
  const auto phases = phases_of(r.train);
  return std::any_of(phases.begin(), phases.end(), [&](const TrainPhase& phase) {
    return std::find(optimizers.begin(), optimizers.end(), phase.optimizer) != optimizers.end();
  });
}

bool masks(const Recipe& r) {
  const AugmentOptions& a = r.augment;
  return (a.time_masks > 0 && a.time_mask > 0) || (a.band_masks > 0 && a.band_mask > 0);
}

bool pools_over_time(const std::string& architecture) {
  for (const char* name :
       {"resnet-se", "short-chunk", "short-chunk-res", "harmonic", "musicnn", "musicnn-2019", "cnn1d-chunks"})
    if (architecture == name) return true;
  return false;
}

struct Use {
  std::vector<std::string> keys;
  bool (*plays)(const Recipe&);
  const char* belongs_to;
};

const std::vector<Use>& uses() {  // NOLINT(readability-function-size): a table
  static const std::vector<Use> table = {
      {{"augment.time_masks"}, [](auto& r) { return r.augment.time_mask > 0; }, "augment.time_mask above 0"},
      {{"augment.time_mask"}, [](auto& r) { return r.augment.time_masks > 0; }, "augment.time_masks above 0"},
      {{"augment.band_masks"}, [](auto& r) { return r.augment.band_mask > 0; }, "augment.band_mask above 0"},
      {{"augment.band_mask"}, [](auto& r) { return r.augment.band_masks > 0; }, "augment.band_masks above 0"},
      {{"augment.mask_with"}, [](auto& r) { return masks(r); }, "masks of time or bands"},
      {{"augment.mask_value"},
       [](auto& r) { return masks(r) && r.augment.mask_with == MaskWith::value; },
       "masks of time or bands with augment.mask_with = value"},
      {{"augment.equalise_knots"},
       [](auto& r) { return r.augment.equalise > 0; },
       "augment.equalise above 0"},
      {{"augment.equalise", "augment.band_scale", "augment.band_shift"},
       [](auto& r) { return r.features.n_fft > 0; },
       "features of several bands, features.n_fft above 0"},
      {{"model.pooling"},
       [](auto& r) { return pools_over_time(r.model.architecture); },
       "model.architecture = resnet-se, short-chunk, short-chunk-res, harmonic, musicnn, musicnn-2019 or "
       "cnn1d-chunks"},
      {{"train.average_last"}, [](auto& r) { return r.train.average > 0; }, "train.average above 0"},
      {{"train.teacher_share"}, [](auto& r) { return !r.train.teacher.empty(); }, "a train.teacher"},
      {{"model.filters", "model.l2_conv", "model.l2_dense"},
       [](auto& r) { return r.model.architecture == "dong2018"; },
       "model.architecture = dong2018"},
      {{"model.dropout"},
       [](auto& r) {
         const std::string& name = r.model.architecture;
         return name == "dong2018" || name == "resnet-se" || name == "modulation" || name == "mlp";
       },
       "model.architecture = dong2018, resnet-se, modulation or mlp"},
      {{"model.relative", "model.modulation"},
       [](auto& r) { return r.model.architecture == "resnet-se"; },
       "model.architecture = resnet-se"},
      {{"model.width"},
       [](auto& r) { return r.model.architecture != "dong2018" && r.model.architecture != "modulation"; },
       "the other networks than model.architecture = dong2018 and modulation"},
      {{"segment.overlap"}, [](auto& r) { return r.segment.test_crops == 0; }, "segment.test_crops = 0"},
      {{"train.stop_window", "train.stop_change"},
       [](auto& r) { return r.train.stop_block > 0; },
       "train.stop_block above 0"},
      {{"train.tag_weights"}, [](auto& r) { return r.task == TaskKind::tags; }, "task = tags"},
      {{"train.class_weights", "train.sampling"},
       [](auto& r) { return r.task == TaskKind::genres; },
       "task = genres"},
      {{"train.optimizer", "train.rate"},
       [](auto& r) { return r.train.phases.empty(); },
       "an empty train.phases, which say optimizer and rate themselves"},
      {{"train.momentum"},
       [](auto& r) { return trains_by(r, {OptimizerKind::sgd}); },
       "train.optimizer = sgd"},
      {{"train.nesterov"},
       [](auto& r) { return trains_by(r, {OptimizerKind::sgd}) && r.train.momentum > 0; },
       "train.optimizer = sgd with train.momentum above 0"},
      {{"train.beta1", "train.beta2", "train.weight_decay"},
       [](auto& r) { return trains_by(r, {OptimizerKind::adam}); },
       "train.optimizer = adam"},
      {{"train.rho"},
       [](auto& r) { return trains_by(r, {OptimizerKind::adadelta}); },
       "train.optimizer = adadelta"},
      {{"train.epsilon"},
       [](auto& r) {
         return trains_by(r, {OptimizerKind::adam, OptimizerKind::adadelta});
       },
       "train.optimizer = adam or adadelta"},
      {{"train.l2"},
       [](auto& r) {
         return trains_by(r, {OptimizerKind::adam, OptimizerKind::sgd});
       },
       "train.optimizer = adam or sgd"},
      {{"train.decay"},
       [](auto& r) {
         return r.train.schedule == Schedule::Kind::inverse_time || r.train.schedule == Schedule::Kind::step;
       },
       "train.schedule = inverse_time or step"},
      {{"train.period"},
       [](auto& r) { return r.train.schedule == Schedule::Kind::step; },
       "train.schedule = step"},
      {{"train.final_fraction"},
       [](auto& r) { return r.train.schedule == Schedule::Kind::cosine; },
       "train.schedule = cosine"},
      {{"train.plateau_factor"},
       [](auto& r) { return r.train.plateau_patience > 0; },
       "train.plateau_patience above 0"},
      {{"train.plateau_patience"},
       [](auto& r) { return r.train.plateau_factor < 1; },
       "train.plateau_factor below 1"},
      {{"features.fmin", "features.fmax", "features.mel_scale", "features.mel_norm",
        "features.triangles_in_mel"},
       [](auto& r) { return r.features.n_mels > 0; },
       "features.n_mels above 0"},
      {{"features.periodic_window"},
       [](auto& r) { return r.features.window != WindowKind::rectangular; },
       "another features.window than rectangular"},
      {{"features.left_aligned_window"},
       [](auto& r) { return r.features.win_length < r.features.n_fft; },
       "a features.win_length below features.n_fft"},
      {{"features.log_multiplier"},
       [](auto& r) {
         const LogKind log = r.features.log;
         return log == LogKind::ln1p || log == LogKind::log10_1p || log == LogKind::log10_1p_half;
       },
       "features.log = ln1p, log10_1p or log10_1p_half"},
      {{"features.log_floor"},
       [](auto& r) {
         const LogKind log = r.features.log;
         return log == LogKind::ln || log == LogKind::db || log == LogKind::whisper;
       },
       "features.log = ln, db or whisper"},
      {{"features.top_db"}, [](auto& r) { return r.features.log == LogKind::db; }, "features.log = db"},
  };
  return table;
}

void expect_folder_name(const std::string& name, const std::string& source) {
  const bool good = !name.empty() && !name.starts_with('.') && name.find('/') == std::string::npos &&
                    printable(name) == name && name.size() <= 200;
  if (!good)
    fail(ErrorKind::usage,
         "{}: name: '{}' cannot name a run folder; use letters, digits, '-' and '_', no '/' and no dot in "
         "front",
         printable(source), printable(name.substr(0, 200)));
}

}  // namespace

std::string belongs_elsewhere(const Recipe& recipe, const std::string& key) {
  for (const Use& use : uses()) {
    if (std::find(use.keys.begin(), use.keys.end(), key) == use.keys.end()) continue;
    return use.plays(recipe) ? "" : use.belongs_to;
  }
  return "";
}

std::vector<std::string> keys_of(const std::vector<std::string>& assignments) {
  std::vector<std::string> known, keys;
  for (const auto& [key, value] : recipe_fields(Recipe{})) known.push_back(key);
  for (const std::string& one : assignments) keys.push_back(recipe_key(one.substr(0, one.find('=')), known));
  return keys;
}

void expect_use(const std::vector<Recipe>& recipes, const std::vector<std::string>& assignments) {
  for (const std::string& key : keys_of(assignments)) {
    std::string elsewhere;
    const auto plays = [&](const Recipe& recipe) {
      elsewhere = belongs_elsewhere(recipe, key);
      return elsewhere.empty();
    };
    if (std::none_of(recipes.begin(), recipes.end(), plays))
      fail(ErrorKind::usage, "--set {}: plays no part here, it belongs to {}", key, elsewhere);
  }
}

Recipe chosen_recipe(Recipe recipe, const std::vector<std::string>& assignments, const Notes& notes) {
  const std::vector<std::string> said = set_recipe_fields(recipe, assignments);
  expect_use({recipe}, assignments);
  expect_folder_name(recipe.name, "recipe");
  std::string& teacher = recipe.train.teacher;
  if (!teacher.empty()) {  // a run may be gone on with from another folder, and not first find out then
    teacher = std::filesystem::absolute(teacher).lexically_normal().string();
    if (!std::filesystem::exists(teacher)) fail(ErrorKind::input, "{}: train.teacher is not there", teacher);
  }
  for (const std::string& line : said) note(notes, "{}", line);
  return recipe;
}

Recipe chosen_recipe(const std::string& name_or_path, const std::vector<std::string>& assignments,
                     const Notes& notes) {
  std::vector<std::string> stated;
  Recipe recipe = load_recipe(name_or_path, &stated);
  for (const std::string& key : stated) {
    const std::string elsewhere = belongs_elsewhere(recipe, key);
    if (!elsewhere.empty())
      fail(ErrorKind::usage, "{}: {}: plays no part here, it belongs to {}", printable(name_or_path), key,
           elsewhere);
  }
  expect_folder_name(recipe.name, "recipe " + name_or_path);
  return chosen_recipe(std::move(recipe), assignments, notes);
}

}  // namespace melgrad
