// melgrad sweep: one recipe with several values of some of its keys, each a run on the same split. Validation
// chooses among them; the test tracks are asked for the best point alone, so that nothing is chosen by them.
#include <algorithm>
#include <filesystem>

#include "apps/commands.h"
#include "apps/data/extract.h"
#include "apps/sweep/points.h"
#include "apps/sweep/table.h"
#include "apps/training/run_list.h"
#include "apps/training/train.h"
#include "io/files/atomic_file.h"
#include "kernels/text.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"
#include "models/training/transfer.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct SweepArguments {
  TrainRequest train;  // data, recipe, split, seed of the first
  std::vector<std::string> set;
  std::int64_t seeds = 1, random = 0;
};

// All points of a sweep, and the recipe of each.
struct Planned {
  Recipe recipe;  // which they change
  std::vector<SweepKey> keys;
  std::vector<SweepPoint> points;
  std::vector<Recipe> recipes;
};

Planned planned(const SweepArguments& args) {
  Planned plan{chosen_recipe(args.train.recipe, {}, say_line), sweep_keys(args.set), {}, {}};
  if (plan.keys.empty() && args.seeds == 1)
    fail(ErrorKind::usage, "sweep: nothing to compare: name values with --set, or --seeds above 1");
  const auto words = keys_of(args.set);
  for (std::size_t i = 0; i < words.size(); ++i)
    if (const std::string word = args.set[i].substr(0, args.set[i].find('=')); word != words[i])
      say("{} is {}", word, words[i]);
  for (const SweepKey& key : plan.keys)  // so that the recipe says what is to be extracted
    if (key.key.starts_with("features.")) set_recipe_fields(plan.recipe, {key.key + "=" + key.values[0]});
  plan.points = args.random > 0 ? random_points(plan.keys, args.random, args.train.seed) : grid_of(plan.keys);
  for (std::size_t i = 0; i < plan.points.size(); ++i) {
    const auto assignments = assignments_of(plan.keys, plan.points[i]);
    try {
      plan.recipes.push_back(chosen_recipe(plan.recipe, assignments));
    } catch (const Error& error) {
      if (plan.points.size() == 1) throw;
      fail(error.kind(), "point {} ({}): {}", i, joined(assignments), error.what());
    }
  }
  return plan;
}

RunFolder open_folder(const SweepArguments& args, const Planned& plan, const ListOptions& options) {
  ordered_json asked = {
      {"recipe", plan.recipe.name},
      {"data", as_utf8(fs::absolute(args.train.data).lexically_normal().string())},
      {"set", as_json(plan.keys)},
      {"random", args.random},
      {"seed", args.train.seed},
      {"seeds", args.seeds},
      {"best_by", name_of(plan.recipes[0].train.best_by)},
      {"random_split", args.train.random_split},
  };
  asked.update(split_record(args.train));
  asked["points"] = plan.points;
  return open_list(options, "sweep-" + plan.recipe.name, asked, {{"recipe.toml", plan.recipe}});
}

// One for all points: of tracks as long as the longest segment among them.
Split split_of(const Planned& plan, const std::string& cache, TrainRequest request, Device& device) {
  const Recipe& longest =
      *std::max_element(plan.recipes.begin(), plan.recipes.end(),
                        [](const Recipe& a, const Recipe& b) { return a.segment.frames < b.segment.frames; });
  const auto data = looked_at(device, cache, longest);
  expect_classes(request.data, data->classes(), longest);
  for (const SweepKey& key : plan.keys) request.set.push_back(key.key + "=");
  const bool imported = data->features().preset == "imported";
  if (imported) expect_none_of("features.", request.set, cache + " has imported features");
  for (Recipe recipe : plan.recipes) {
    if (imported) recipe.features.preset = "imported";
    expect_network(recipe, data->table().bands());
  }
  Split split = choose_split(*data, longest, request, say_line);
  if (split.valid.empty())
    fail(ErrorKind::input, "{}: no track is for validation, by which a sweep chooses; split.valid higher",
         request.data);
  return split;
}

// Tests the runs of the best point that are not tested yet.
void test_best(const SweepTable& table, const RunFolder& sweep, const Settings& settings) {
  if (table.best() == nullptr) return;
  std::unique_ptr<Device> device;
  for (const SweepRun& tested : table.best()->runs) {
    const std::string path = sweep.file(tested.name);
    if (result_stands(RunFolder::open(path))) continue;
    const RunFolder folder = RunFolder::resume(path);
    if (!device) device = open_device(settings);
    const RunOrigin origin = origin_of(folder);
    const Recipe recipe = load_recipe(folder.file("recipe.toml"));
    const TrainingData data(*device, origin.cache, recipe);
    const Split split = read_split(folder.file("splits.json"), data.names());
    if (split.test.empty()) return say("no track is for the test: the best point is not tested");
    TrainingRun run(*device, data, split, recipe, origin.seed);
    const std::string checkpoint = folder.file("checkpoint.h5");
    run.restore(load_checkpoint(checkpoint), checkpoint);
    test_in_folder(run, folder);
  }
}

// Writes and prints the table of what is there.
void collect(const RunFolder& folder, Settings& settings) {
  SweepTable table = read_sweep(folder);
  expect_one_data_set(folder, table.runs());
  test_best(table, folder, settings);
  table = read_sweep(folder);
  write_file_atomically(folder.file("sweep.csv"), table.csv());
  folder.write_json("result.json", table.json());
  if (settings.json) print_json(table.json());
  else print("{}\nresult: {}\n", Lines{align(table.rows())}, folder.file("sweep.csv"));
  tell_missing(table.missing(), folder, settings);
  if (!table.missing().empty() || table.best() != nullptr) return;
  if (!table.ranked().back()->diverged())
    return say("no run was validated (train.validate_every), so no point is the best");
  fail(ErrorKind::diverged, "{}: every point has diverged; lower train.rate or set train.clip_norm",
       folder.path().string());
}

// `split`, unless the features are to be made first.
void train(RunList& list, const RunFolder& folder, const Planned& plan, std::optional<Split> split,
           const SweepArguments& args, const ListOptions& options, Device& device, Settings& settings) {
  tell_of_features(plan.recipes[0].features);
  const std::string cache = features_of_list(folder, data_request(args.train), plan.recipes[0], "recipe.toml",
                                             options.part, device, settings);
  if (!split) split = split_of(plan, cache, args.train, device);
  std::vector<ListedRun> runs;
  const auto seeds = static_cast<std::size_t>(args.seeds);
  for (const std::size_t i : list.to_do()) {
    const std::uint64_t seed = args.train.seed + i % seeds;
    runs.push_back({sweep_run_name(i / seeds, seed), plan.recipes[i / seeds], seed, args.train.data, cache,
                    *split, split_record(args.train)});
  }
  list.train(device, settings, runs);
}

void sweep(Settings& settings, const SweepArguments& args, ListOptions options) {
  if (!options.collect.empty()) return collect(RunFolder::open(options.collect), settings);
  expect_part(options.part);
  const bool in_parts = options.part.has_value();
  if (!in_parts) options.part = Part{};  // the whole, which the same command goes on with too
  if (args.train.recipe.empty()) fail(ErrorKind::usage, "sweep: name a recipe, as dong2018-fixed");
  const Planned plan = planned(args);
  const auto device = open_device(settings);  // before a folder stays behind
  if (args.train.data.empty()) fail(ErrorKind::usage, "sweep: name the data with --data");
  expect_data("--data", args.train.data);
  std::optional<Split> split;
  if (!audio_of(data_request(args.train), settings))
    split = split_of(plan, args.train.data, args.train, *device);
  const RunFolder folder = open_folder(args, plan, options);
  RunEnding ending{
      [](const RunFolder& run) { return fs::exists(run.file(kTrained)); },
      [](TrainingRun& run, const RunFolder& run_folder, const Notes&) { write_trained(run, run_folder); },
      [](const RunFolder& run_folder, const std::string&) { write_diverged(run_folder); }};
  RunList list(folder, read_sweep(folder).runs(), ending, options, "sweep");
  train(list, folder, plan, std::move(split), args, options, *device, settings);
  list.end("finished");
  // The best are tested with as many threads as they were trained with.
  if (options.jobs > 1) settings = divided(settings, options.jobs);
  if (in_parts) list.tell_part(settings);
  else collect(folder, settings);
}

}  // namespace

void register_sweep(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand(
      "sweep", "train a recipe with several values of its keys, on one split; test the best by validation");
  auto args = std::make_shared<SweepArguments>();
  auto options = std::make_shared<ListOptions>();
  command->add_option("recipe", args->train.recipe,
                      "name of a recipe (melgrad recipes lists them), or a TOML file");
  command->add_option("--data", args->train.data,
                      std::string("a cache (.h5, from melgrad extract), or a ") + kDataHelp);
  add_classes_are_folders(*command, args->train.classes_are_folders);
  command
      ->add_option("--set", args->set,
                   "section.key=value,value,...: what the points have; every combination, the first --set "
                   "slowest. Of keys whose values are text (train.freeze, train.phases) a ; ends each value. "
                   "least..most is a range for --random")
      ->allow_extra_args(false);
  command
      ->add_option("--random", args->random,
                   "so many random points instead of every combination, as --seed draws them")
      ->range(1, 100000);
  command->add_option("--seeds", args->seeds, "runs of each point, with --seed and the seeds behind it")
      ->range(1, 1000)
      ->capture_default_str();
  command->add_option("--seed", args->train.seed, "of weights, order, crops and dropout of the first run")
      ->capture_default_str();
  auto* split = add_split_options(*command, args->train);
  command->add_option("--out", options->out,
                      "the sweep's folder (default runs/sweep-<recipe>-<time>); one that is begun is gone on "
                      "with by the same command");
  auto* collects = add_list_options(*command, *options, "runs");
  add_no_cache(*command, settings);
  command->goes_alone(*collects);
  command->callback([=, &settings] {
    args->train.random_split = split->count() > 0;
    sweep(settings, *args, *options);
  });
}

}  // namespace melgrad
