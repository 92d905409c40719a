// A recipe as somebody chooses it. What he sets and what would play no part is refused, so that nobody takes
// a result for that of a setting which was never looked at. Recipes that runs have left behind state every
// key and are read by load_recipe alone.
#pragma once

#include <string>
#include <vector>

#include "models/recipes/recipe.h"
#include "models/training/notes.h"

namespace melgrad {

// load_recipe and set_recipe_fields. Throws Error (usage) naming the key too for one that `assignments` set,
// or that a file of his own sets to something else than it would be, and that plays no part in the recipe;
// and for a name that cannot be that of a folder. `notes` are told what set_recipe_fields
// has to say.
Recipe chosen_recipe(const std::string& name_or_path, const std::vector<std::string>& assignments,
                     const Notes& notes = {});
// The same for one that was not chosen by name.
Recipe chosen_recipe(Recipe recipe, const std::vector<std::string>& assignments, const Notes& notes = {});

// What the key belongs to if it plays no part in the recipe, "train.optimizer = sgd"; else "".
std::string belongs_elsewhere(const Recipe& recipe, const std::string& key);

// The keys that "section.key=value" each means (models/recipes/recipe_keys.h).
std::vector<std::string> keys_of(const std::vector<std::string>& assignments);

// Throws Error (usage) for a --set of a key that plays no part in any of the recipes.
void expect_use(const std::vector<Recipe>& recipes, const std::vector<std::string>& assignments);

}  // namespace melgrad
