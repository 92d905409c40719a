// What is chosen of a network; a recipe's section [model] (models/recipes/recipe_table.h says what each
// means).
#pragma once

#include <cstdint>
#include <string>

namespace melgrad {

// What becomes of time behind the convolutions of a network that pools over it.
enum class Pooling {
  own,  // as published
  mean,
  max,
  max_mean,   // side by side
  attention,  // the mean weighed by learned scores (engine/functions.h)
};

struct ModelOptions {
  std::string architecture = "dong2018";  // of model_names() (models/networks/networks.h)
  std::int64_t filters = 64;
  double dropout = 0.2;
  double width = 1;
  Pooling pooling = Pooling::own;
  bool relative = true, modulation = false;
  double l2_conv = 0.01, l2_dense = 0.02;
};

}  // namespace melgrad
