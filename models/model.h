// Model: a network with its parameters. One file per architecture; make_model knows their names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/functions.h"
#include "models/recipe.h"

namespace melgrad {

struct InputShape {
  std::int64_t frames = 0, bands = 0;  // of one segment
};

// Where a model's random layers take their numbers from.
struct RandomSource {
  std::uint64_t seed = 0;
  Tensor counter;  // device scalar i64: the training step
};

class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  // x [N, frames, bands, 1] -> logits [N, classes]
  virtual Var forward(Tape& tape, Var x, const RandomSource& random) = 0;

  ParamStore& params() { return params_; }
  const ParamStore& params() const { return params_; }

 protected:
  ParamStore params_;
};

// Throws Error (usage) for an unknown architecture or an input that is too small for it. Parameters are
// declared, not yet allocated.
std::unique_ptr<Model> make_model(const ModelOptions& options, const InputShape& input, std::int64_t classes);
std::vector<std::string> model_names();

}  // namespace melgrad
