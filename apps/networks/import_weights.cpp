// melgrad import-weights: a network that others have trained, as a file that predict, export and the like
// take.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/screen.h"
#include "apps/terminal/text_table.h"
#include "apps/training/train.h"
#include "io/arrays/safetensors.h"
#include "io/files/json.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/model_library.h"
#include "models/weights/published.h"
#include "models/weights/weight_map.h"

namespace melgrad {
namespace {

struct ImportWeightsArgs {
  std::string source, as, model, recipe, classes, map, out;
  std::vector<std::string> set;
  bool list = false;
};

void list(const WeightSource& source, const Settings& settings) {
  TextRows rows;
  auto json = nlohmann::ordered_json::array();
  for (const SourceTensor& tensor : source.tensors()) {
    rows.push_back({tensor.name, tensor.type, shape_text(tensor.shape)});
    json.push_back({{"name", tensor.name}, {"type", tensor.type}, {"shape", tensor.shape}});
  }
  if (settings.json) print_json(json);
  else print("{}", Lines{align(rows)});
}

// With what is known of the network that --as names, and its place among the models.
ImportWeightsArgs completed(ImportWeightsArgs args) {
  if (args.as.empty()) return args;
  const PublishedNetwork& known = published_network(args.as);
  const std::string kind = std::filesystem::path(args.source).extension().string();
  if (kind == ".whl" || kind == ".zip") args.model = known.checkpoint;  // one of several there
  args.recipe = known.recipe;
  args.classes = known.classes;
  if (args.out.empty()) {
    const auto folder = model_folder();
    if (!folder)
      fail(ErrorKind::usage,
           "import-weights: there is no folder for models; set MELGRAD_MODELS, or give --out");
    std::error_code error;
    std::filesystem::create_directories(*folder, error);
    if (error) fail(ErrorKind::output, "{}: cannot be created ({})", folder->string(), error.message());
    args.out = (*folder / (known.name + ".safetensors")).string();
  }
  return args;
}

void import_weights(const ImportWeightsArgs& asked, const Settings& settings) {
  const ImportWeightsArgs args = completed(asked);
  const auto source = open_weights(args.source, args.model);
  if (args.list) return list(*source, settings);
  for (const auto& [option, value] :
       {std::pair{"--recipe", args.recipe}, {"--classes", args.classes}, {"--out", args.out}})
    if (value.empty()) fail(ErrorKind::usage, "import-weights: needs {}, or --as, or --list", option);
  const Recipe recipe = chosen_recipe(args.recipe, args.set, say_line);
  const std::vector<std::string> classes = class_list(args.classes);
  Checkpoint model = import_weights(*source, args.source, recipe, classes, args.map);
  if (!args.as.empty()) model.text["about"] = json_text(as_json(published_network(args.as)));
  if (args.out.ends_with(".safetensors")) save_safetensors(args.out, model);
  else save_checkpoint(args.out, model);
  if (settings.json) {
    print_json(nlohmann::ordered_json{{"file", args.out},
                                      {"recipe", recipe.name},
                                      {"classes", classes.size()},
                                      {"tensors", model.arrays.size() - 1}});
  } else {
    print("{}: {} with {} classes, {} tensors; melgrad predict {} FILES\n", args.out, recipe.name,
          classes.size(), model.arrays.size() - 1,
          args.as.empty() || !asked.out.empty() ? args.out : args.as);
  }
}

}  // namespace

void register_import_weights(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("import-weights", "take over a network that others have trained");
  auto args = std::make_shared<ImportWeightsArgs>();
  command
      ->add_option("source", args->source,
                   "a .safetensors or PyTorch .pth file of a state_dict, a TensorFlow checkpoint (PREFIX of "
                   "PREFIX.index), or a Python wheel that holds one")
      ->required();
  auto* known = command->add_option("--as", args->as,
                                    "a published network that melgrad knows (melgrad models): its recipe and "
                                    "classes, under its name at hand");
  command->add_option("--model", args->model, "which checkpoint of a wheel")->excludes(known);
  command->add_option("--recipe", args->recipe, "whose network and features it is");
  command->add_option("--set", args->set, "section.key=value of the recipe")->allow_extra_args(false);
  command->add_option("--classes", args->classes,
                      "in the order of its outputs: mtat50, msd50, jamendo50, or a text file, one a line");
  command->add_option("--map", args->map, "a TOML file that says which tensor is which, or the name of ours");
  command->add_option("--out", args->out, "file to write: .safetensors, or .h5");
  auto* only_list = command->add_flag("--list", args->list, "only what the source holds");
  for (const char* other : {"--as", "--recipe", "--set", "--classes", "--map", "--out"})
    only_list->excludes(other);
  for (const char* other : {"--recipe", "--set", "--classes", "--map"}) known->excludes(other);
  command->callback([args, &settings] { import_weights(*args, settings); });
}

}  // namespace melgrad
