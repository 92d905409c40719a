#include "models/model.h"

#include "kernels/text.h"
#include "models/dong2018.h"

namespace melgrad {
namespace {

using Make = std::unique_ptr<Model> (*)(const ModelOptions&, const InputShape&, std::int64_t);
constexpr std::pair<const char*, Make> kModels[] = {{"dong2018", make_dong2018}};

}  // namespace

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
