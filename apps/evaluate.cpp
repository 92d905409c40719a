// melgrad evaluate: track-level test result of a finished run.
#include <cmath>

#include "apps/train.h"

namespace melgrad {
namespace {

void evaluate(const Settings& settings, const std::string& path, const std::string& cache_path) {
  const auto device = open_device(settings);
  const RunFolder folder = RunFolder::open(path);
  const auto asked = folder.read_json("run.json");
  Recipe recipe = load_recipe(folder.file("recipe.toml"));
  const TrainingData data(*device, cache_path.empty() ? asked.at("cache").get<std::string>() : cache_path,
                          recipe);
  TrainingRun run(*device, data, read_split(folder.file("splits.json"), data.names()), recipe,
                  asked.at("seed"));
  const std::string checkpoint = folder.file("checkpoint.h5");
  run.restore(load_checkpoint(checkpoint), checkpoint);
  if (run.split().test.empty()) fail(ErrorKind::input, "{}: the split has no test tracks", path);
  const auto result = test_in_folder(run, folder, data, recipe);
  if (settings.json) {
    fmt::print("{}\n", result.dump(2));
    return;
  }
  const auto& test = result.at("test");
  fmt::print(
      "{}: {} of {} test tracks right: accuracy {:.3f} (95 % interval {:.3f} to {:.3f}), {} weights\n"
      "single segments {:.3f}; final weights {:.3f}, best-validation weights {:.3f}\n\n{}\nresult: {}\n",
      path, std::llround(result.at("accuracy").get<double>() * test.at("tracks").get<double>()),
      test.at("tracks").get<int>(), result.at("accuracy").get<double>(),
      test.at("accuracy_interval")[0].get<double>(), test.at("accuracy_interval")[1].get<double>(),
      recipe.train.weights, test.at("segment_accuracy").get<double>(),
      result.at("accuracy_final").get<double>(), result.at("accuracy_best").get<double>(),
      as_table(test.at("confusion").get<std::vector<std::vector<std::int64_t>>>(), data.classes()),
      folder.file("result.json"));
  if (!run.finished())
    fmt::print("note: this run is not finished; go on with: melgrad train --resume {}\n", path);
}

}  // namespace

void register_evaluate(CLI::App& root, Settings& settings) {
  auto* command = root.add_subcommand("evaluate", "test a finished run on its test tracks");
  auto path = std::make_shared<std::string>(), cache = std::make_shared<std::string>();
  command->add_option("run", *path, "run folder")->required();
  command->add_option("--data", *cache, "the cache, if it was moved since");
  command->callback([=, &settings] { evaluate(settings, *path, *cache); });
}

}  // namespace melgrad
