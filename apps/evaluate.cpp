// melgrad evaluate: track-level test result of a finished run.
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
  const TestOutcome outcome = test_in_folder(run, folder, data, recipe);
  if (settings.json) {
    fmt::print("{}\n", outcome.result.dump(2));
    return;
  }
  fmt::print("{}: {}\nresult: {}\n", path, outcome.text, folder.file("result.json"));
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
