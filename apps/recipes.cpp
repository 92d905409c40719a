// melgrad recipes: which recipes there are, and every key of one.
#include "models/recipes/recipes.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli.h"
#include "apps/terminal/screen.h"
#include "models/recipes/recipe.h"

namespace melgrad {
namespace {

void list_all(const Settings& settings) {
  auto json = nlohmann::ordered_json::array();
  for (const EmbeddedRecipe& embedded : embedded_recipes()) {
    const Recipe recipe = load_recipe(embedded.name);
    json.push_back({{"name", recipe.name}, {"title", recipe.title}, {"task", name_of(recipe.task)}});
    if (!settings.json) print("{:<22}{:<8}{}\n", recipe.name, name_of(recipe.task), recipe.title);
  }
  if (settings.json) print_json(json);
}

void show(const Settings& settings, const std::string& name) {
  const Recipe recipe = load_recipe(name);
  if (!settings.json) {
    print("{}", Lines{as_toml(recipe)});
    return;
  }
  nlohmann::ordered_json json;
  for (const auto& [key, value] : recipe_fields(recipe)) json[key] = value;
  print_json(json);
}

}  // namespace

void register_recipes(CLI::App& root, Settings& settings) {
  auto* command = root.add_subcommand(
      "recipes", "the recipes there are; of one every key, as a TOML file to change and give to --recipe");
  auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "a recipe or a TOML file; none: all recipes, one a line");
  command->callback([=, &settings] { name->empty() ? list_all(settings) : show(settings, *name); });
}

}  // namespace melgrad
