#include "models/model.h"

#include "kernels/text.h"
#include "models/dong2018.h"

namespace melgrad {
namespace {

using Make = std::unique_ptr<Model> (*)(const ModelOptions&, const InputShape&, std::int64_t);
constexpr std::pair<const char*, Make> kModels[] = {{"dong2018", make_dong2018}};

}  // namespace

Var Model::logits(Tape& tape, Tensor x, const RandomSource& random) {
  if (mean_) tape.ops().standardise(x, mean_, scale_, x);
  return forward(tape, tape.input(x), random);
}

void Model::standardise_input(Device& device, const std::vector<float>& mean,
                              const std::vector<float>& deviation) {
  const auto bands = static_cast<std::int64_t>(mean.size());
  std::vector<float> scale;
  for (const float d : deviation) scale.push_back(d > 0 ? 1 / d : 0);
  require(deviation.size() == mean.size(), "standardise_input: {} means, {} deviations", mean.size(),
          deviation.size());
  input_.emplace(device, 2 * aligned_bytes(bands * size_of(DType::f32)));
  mean_ = input_->take({bands});
  scale_ = input_->take({bands});
  device.to_device(mean_, mean.data());
  device.to_device(scale_, scale.data());
}

std::unique_ptr<Model> make_model(const ModelOptions& options, const InputShape& input,
                                  std::int64_t classes) {
  for (const auto& [name, make] : kModels) {
    if (options.architecture == name) return make(options, input, classes);
  }
  fail(ErrorKind::usage, "model.architecture: no such network '{}'; did you mean {}?", options.architecture,
       nearest(options.architecture, model_names()));
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : kModels) names.emplace_back(name);
  return names;
}

}  // namespace melgrad
