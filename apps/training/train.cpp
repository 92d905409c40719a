// melgrad train: from a cache or a folder of audio and a recipe to a trained network in a run folder.
#include "apps/training/train.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "apps/data/data_set.h"
#include "apps/data/extract.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/files/hash.h"
#include "models/runs/run_opening.h"
#include "models/runs/run_training.h"
#include "models/runs/version.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

std::string best_of(const TrainingRun& run, const Recipe& recipe) {
  const auto best = run.best_valid();
  return best ? fmt::format("best validation {} {:.3f} after epoch {}", name_of(recipe.train.best_by), *best,
                            run.best_epoch())
              : "no validation figure, so the final weights count";
}

OpenedRun open_new(const TrainRequest& request, const std::string& out, Device& device, Settings& settings) {
  const std::optional<DataSet> audio = audio_of(data_request(request), settings);
  const auto extract = [&](const std::string& cache, const DataSet& set, const MelOptions& mel) {
    extract_to(cache, set, mel, device, settings);
  };
  return open_new_run(request, out, audio ? &*audio : nullptr, extract, say_line);
}

void tell(TrainingRun& run, const OpenedRun& opened, bool done, bool json) {
  const std::string where = opened.folder.path().string();
  if (json) {
    auto notes = nlohmann::ordered_json::array();
    if (const std::string of_features = note_on_features(opened.recipe.features); !of_features.empty())
      notes.push_back(of_features);
    const nlohmann::ordered_json result = {{"run", where},
                                           {"finished", done},
                                           {"steps", run.steps()},
                                           {"best_valid", or_null(run.best_valid())},
                                           {"best_epoch", run.best_epoch()},
                                           {"skipped", run.skipped()},
                                           {"weights", fmt::format("{:016x}", run.weights_digest())},
                                           {"notes", notes}};
    print_json(result);
  } else if (done) {
    print(
        "{}: {} steps, {}; {}; weights {:016x}\n"
        "next: melgrad evaluate {}\n",
        where, run.steps(), run.ending(), best_of(run, opened.recipe), run.weights_digest(), where);
  }
  if (!done) {
    throw Interrupted{
        fmt::format("step {} is saved; go on with: melgrad train --resume {}", run.steps(), where)};
  }
}

// What must be the same on all ranks, or their weights would not be.
void expect_alike(TrainingRun& run, Rank& rank) {
  if (rank.all().size() == 1) return;
  const std::string mine = fmt::format("program {:016x} of commit {}, step {}, weights {:016x}, data {:016x}",
                                       xxh3_of_file("/proc/self/exe"), commit(), run.steps(),
                                       run.weights_digest(), run.data().digest());
  const std::string first = rank.shared(mine);
  if (mine != first) fail(ErrorKind::usage, "is not as rank 0: {} against {}", mine, first);
}

// The run, in its folder; other ranks are told where that is once it can be read.
void lead(Rank& rank, TrainRequest request, const std::string& out, const std::string& resume) {
  Settings& settings = rank.settings();
  Device& device = rank.device();
  const OpenedRun opened = resume.empty() ? open_new(request, out, device, settings)
                                          : open_begun_run(request, resume, device, say_line);
  const TrainingData data(device, opened.cache, opened.recipe, request.hold, say_line);
  TrainingRun run(device, data, opened.split(data, request, say_line), opened.recipe, request.seed,
                  rank.all());
  opened.start(run, request, device, say_line);
  rank.shared(fs::absolute(opened.folder.path()).string());
  expect_alike(run, rank);
  tell(run, opened, train_shown(run, opened.folder, opened.recipe.name, request.saving), settings.json);
}

// The same run on another rank, as its folder describes it.
void follow(Rank& rank, const TrainRequest& request) {
  const RunFolder folder = RunFolder::open(rank.shared(""));
  const RunOrigin origin = origin_of(folder);
  const Recipe recipe = load_recipe(folder.file("recipe.toml"));
  const TrainingData data(rank.device(), origin.cache, recipe, request.hold);
  TrainingRun run(rank.device(), data, read_split(folder.file("splits.json"), data.names()), recipe,
                  origin.seed, rank.all());
  const RunCheckpoints checkpoints(folder);
  if (const auto state = checkpoints.load()) run.restore(*state, checkpoints.newest());
  expect_alike(run, rank);
  train_along(run, interrupted);
}

void start_or_resume(Settings& settings, const TrainRequest& request, const std::string& out,
                     const std::string& resume) {
  on_all_ranks(settings, request.ranks, [&](Rank& rank) {
    if (rank.leads()) lead(rank, request, out, resume);
    else follow(rank, request);
  });
}

}  // namespace

std::string describe(const std::string& label, const TrainingRun::Incident& i) {
  if (i.skipped) return fmt::format("{}: step {} skipped: its gradient is no number", label, i.step);
  return fmt::format("{}: step {}: loss {:.3g}, where {:.3g} was usual", label, i.step, i.loss, i.usual);
}

bool train_shown(TrainingRun& run, const RunFolder& folder, const std::string& label,
                 const SaveOptions& saving) {
  std::optional<Progress> progress(std::in_place, label, run.total_steps(), "steps", run.steps());
  std::string figures;
  std::optional<double> valid;
  Watcher watcher;
  watcher.step = [&](std::int64_t steps) { progress->update(steps, figures); };
  watcher.epoch = [&](const TrainingRun::Epoch& epoch) {
    if (epoch.valid) valid = epoch.valid->figures[0].second;
    figures = fmt::format("loss {:.3f}", epoch.loss);
    if (valid && run.best_valid())
      figures += fmt::format("  valid {:.3f} (best {:.3f})", *valid, *run.best_valid());
  };
  watcher.incident = [&](const TrainingRun::Incident& incident) {
    progress->message(describe(label, incident));
  };
  watcher.stop = interrupted;
  watcher.diverged = [&](const Diverged& diverged, bool from_checkpoint) {
    progress.reset();
    say("{}: {}; the steps since {} are done again to find the operation", label, diverged.what(),
        from_checkpoint ? "the checkpoint" : "the beginning");
  };
  watcher.notes = [&](const std::string& line) { progress->message(line); };
  return train_in_folder(run, folder, label, saving, watcher);
}

Option* add_split_options(CommandLine& command, TrainRequest& request) {
  Option* split = command.add_option("--split", request.split, "number of the random stratified split")
                      ->non_negative()
                      ->capture_default_str();
  command
      .add_option("--split-lists", request.split_lists, "folder with *train*, *valid* and *test* name lists")
      ->excludes(split);
  command
      .add_option(
          "--fold", request.fold,
          "test on this fold of the data set's column \"fold\" and validate on the next (after the last "
          "comes the first); all others train")
      ->excludes("--split-lists")
      ->excludes(split);
  command
      .add_option(
          "--group", request.group,
          "column of the data set (artist, group, album, ...): tracks that have the same there stay on one "
          "side of the random split")
      ->excludes("--split-lists")
      ->excludes("--fold");
  return split;
}

namespace {

void add_saving_options(CommandLine& command, TrainRequest& request) {
  command.add_option("--save-every", request.saving.every, "seconds between checkpoints")
      ->non_negative()
      ->capture_default_str();
  command.add_option("--keep", request.saving.keep, "how many of the last checkpoints stay")
      ->range(1, 1000000)
      ->capture_default_str();
}

}  // namespace

void register_train(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("train", "train a network by a recipe");
  auto request = std::make_shared<TrainRequest>();
  auto out = std::make_shared<std::string>(), resume = std::make_shared<std::string>();
  add_data(*command, request->data,
           std::string("a cache (.h5, from melgrad extract), or a ") + kDataHelp +
               ", several tags of a track as a;b");
  add_classes_are_folders(*command, request->classes_are_folders);
  command->add_option("--recipe", request->recipe,
                      "name of a recipe (melgrad recipes lists them), or a TOML file; none: dong2018-fixed, "
                      "for tags mtat-musicnn");
  command
      ->add_option(
          "--set", request->set,
          "section.key=value of the recipe, any number of times (melgrad recipes NAME lists the keys; "
          "lr, batch_size and the like are understood)")
      ->allow_extra_args(false);
  command->add_option(
      "--from", request->from,
      "start from the weights of a run folder, a model file, or a name of melgrad models; its "
      "recipe is the default, its last layer is new unless the classes are the same");
  command->add_option(
      "--freeze", [=](const std::string& patterns) { request->set.push_back("train.freeze=" + patterns); },
      "patterns of parameters that stay as they are, as 'block1.*,front.*'; '*': all but the last layer "
      "(the same as --set train.freeze; train.rates gives others a rate of their own)");
  command->add_option("--seed", request->seed, "of weights, order, crops and dropout")->capture_default_str();
  auto* split = add_split_options(*command, *request);
  using Hold = TrainingData::Hold;
  const std::map<std::string, Hold> holds = {
      {"auto", Hold::automatic}, {"device", Hold::device}, {"memory", Hold::memory}, {"file", Hold::file}};
  command
      ->add_option(
          "--hold", [=](const std::string& name) { request->hold = holds.at(name); },
          "where the features are meanwhile: auto (the first that has room), device, memory or file")
      ->is_member({"auto", "device", "memory", "file"})
      ->option_text("TEXT:{auto,device,memory,file}=auto");
  command->add_option("--out", *out, "run folder (default runs/<recipe>-<time>)");
  auto* resumes = command->add_option(
      "--resume", *resume, "go on with an interrupted run, or, with --set train.epochs=N, a finished one");
  add_saving_options(*command, *request);
  command
      ->add_option(
          "--on-nan", [=](const std::string& what) { request->set.push_back("train.on_nan=" + what); },
          "a step whose gradient is no number: stop there, or skip it (the same as --set train.on_nan)")
      ->is_member(names_of<OnNan>());
  add_mix(*command, [request](const std::string& mix) { request->set.push_back("features.mix=" + mix); });
  add_rank_options(*command, request->ranks);
  add_no_cache(*command, settings);
  command->goes_alone(*resumes, {"--set", "--hold", "--save-every", "--keep", "--on-nan", "--ranks",
                                 "--devices", "--collective-timeout"});
  command->callback([=, &settings] {
    if (request->data.empty() && resume->empty())
      fail(ErrorKind::usage, "train: name the data, or --resume RUN");
    request->random_split = split->count() > 0;
    start_or_resume(settings, *request, *out, *resume);
  });
}

}  // namespace melgrad
