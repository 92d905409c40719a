#include "models/recipes/recipe.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <toml++/toml.h>

#include "io/files/text_file.h"
#include "kernels/error.h"
#include "kernels/text.h"
#include "models/recipes/recipe_keys.h"
#include "models/recipes/recipe_ranges.h"
#include "models/recipes/recipes.h"

namespace melgrad {
namespace {

constexpr std::uint64_t kMostRecipe = 1 << 20;  // bytes

// The list of keys: calls visit(key, field) for each field but the features, which know their own names.
template <typename R, typename Visit>
void visit_fields(R& r, const Visit& visit) {
  visit("name", r.name);
  visit("title", r.title);
  visit("task", r.task);
  visit("input.standardise", r.input.standardise);
  visit("augment.gain_db", r.augment.gain_db);
  visit("augment.shift", r.augment.shift);
  visit("augment.noise", r.augment.noise);
  visit("augment.time_masks", r.augment.time_masks);
  visit("augment.time_mask", r.augment.time_mask);
  visit("augment.band_masks", r.augment.band_masks);
  visit("augment.band_mask", r.augment.band_mask);
  visit("augment.mask_value", r.augment.mask_value);
  visit("augment.mixup", r.augment.mixup);
  visit("model.architecture", r.model.architecture);
  visit("model.filters", r.model.filters);
  visit("model.dropout", r.model.dropout);
  visit("model.width", r.model.width);
  visit("model.l2_conv", r.model.l2_conv);
  visit("model.l2_dense", r.model.l2_dense);
  visit("segment.frames", r.segment.frames);
  visit("segment.overlap", r.segment.overlap);
  visit("segment.test_crops", r.segment.test_crops);
  visit("segment.skip_last_start", r.segment.skip_last_start);
  visit("split.train", r.split.train);
  visit("split.valid", r.split.valid);
  visit("split.test", r.split.test);
  visit("split.keep_identical_together", r.split.keep_identical_together);
  visit("train.batch", r.train.batch);
  visit("train.own_crop", r.train.own_crop);
  visit("train.partial_batch", r.train.partial_batch);
  visit("train.drop_batches", r.train.drop_batches);
  visit("train.epochs", r.train.epochs);
  visit("train.stop_block", r.train.stop_block);
  visit("train.stop_window", r.train.stop_window);
  visit("train.stop_change", r.train.stop_change);
  visit("train.patience", r.train.patience);
  visit("train.validation", r.train.validation);
  visit("train.validate_every", r.train.validate_every);
  visit("train.best_by", r.train.best_by);
  visit("train.weights", r.train.weights);
  visit("train.tag_weights", r.train.tag_weights);
  visit("train.class_weights", r.train.class_weights);
  visit("train.sampling", r.train.sampling);
  visit("train.optimizer", r.train.optimizer);
  visit("train.rate", r.train.rate);
  visit("train.schedule", r.train.schedule);
  visit("train.decay", r.train.decay);
  visit("train.period", r.train.period);
  visit("train.final_fraction", r.train.final_fraction);
  visit("train.warmup", r.train.warmup);
  visit("train.momentum", r.train.momentum);
  visit("train.nesterov", r.train.nesterov);
  visit("train.beta1", r.train.beta1);
  visit("train.beta2", r.train.beta2);
  visit("train.rho", r.train.rho);
  visit("train.epsilon", r.train.epsilon);
  visit("train.weight_decay", r.train.weight_decay);
  visit("train.l2", r.train.l2);
  visit("train.clip_norm", r.train.clip_norm);
  visit("train.on_nan", r.train.on_nan);
  visit("train.plateau_factor", r.train.plateau_factor);
  visit("train.plateau_patience", r.train.plateau_patience);
  visit("train.phases", r.train.phases);
}

std::string to_text(const std::string& v) { return v; }
std::string to_text(bool v) { return v ? "true" : "false"; }
std::string to_text(std::int64_t v) { return fmt::format("{}", v); }
std::string to_text(double v) { return shortest(v); }

void from_text(const std::string& text, std::string& v, const std::string& key) {
  if (as_utf8(text) != text) fail(ErrorKind::usage, "{}: '{}' is not UTF-8", key, printable(text));
  v = text;
}
void from_text(const std::string& text, bool& v, const std::string& key) {
  if (text != "true" && text != "false")
    fail(ErrorKind::usage, "{}: '{}' is neither true nor false", key, text);
  v = text == "true";
}
template <typename Number>
void from_text(const std::string& text, Number& v, const std::string& key) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  bool good = error == std::errc{} && end == text.data() + text.size();
  if constexpr (std::is_floating_point_v<Number>) good = good && std::isfinite(v);
  if (!good) {
    fail(ErrorKind::usage, "{}: '{}' is not {}", key, printable(text),
         std::is_integral_v<Number> ? "a whole number of 64 bits" : "a number");
  }
}

std::vector<std::string> keys_of(const Recipe& recipe) {
  std::vector<std::string> keys;
  visit_fields(recipe, [&](const char* name, const auto&) { keys.emplace_back(name); });
  for (const auto& [name, text] : mel_fields(recipe.features)) keys.push_back("features." + name);
  return keys;
}

void set_field(Recipe& recipe, const std::string& word, const std::string& value) {
  const std::string key = recipe_key(word, keys_of(recipe));
  constexpr std::string_view kFeatures = "features.";
  MelOptions& features = recipe.features;
  const auto named = [](const std::string& preset) { return preset != "custom" && preset != "imported"; };
  if (key == "features.preset" && named(value)) {
    features = mel_preset(value);
    return;
  }
  if (key.starts_with(kFeatures)) {
    set_mel_field(features, key.substr(kFeatures.size()), value);
    if (named(features.preset) && features != mel_preset(features.preset)) features.preset = "custom";
    return;
  }
  visit_fields(recipe, [&](const char* name, auto& field) {
    if (key == name) from_text(value, field, key);
  });
  if (key == "train.optimizer" && value == "adamw") recipe.train.optimizer = "adam";
  if (key == "train.epochs") recipe.train.phases = scaled_phases(recipe.train);
}

std::string toml_value(const toml::node& node, const std::string& where) {
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_boolean()) return to_text(v->get());
  if (const auto* v = node.as_integer()) return fmt::format("{}", v->get());
  if (const auto* v = node.as_floating_point()) return to_text(v->get());
  fail(ErrorKind::usage, "{}: must be a string, a number or true/false", where);
}

// A value as TOML has it. A whole number stays one of reals ("1.0"), for readers that tell them apart.
std::string toml_text(const std::string& v) {
  std::string out = "\"";
  for (const char c : v) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F) out += fmt::format("\\u{:04x}", code);
    else out.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
  }
  return out + '"';
}
std::string toml_text(bool v) { return to_text(v); }
std::string toml_text(std::int64_t v) { return to_text(v); }
std::string toml_text(double v) {
  const std::string text = to_text(v);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string embedded_text(const std::string& name) {
  for (const EmbeddedRecipe& recipe : embedded_recipes())
    if (recipe.name == name) return recipe.text;
  return "";
}

// `stated` receives the keys whose values change.
void apply_table(Recipe& recipe, const toml::table& table, const std::string& prefix,
                 const std::string& source, std::vector<std::string>* stated) {
  // The preset first: it replaces all feature fields.
  if (const auto* preset = table.get("preset"); preset != nullptr && prefix == "features.") {
    set_field(recipe, "features.preset", toml_value(*preset, source));
  }
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (name == "base") continue;
    if (const auto* inner = node.as_table()) {
      apply_table(recipe, *inner, name + ".", source, stated);
    } else if (name != "features.preset") {
      const Recipe before = recipe;
      try {
        set_field(recipe, name, toml_value(node, name));
      } catch (const Error& e) {
        fail(ErrorKind::usage, "{}, line {}: {}", source, node.source().begin.line, e.what());
      }
      if (stated != nullptr && recipe_fields(recipe) != recipe_fields(before)) stated->push_back(name);
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
    const std::string name = toml_value(*base, source + ": base");
    const std::string base_text = embedded_text(name);
    if (base_text.empty()) fail(ErrorKind::usage, "{}: base: there is no recipe {}", source, name);
    if (depth > 8) fail(ErrorKind::usage, "{}: base: {} leads back to itself", source, name);
    apply_text(recipe, base_text, "recipe " + name, nullptr, depth + 1);
  }
  apply_table(recipe, table, "", source, stated);
}

template <typename Choices>
void one_of(const std::string& key, const std::string& value, const Choices& choices) {
  const std::vector<std::string> names(choices);
  for (const auto& name : names) {
    if (value == name) return;
  }
  fail(ErrorKind::usage, "{}: '{}' is not one of {}", key, value, joined(names));
}

using Names = std::initializer_list<std::string>;

void check_training(const Recipe& r) {
  const TrainOptions& t = r.train;
  const AugmentOptions& a = r.augment;
  if (a.mixup > 0 && t.partial_batch)
    fail(ErrorKind::usage, "augment.mixup: needs whole batches: set train.partial_batch=false");
  if (a.mixup > 0 && t.class_weights == "balanced")
    fail(ErrorKind::usage,
         "train.class_weights: a mixed track has no one class to weigh; set train.sampling=balanced beside "
         "augment.mixup");
  for (const auto& [key, value, off] : {std::tuple{"train.class_weights", t.class_weights, "none"},
                                        {"train.sampling", t.sampling, "shuffled"}})
    if (r.task == "tags" && value != off)
      fail(ErrorKind::usage, "{}: is for genres; for tags set train.tag_weights=balanced", key);
  if (r.task == "tags" && t.validation != "vote")
    fail(ErrorKind::usage, "train.validation: tags are validated by vote only, not by {}", t.validation);
  std::int64_t epochs = 0;
  for (const TrainPhase& phase : phases_of(t)) epochs += phase.epochs;
  if (epochs != t.epochs)
    fail(ErrorKind::usage, "train.epochs: {}, but train.phases has {} epochs", t.epochs, epochs);
}

void validate(const Recipe& r) {
  visit_fields(r, [](const char* key, const auto& field) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (!std::is_same_v<Field, std::string> && !std::is_same_v<Field, bool>)
      expect_in_range(key, static_cast<double>(field), to_text(field));
  });
  if (r.features.preset != "imported") melgrad::validate(r.features);
  one_of("task", r.task, Names{"genres", "tags"});
  one_of("input.standardise", r.input.standardise, Names{"none", "bands"});
  one_of("train.validation", r.train.validation, Names{"vote", "crop"});
  one_of("train.weights", r.train.weights, Names{"best", "final"});
  one_of("train.on_nan", r.train.on_nan, Names{"stop", "skip"});
  one_of("train.optimizer", r.train.optimizer, Names{"sgd", "adam", "adadelta"});
  one_of("train.schedule", r.train.schedule, Names{"constant", "inverse_time", "step", "cosine"});
  one_of("train.tag_weights", r.train.tag_weights, Names{"none", "balanced"});
  one_of("train.class_weights", r.train.class_weights, Names{"none", "balanced"});
  one_of("train.sampling", r.train.sampling, Names{"shuffled", "balanced"});
  one_of("train.best_by", r.train.best_by,
         r.task == "tags" ? Names{"loss", "roc_auc", "pr_auc"} : Names{"accuracy"});
  check_training(r);
  if (r.segment.overlap >= 1) {
    fail(ErrorKind::usage, "segment.overlap: {} must be in 0 ... 1 (1 excluded)", r.segment.overlap);
  }
  if (!(r.model.width > 0)) fail(ErrorKind::usage, "model.width: {} must be above 0", r.model.width);
  if (r.model.dropout >= 1) {
    fail(ErrorKind::usage, "model.dropout: {} must be in 0 ... 1 (1 excluded)", r.model.dropout);
  }
  if (r.split.train <= 0 || r.split.train + r.split.valid + r.split.test > 1 + 1e-9) {
    fail(ErrorKind::usage, "split: {} + {} + {} must be fractions that sum to at most 1", r.split.train,
         r.split.valid, r.split.test);
  }
}

}  // namespace

Recipe parse_recipe(const std::string& text, const std::string& source) {
  Recipe recipe;
  apply_text(recipe, text, source);
  validate(recipe);
  return recipe;
}

Recipe load_recipe(const std::string& name_or_path, std::vector<std::string>* stated) {
  std::vector<std::string> names;
  for (const EmbeddedRecipe& recipe : embedded_recipes()) {
    if (recipe.name == name_or_path) return parse_recipe(recipe.text, "recipe " + recipe.name);
    names.push_back(recipe.name);
  }
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
    adamw = key == "train.optimizer" ? value == "adamw" : adamw;
    if (key == "train.epochs" && recipe.train.phases != phases)
      notes.push_back(fmt::format("train.epochs={}: train.phases is \"{}\"", value, recipe.train.phases));
  }
  if (adamw)
    notes.push_back(fmt::format("train.optimizer=adamw is adam with train.weight_decay, which is {}{}",
                                to_text(recipe.train.weight_decay),
                                recipe.train.weight_decay > 0 ? "" : ": plain Adam; 0.01 is usual"));
  validate(recipe);
  return notes;
}

std::vector<std::pair<std::string, std::string>> recipe_fields(const Recipe& recipe) {
  std::vector<std::pair<std::string, std::string>> fields;
  visit_fields(recipe,
               [&](const char* name, const auto& field) { fields.emplace_back(name, to_text(field)); });
  for (const auto& [name, text] : mel_fields(recipe.features)) fields.emplace_back("features." + name, text);
  return fields;
}

std::string as_toml(const Recipe& recipe) {
  std::vector<std::pair<std::string, std::string>> sections = {{"", ""}};  // name, lines
  const auto add = [&](const std::string& key, const std::string& value) {
    const auto dot = key.find('.');
    const std::string section = dot == std::string::npos ? "" : key.substr(0, dot);
    auto at = std::find_if(sections.begin(), sections.end(), [&](auto& s) { return s.first == section; });
    if (at == sections.end()) at = sections.insert(at, {section, "\n[" + section + "]\n"});
    at->second += fmt::format("{} = {}\n", dot == std::string::npos ? key : key.substr(dot + 1), value);
  };
  visit_fields(recipe, [&](const char* key, const auto& field) { add(key, toml_text(field)); });
  for (const auto& [key, text] : mel_fields(recipe.features)) add("features." + key, toml_text(text));
  std::string out;
  for (const auto& [name, lines] : sections) out += lines;
  return out;
}

OptimizerOptions optimizer_options(const TrainOptions& t, const TrainPhase& phase,
                                   std::int64_t steps_per_epoch) {
  OptimizerOptions o;
  using Kind = OptimizerOptions::Kind;
  o.kind = phase.optimizer == "sgd" ? Kind::sgd : phase.optimizer == "adam" ? Kind::adam : Kind::adadelta;
  using Curve = Schedule::Kind;
  o.schedule.kind = t.schedule == "cosine"         ? Curve::cosine
                    : t.schedule == "step"         ? Curve::step
                    : t.schedule == "inverse_time" ? Curve::inverse_time
                                                   : Curve::constant;
  o.schedule.base = phase.rate;
  o.schedule.period = t.period * steps_per_epoch;
  o.schedule.decay = t.decay;
  o.schedule.final_fraction = t.final_fraction;
  o.schedule.total = phase.epochs * steps_per_epoch;
  o.schedule.warmup = t.warmup;
  o.momentum = static_cast<float>(t.momentum);
  o.nesterov = t.nesterov;
  o.beta1 = static_cast<float>(t.beta1);
  o.beta2 = static_cast<float>(t.beta2);
  o.rho = static_cast<float>(t.rho);
  o.epsilon = static_cast<float>(t.epsilon);
  o.l2 = static_cast<float>(t.l2);
  o.weight_decay = static_cast<float>(t.weight_decay);
  o.clip_norm = static_cast<float>(t.clip_norm);
  return o;
}

}  // namespace melgrad
