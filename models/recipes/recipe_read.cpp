#include <algorithm>
#include <cmath>
#include <filesystem>
#include <toml++/toml.h>

#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"
#include "models/embedded.h"
#include "models/recipes/recipe.h"
#include "models/recipes/recipe_keys.h"
#include "models/recipes/recipe_table.h"

namespace melgrad {
namespace {

constexpr std::uint64_t kMostRecipe = 1 << 20;  // bytes

std::vector<std::string> keys_of(const Recipe& recipe) {
  std::vector<std::string> keys;
  visit_keys(recipe, [&](const RecipeKey& key, const auto&) { keys.emplace_back(key.name); });
  for (const auto& [name, text] : mel_fields(recipe.features)) keys.push_back("features." + name);
  return keys;
}

// Whether validation of that task can compare it.
void expect_comparable(const std::string& best_by, TaskKind task) {
  std::vector<std::string> names = names_of<BestBy>();
  if (task == TaskKind::genres) names.resize(1);
  else names.erase(names.begin());
  if (std::find(names.begin(), names.end(), best_by) == names.end())
    fail(ErrorKind::usage, "train.best_by: '{}' is not one of {}", printable(best_by), joined(names));
}

// ---- setting ----------------------------------------------------------------------------------------------

void set_feature(MelOptions& features, const std::string& name, const FieldValue& value) {
  const auto named = [](const std::string& preset) { return preset != "custom" && preset != "imported"; };
  if (name == "preset" && named(as_text(value))) {
    features = mel_preset(as_text(value));
    return;
  }
  set_mel_field(features, name, value);
  if (named(features.preset) && features != mel_preset(features.preset)) features.preset = "custom";
}

template <typename Field>
void set_member(Field& field, const FieldValue& value, const std::string& key, TaskKind task) {
  if constexpr (std::is_same_v<Field, OptimizerKind>) {
    field = optimizer_named(value, key);
  } else {
    if constexpr (std::is_same_v<Field, BestBy>) {
      const std::vector<std::string> all = names_of<BestBy>();
      if (std::find(all.begin(), all.end(), as_text(value)) == all.end())
        expect_comparable(as_text(value), task);  // names what this task has
    }
    assign(field, value, key);
    if constexpr (std::is_same_v<Field, double>)
      if (!std::isfinite(field)) fail(ErrorKind::usage, "{}: '{}' is not a number", key, as_text(value));
  }
}

void set_field(Recipe& recipe, const std::string& word, const FieldValue& value) {
  const std::string name = recipe_key(word, keys_of(recipe));
  constexpr std::string_view kFeatures = "features.";
  if (name.starts_with(kFeatures)) set_feature(recipe.features, name.substr(kFeatures.size()), value);
  visit_keys(recipe, [&](const RecipeKey& key, auto& field) {
    if (name == key.name) set_member(field, value, name, recipe.task);
  });
  if (name == "train.epochs") recipe.train.phases = scaled_phases(recipe.train);
}

// ---- TOML -------------------------------------------------------------------------------------------------

FieldValue toml_value(const toml::node& node, const std::string& where) {
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  fail(ErrorKind::usage, "{}: must be a string, a number or true/false", where);
}

// `stated` receives the keys whose values change.
void apply_table(Recipe& recipe, const toml::table& table, const std::string& prefix,
                 const std::string& source, std::vector<std::string>* stated) {
  const auto set = [&](const std::string& name, const toml::node& node) {
    try {
      set_field(recipe, name, toml_value(node, name));
    } catch (const Error& e) {
      fail(ErrorKind::usage, "{}, line {}: {}", source, node.source().begin.line, e.what());
    }
  };
  // The preset first: it replaces all feature fields.
  if (const auto* preset = table.get("preset"); preset != nullptr && prefix == "features.")
    set("features.preset", *preset);
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (name == "base") continue;
    if (const auto* inner = node.as_table()) {
      apply_table(recipe, *inner, name + ".", source, stated);
    } else if (name != "features.preset" && stated == nullptr) {
      set(name, node);
    } else if (name != "features.preset") {
      const auto before = recipe_fields(recipe);
      set(name, node);
      if (recipe_fields(recipe) != before) stated->push_back(name);
    }
  }
}

// All that `text` sets, on top of what its base sets.
void apply_text(Recipe& recipe, const std::string& text, const std::string& source,
                std::vector<std::string>* stated = nullptr, int depth = 0) {
  const toml::table table = [&] {
    try {
      return toml::parse(text);
    } catch (const toml::parse_error& e) {
      fail(ErrorKind::usage, "{}, line {}: {}", source, e.source().begin.line, e.description());
    }
  }();
  if (const auto* base = table.get("base"); base != nullptr) {
    const std::string name = as_text(toml_value(*base, source + ": base"));
    const std::string* base_text = embedded_text(embedded_recipes(), name);
    if (base_text == nullptr) fail(ErrorKind::usage, "{}: base: there is no recipe {}", source, name);
    if (depth > 8) fail(ErrorKind::usage, "{}: base: {} leads back to itself", source, name);
    apply_text(recipe, *base_text, "recipe " + name, nullptr, depth + 1);
  }
  apply_table(recipe, table, "", source, stated);
}

// ---- what makes no sense ----------------------------------------------------------------------------------

void expect_within(const RecipeKey& key, double value, const std::string& text) {
  const auto& [least, most, without] = key.range;
  if (!(value >= least))
    fail(ErrorKind::usage, "{}: {} must be at least {}", key.name, text, shortest(least));
  if (!(value <= most))
    fail(ErrorKind::usage, "{}: {} must be at most {}", key.name, text,
         most >= 1e6 ? fmt::format("{:g}", most) : shortest(most));
  if (without == Range::Without::least && value == least)
    fail(ErrorKind::usage, "{}: {} must be above {}", key.name, text, shortest(least));
  if (without == Range::Without::most && value == most)
    fail(ErrorKind::usage, "{}: {} must be in {} ... {} ({} excluded)", key.name, text, shortest(least),
         shortest(most), shortest(most));
}

void check_training(const Recipe& r) {
  const TrainOptions& t = r.train;
  const bool tags = r.task == TaskKind::tags;
  if ((t.shards & (t.shards - 1)) != 0)
    fail(ErrorKind::usage, "train.shards: {} is no power of two", t.shards);
  if (t.batch % t.shards != 0)
    fail(ErrorKind::usage, "train.shards: {} do not divide train.batch, which is {}", t.shards, t.batch);
  if (r.augment.mask_with == MaskWith::mean && r.input.standardise != Standardise::bands)
    fail(ErrorKind::usage,
         "augment.mask_with: the means of the bands are known with input.standardise=bands");
  if (r.augment.mixup > 0 && t.partial_batch)
    fail(ErrorKind::usage, "augment.mixup: needs whole batches: set train.partial_batch=false");
  if (r.augment.mixup > 0 && t.class_weights == Weighting::balanced)
    fail(ErrorKind::usage,
         "train.class_weights: a mixed track has no one class to weigh; set train.sampling=balanced beside "
         "augment.mixup");
  for (const auto& [key, of_genres] : {std::pair{"train.class_weights", t.class_weights != Weighting::none},
                                       {"train.sampling", t.sampling != Sampling::shuffled}})
    if (tags && of_genres)
      fail(ErrorKind::usage, "{}: is for genres; for tags set train.tag_weights=balanced", key);
  if (tags && t.validation != ValidateBy::vote)
    fail(ErrorKind::usage, "train.validation: tags are validated by vote only, not by {}",
         name_of(t.validation));
  std::int64_t epochs = 0;
  for (const TrainPhase& phase : phases_of(t)) epochs += phase.epochs;
  if (epochs != t.epochs)
    fail(ErrorKind::usage, "train.epochs: {}, but train.phases has {} epochs", t.epochs, epochs);
}

void validate(const Recipe& r) {
  visit_keys(r, [](const RecipeKey& key, const auto& field) {
    if constexpr (std::is_same_v<decltype(field), const std::int64_t&> ||
                  std::is_same_v<decltype(field), const double&>)
      expect_within(key, static_cast<double>(field), as_text(field));
  });
  if (r.features.preset != "imported") melgrad::validate(r.features);
  expect_comparable(name_of(r.train.best_by), r.task);
  check_training(r);
  const SplitOptions& split = r.split;
  if (split.train <= 0 || split.train + split.valid + split.test > 1 + 1e-9)
    fail(ErrorKind::usage, "split: {} + {} + {} must be fractions that sum to at most 1", split.train,
         split.valid, split.test);
}

}  // namespace

Recipe parse_recipe(const std::string& text, const std::string& source) {
  Recipe recipe;
  apply_text(recipe, text, source);
  validate(recipe);
  return recipe;
}

Recipe load_recipe(const std::string& name_or_path, std::vector<std::string>* stated) {
  if (const std::string* text = embedded_text(embedded_recipes(), name_or_path))
    return parse_recipe(*text, "recipe " + name_or_path);
  const std::vector<std::string> names = names_of(embedded_recipes());
  std::error_code error;
  const auto status = std::filesystem::status(name_or_path, error);
  if (!std::filesystem::exists(status) || std::filesystem::is_directory(status))
    fail(ErrorKind::usage, "recipe {}: neither a file nor one of {}{}", name_or_path, joined(names),
         did_you_mean(name_or_path, names));
  Recipe recipe;
  apply_text(recipe, read_text_file(name_or_path, kMostRecipe), name_or_path, stated);
  if (recipe.name.empty()) recipe.name = as_utf8(std::filesystem::path(name_or_path).stem().string());
  validate(recipe);
  return recipe;
}

std::vector<std::string> set_recipe_fields(Recipe& recipe, const std::vector<std::string>& assignments) {
  std::vector<std::string> notes;
  const std::string phases = recipe.train.phases;
  bool adamw = false;
  for (const std::string& assignment : assignments) {
    const auto equals = assignment.find('=');
    if (equals == std::string::npos)
      fail(ErrorKind::usage, "--set {}: expected section.key=value", assignment);
    const std::string word = assignment.substr(0, equals), value = assignment.substr(equals + 1);
    const std::string key = recipe_key(word, keys_of(recipe));
    set_field(recipe, key, value);
    if (key != word) notes.push_back(fmt::format("{} is {}", word, key));
    adamw = key == "train.optimizer" ? value == kAdamW : adamw;
    if (key == "train.epochs" && recipe.train.phases != phases)
      notes.push_back(fmt::format("train.epochs={}: train.phases is \"{}\"", value, recipe.train.phases));
  }
  if (adamw)
    notes.push_back(fmt::format("train.optimizer=adamw is adam with train.weight_decay, which is {}{}",
                                as_text(recipe.train.weight_decay),
                                recipe.train.weight_decay > 0 ? "" : ": plain Adam; 0.01 is usual"));
  validate(recipe);
  return notes;
}

}  // namespace melgrad
