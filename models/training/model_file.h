// Weights as arrays of a file, and the file that holds all that prediction needs: weights, recipe, classes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/arrays/checkpoint.h"
#include "models/networks/model.h"
#include "models/recipes/recipe.h"

namespace melgrad {

HostArray to_array(Device& device, Tensor tensor);

// All parameters, or the same parts of another slab, as arrays "<prefix>/<name>"; a slab of moments has no
// part for running statistics.
void save_slab(Device& device, const ParamStore& params, const Slab* slab, const std::string& prefix,
               Checkpoint& out);
// Throws Error (input) naming `path` and the array where one is missing or has another shape.
void load_slab(Device& device, const ParamStore& params, const Slab* slab, const std::string& prefix,
               const Checkpoint& in, const std::string& path);

// The network a recipe asks for, its parameters in memory and not yet set.
std::unique_ptr<Model> new_model(Device& device, const Recipe& recipe, std::int64_t bands,
                                 std::size_t classes);

// `weights`: those of another slab than the model's own; null: its own.
Checkpoint model_file(Device& device, const Model& model, const Slab* weights, const Recipe& recipe,
                      const std::vector<std::string>& classes, std::int64_t bands);

// The model and recipe of a model file (.h5, .safetensors), ready to predict.
struct LoadedModel {
  Recipe recipe;
  std::vector<std::string> classes;
  std::int64_t bands = 0;
  std::unique_ptr<Model> model;
};
LoadedModel load_model(Device& device, const std::string& path);

}  // namespace melgrad
