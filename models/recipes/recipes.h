// The recipe files of models/recipes, compiled into the program.
#pragma once

#include <string>
#include <vector>

namespace melgrad {

struct EmbeddedRecipe {
  std::string name;  // file name without .toml
  std::string text;
};

const std::vector<EmbeddedRecipe>& embedded_recipes();

}  // namespace melgrad
