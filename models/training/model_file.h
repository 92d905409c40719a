// Weights as arrays of a file, and the file that holds all that prediction needs: weights, recipe, classes.
#pragma once

#include <memory>
#include <set>
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
// The same back, but for the parameters in `others`. Throws Error (input) naming `path` and the array where
// one is missing or has another shape.
void load_slab(Device& device, const ParamStore& params, const Slab* slab, const std::string& prefix,
               const Checkpoint& in, const std::string& path, const std::set<std::string>& others = {});

// Sets a model to what its file holds, and how its input is standardised, but for the parameters in `others`.
// Throws Error (input) as load_slab does.
void load_weights(Device& device, Model& model, const std::set<std::string>& others, const Recipe& recipe,
                  const Checkpoint& in, const std::string& path);

// The network a recipe asks for, its parameters in memory and not yet set; which of them are trained, and at
// which rate, is as the recipe says (models/training/transfer.h).
std::unique_ptr<Model> new_model(Device& device, const Recipe& recipe, std::int64_t bands,
                                 std::size_t classes);

// `weights`: those of another slab than the model's own; null: its own.
Checkpoint model_file(Device& device, const Model& model, const Slab* weights, const Recipe& recipe,
                      const std::vector<std::string>& classes, std::int64_t bands);

// What stands in a model file (.h5, .safetensors).
Checkpoint read_model_file(const std::string& path);
// The model and recipe of a model file (.h5, .safetensors), ready to predict.
struct LoadedModel {
  Recipe recipe;
  std::vector<std::string> classes;
  std::int64_t bands = 0;
  std::unique_ptr<Model> model;
};
LoadedModel load_model(Device& device, const std::string& path);

}  // namespace melgrad
