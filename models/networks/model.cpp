#include "models/networks/model.h"

#include "kernels/error.h"

namespace melgrad {

Var Model::input(Tape& tape, Tensor x) const {
  if (mean_) tape.ops().standardise(x, mean_, scale_, x);
  return tape.input(x);
}

std::vector<Var> Model::answers(Tape& tape, Tensor x, const RandomSource& random) {
  return answers_of(tape, embed(tape, input(tape, x), random), random);
}

Var Model::logits(Tape& tape, Tensor x, const RandomSource& random) {
  return mean(tape, answers(tape, x, random));
}

std::vector<Var> Model::answers_of(Tape& tape, Var h, const RandomSource& random) {
  return {classify(tape, h, random)};
}

Var Model::embedding(Tape& tape, Tensor x) { return embed(tape, input(tape, x), {}); }

void Model::standardise_input(Device& device, const std::vector<float>& mean,
                              const std::vector<float>& deviation) {
  const auto bands = static_cast<std::int64_t>(mean.size());
  std::vector<float> scale;
  for (const float d : deviation) scale.push_back(d > 0 ? 1 / d : 0);
  require(deviation.size() == mean.size(), "standardise_input: {} means, {} deviations", mean.size(),
          deviation.size());
  input_.emplace(device, std::vector<Slab::Part>{{&mean_, {bands}}, {&scale_, {bands}}});
  device.to_device(mean_, mean.data());
  device.to_device(scale_, scale.data());
}

}  // namespace melgrad
