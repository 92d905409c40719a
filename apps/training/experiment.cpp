#include "apps/training/experiment.h"

#include <algorithm>
#include <map>
#include <set>

#include "apps/data/extract.h"
#include "apps/training/train.h"
#include "kernels/text.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"
#include "models/training/task.h"
#include "models/training/transfer.h"

namespace melgrad {
namespace {

// By protocol and drawing.
using DrawnSplits = std::map<std::pair<std::size_t, std::int64_t>, std::vector<Split>>;

// Which drawing a repetition has: only folds are drawn anew for it.
std::int64_t drawing_of(const ProtocolOptions& protocol, std::int64_t repetition) {
  return protocol.protocol == Protocol::folds ? repetition : 0;
}

// Tracks that are too short for a segment of any recipe play no part for the others either.
void keep_tracks(Split& split, const std::set<std::int32_t>& usable) {
  for (auto* part : {&split.train, &split.valid, &split.test})
    std::erase_if(*part, [&](std::int32_t track) { return !usable.contains(track); });
}

// The data as each recipe takes them. The splits are indices, so all have the same tracks.
std::vector<std::unique_ptr<TrainingData>> opened(const Experiment& experiment,
                                                  const std::vector<std::string>& caches, Device& device) {
  std::vector<std::unique_ptr<TrainingData>> all;
  for (std::size_t i = 0; i < caches.size(); ++i) {
    Recipe recipe = experiment.recipes[i];
    all.push_back(looked_at(device, caches[i], recipe));
    const TrainingData& data = *all.back();
    expect_classes(experiment.data.path, data.classes(), recipe);
    if (data.features().preset == "imported") recipe.features.preset = "imported";
    expect_network(recipe, data.table().bands());
    if (data.names() != all[0]->names())
      fail(ErrorKind::input, "{}: has other tracks than {}: recipe {} leaves out others than {}", caches[i],
           caches[0], recipe.name, experiment.recipes[0].name);
  }
  return all;
}

// `caches`: the features of each recipe.
DrawnSplits draw(const Experiment& experiment, const std::vector<std::string>& caches, Device& device) {
  const auto all = opened(experiment, caches, device);
  const TrainingData* fewest = all[0].get();  // tracks
  std::set<std::int32_t> usable;
  for (const auto& data : all) {
    const auto tracks = data->all_tracks();
    if (tracks.size() < fewest->all_tracks().size()) fewest = data.get();
    std::set<std::int32_t> both;
    for (const std::int32_t track : tracks)
      if (data == all[0] || usable.contains(track)) both.insert(track);
    usable = std::move(both);
  }
  if (const std::string identical = fewest->identical_tracks(); !identical.empty()) say("{}", identical);
  DrawnSplits splits;
  std::set<std::string> told;
  for (std::size_t p = 0; p < experiment.protocols.size(); ++p) {
    const ProtocolOptions& protocol = experiment.protocols[p];
    for (std::int64_t r = 0; r <= drawing_of(protocol, protocol.seeds - 1); ++r) {
      auto& drawn = splits[{p, r}] =
          splits_of(*fewest, protocol, experiment.recipes[0].split, static_cast<std::uint64_t>(r));
      for (Split& split : drawn) {
        keep_tracks(split, usable);
        for (const std::string& doubt : fewest->task().doubts(*fewest, split))
          if (told.insert(doubt).second) say("{}", doubt);
      }
    }
  }
  return splits;
}

// The features of each recipe: the same file where they are the same features.
std::vector<std::string> features_of(const Experiment& experiment, const RunFolder& folder,
                                     const ListOptions& options, Device& device, Settings& settings) {
  const auto& recipes = experiment.recipes;
  std::vector<std::string> names, caches;
  for (const Recipe& recipe : recipes) names.push_back(recipe.name);
  const std::vector<std::string> files = recipe_files(names);
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    std::size_t first = 0;
    while (recipes[first].features != recipes[i].features) ++first;
    caches.push_back(first < i ? caches[first]
                               : features_of_list(folder, experiment.data, recipes[i], files[i], options.part,
                                                  device, settings));
  }
  return caches;
}

void train_runs(const Experiment& experiment, RunList& list, const std::vector<std::string>& caches,
                const DrawnSplits& splits, Device& device, const Settings& settings) {
  const std::vector<ExperimentRun> all = experiment.runs();
  std::vector<ListedRun> runs;
  for (const std::size_t i : list.to_do()) {
    const ExperimentRun& run = all[i];
    const auto& drawn =
        splits.at({run.protocol, drawing_of(experiment.protocols[run.protocol], run.repetition)});
    ListedRun listed{experiment.name(experiment, run),
                     experiment.recipes[run.recipe],
                     experiment.seed_of(run),
                     experiment.data.path,
                     caches[run.recipe],
                     drawn.at(static_cast<std::size_t>(run.split))};
    if (experiment.records)
      listed.record = {{"protocol", name_of(experiment.protocols[run.protocol].protocol)},
                       {"split", run.split},
                       {"repetition", run.repetition}};
    runs.push_back(std::move(listed));
  }
  list.train(device, settings, runs);
}

RunEnding tested() {
  return {result_stands, [](TrainingRun& run, const RunFolder& folder, const Notes& notes) {
            const auto result = test_in_folder(run, folder);
            const auto& test = result.at("test");
            const bool genres = test.contains("accuracy");
            note(notes, "{}: test {} {:.3f} ({}), weights {:016x}", folder.path().filename().string(),
                 genres ? "accuracy" : "ROC-AUC",
                 (genres ? test.at("accuracy") : test.at("macro").at("roc_auc").at("value")).get<double>(),
                 run.ending(), run.weights_digest());
          }};
}

bool one_kind_of_features(const Experiment& experiment) {
  return std::all_of(experiment.recipes.begin(), experiment.recipes.end(),
                     [&](const Recipe& recipe) { return recipe.features == experiment.recipes[0].features; });
}

// What has come of the runs, from their folders alone.
TestedRuns read_tested(const RunFolder& folder, const Experiment& experiment,
                       std::vector<std::string> missing) {
  // Features of another sample rate or mix have another digest.
  if (one_kind_of_features(experiment)) expect_one_data_set(folder, experiment.names());
  TestedRuns out;
  out.missing = std::move(missing);
  for (const ExperimentRun& run : experiment.runs()) {
    const std::string name = experiment.name(experiment, run);
    if (std::find(out.missing.begin(), out.missing.end(), name) != out.missing.end()) continue;
    const RunFolder of_run = RunFolder::open(folder.file(name));
    out.runs.push_back({name, run, of_run.read_json("result.json")});
    of_run.read("result.json", [&](const nlohmann::ordered_json& result) {
      const auto& test = result.at("test");
      std::vector<std::string> classes;
      if (test.contains("classes")) test.at("classes").get_to(classes);
      else
        for (const auto& tag : test.at("tags")) classes.push_back(tag.at("tag"));
      if (out.classes.empty()) out.classes = classes;
      if (classes != out.classes)
        fail(ErrorKind::input, "{}: its classes are not those of {}", of_run.file("result.json"),
             out.runs[0].name);
    });
    add_device(out.device, of_run);
  }
  return out;
}

struct Begun {
  RunFolder folder;
  Experiment experiment;
  std::optional<DrawnSplits> splits;  // unless the features are to be made first
};

Begun begin_experiment(const ExperimentCommand& command, const ListOptions& options, Device& device,
                       const Settings& settings) {
  if (!options.resume.empty()) {
    RunFolder folder = open_list(options, "", {});
    Experiment experiment = command.read(folder);
    return {std::move(folder), std::move(experiment), std::nullopt};
  }
  Experiment experiment = command.plan();
  std::vector<std::string> names;
  for (const Recipe& recipe : experiment.recipes) names.push_back(recipe.name);
  const std::vector<std::string> files = recipe_files(names);
  std::map<std::string, Recipe> recipes;
  for (std::size_t i = 0; i < files.size(); ++i) recipes[files[i]] = experiment.recipes[i];
  std::optional<DrawnSplits> splits;
  if (!audio_of(experiment.data, settings))
    splits = draw(experiment, std::vector(files.size(), experiment.data.path), device);
  const std::string title = command.folder + (command.folder.ends_with('-') ? names[0] : "");
  RunFolder folder = open_list(options, title, command.record(experiment), recipes);
  // As whoever goes on with it will read it.
  Experiment asked = command.read(folder);
  if (asked.protocols.size() != experiment.protocols.size()) splits.reset();
  return {std::move(folder), std::move(asked), std::move(splits)};
}

}  // namespace

std::vector<ExperimentRun> Experiment::runs() const {
  std::vector<ExperimentRun> all;
  for (std::size_t p = 0; p < protocols.size(); ++p)
    for (std::int64_t repetition = 0; repetition < protocols[p].seeds; ++repetition)
      for (std::int64_t split = 0; split < protocols[p].splits; ++split)
        for (std::size_t recipe = 0; recipe < recipes.size(); ++recipe)
          all.push_back({recipe, p, split, repetition});
  return all;
}

std::vector<std::string> Experiment::names() const {
  std::vector<std::string> all;
  for (const ExperimentRun& run : runs()) all.push_back(name(*this, run));
  return all;
}

std::uint64_t Experiment::seed_of(const ExperimentRun& run) const {
  return seed + static_cast<std::uint64_t>(run.split + run.repetition * protocols[run.protocol].splits);
}

std::vector<std::string> recipe_files(const std::vector<std::string>& names) {
  if (names.size() == 1) return {"recipe.toml"};
  std::vector<std::string> files;
  for (const std::string& name : names) {
    if (name.empty() || name.find('/') != std::string::npos)
      fail(ErrorKind::usage, "--recipe: \"{}\" names a folder for its runs: no name, or one without /", name);
    if (std::count(names.begin(), names.end(), name) > 1)
      fail(ErrorKind::usage, "--recipe: two are called {}: another name = \"...\" in the file of one", name);
    files.push_back("recipe-" + name + ".toml");
  }
  return files;
}

void conduct(const ExperimentCommand& command, const ListOptions& options, Settings& settings) {
  const bool collects = !options.collect.empty();
  const auto device = collects ? nullptr : open_device(settings);  // before a folder stays behind
  Begun begun = [&]() -> Begun {
    if (!collects) return begin_experiment(command, options, *device, settings);
    RunFolder folder = RunFolder::open(options.collect);
    Experiment experiment = command.read(folder);
    return {std::move(folder), std::move(experiment), std::nullopt};
  }();
  const auto& [folder, experiment, drawn] = begun;
  RunEnding ending = tested();
  ending.one_data_set = one_kind_of_features(experiment);
  RunList list(folder, experiment.names(), ending, options, command.name);
  if (!collects) {
    const auto caches = features_of(experiment, folder, options, *device, settings);
    for (std::size_t i = 0; i < caches.size(); ++i)
      if (std::find(caches.begin(), caches.begin() + static_cast<std::ptrdiff_t>(i), caches[i]) ==
          caches.begin() + static_cast<std::ptrdiff_t>(i))
        tell_of_features(experiment.recipes[i].features);
    train_runs(experiment, list, caches, drawn ? *drawn : draw(experiment, caches, *device), *device,
               settings);
  }
  if (options.part) {
    list.end("finished");
    return list.tell_part(settings);
  }
  const TestedRuns found = read_tested(folder, experiment, list.missing());
  command.tell(folder, experiment, found, settings);
  if (collects) tell_missing(found.missing, folder, settings);
  else list.end("finished");
}

}  // namespace melgrad
