// melgrad recipes: which recipes there are, one of them whole, and every key that one can have.
#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/screen.h"
#include "models/embedded.h"
#include "models/recipes/recipe.h"

namespace melgrad {
namespace {

void list_all(const Settings& settings) {
  auto json = nlohmann::ordered_json::array();
  for (const EmbeddedFile& embedded : embedded_recipes()) {
    const Recipe recipe = load_recipe(embedded.name);
    json.push_back({{"name", recipe.name}, {"title", recipe.title}, {"task", name_of(recipe.task)}});
    if (!settings.json) print("{:<22}{:<8}{}\n", recipe.name, name_of(recipe.task), recipe.title);
  }
  if (settings.json) print_json(json);
}

void show(const Settings& settings, const std::string& name) {
  const Recipe recipe = load_recipe(name);
  if (!settings.json) {
    print("{}", Lines{described_toml(recipe)});
    return;
  }
  nlohmann::ordered_json json;
  for (const auto& [key, value] : recipe_fields(recipe)) json[key] = value;
  print_json(json);
}

nlohmann::ordered_json as_json(const FieldInfo& info) {
  nlohmann::ordered_json json = {{"key", info.key}, {"type", info.kind}};
  if (!info.choices.empty()) json["choices"] = info.choices;
  if (!info.range.empty()) json["range"] = info.range;
  std::visit([&](const auto& standard) { json["default"] = standard; }, info.standard);
  if (!info.unit.empty()) json["unit"] = info.unit;
  json["meaning"] = info.meaning;
  return json;
}

// A key with its default, what it may be, what it means.
void list_keys(const Settings& settings) {
  const std::vector<FieldInfo> infos = recipe_field_infos();
  if (settings.json) {
    auto json = nlohmann::ordered_json::array();
    for (const FieldInfo& info : infos) json.push_back(as_json(info));
    print_json(json);
    return;
  }
  for (const FieldInfo& info : infos) {
    const std::string standard = as_text(info.standard), values = allowed(info);
    const std::string kind =
        !info.choices.empty() ? values : info.kind + (values.empty() ? "" : ", " + values);
    print("{:<31} {:<10} {:<48} {}\n", info.key, standard.empty() ? "-" : standard, kind, info.meaning);
  }
}

}  // namespace

void register_recipes(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand(
      "recipes", "the recipes there are; of one every key, as a TOML file to change and give to --recipe");
  command->alias("recipe");
  auto name = std::make_shared<std::string>();
  auto keys = std::make_shared<bool>();
  auto* named = command->add_option("name", *name, "a recipe or a TOML file; none: all recipes, one a line");
  command->add_flag("--keys", *keys, "every key: its default, what it may be, what it means")
      ->excludes(named);
  command->callback([=, &settings] {
    if (*keys) list_keys(settings);
    else if (name->empty()) list_all(settings);
    else show(settings, *name);
  });
}

}  // namespace melgrad
