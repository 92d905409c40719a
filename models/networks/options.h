// What is chosen of a network; a recipe's section [model] (models/recipes/recipe_table.h says what each
// means).
#pragma once

#include <cstdint>
#include <string>

namespace melgrad {

struct ModelOptions {
  std::string architecture = "dong2018";  // of model_names() (models/networks/networks.h)
  std::int64_t filters = 64;
  double dropout = 0.2;
  double width = 1;
  double l2_conv = 0.01, l2_dense = 0.02;
};

}  // namespace melgrad
