// melgrad train: from a cache or a folder of audio and a recipe to a trained network in a run folder.
#include "apps/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

#include "apps/data_set.h"
#include "apps/extract.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/datasets/csv.h"
#include "io/files/atomic_file.h"
#include "io/files/text_file.h"
#include "kernels/text.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/event_file.h"
#include "models/runs/run_record.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kMetrics = "metrics.jsonl";

// A resumed run goes on behind its checkpoint: later lines of the log are of work that is done again.
void cut_metrics(const RunFolder& folder, std::int64_t steps) {
  const std::string path = folder.file(kMetrics);
  std::istringstream in(fs::exists(path) ? read_text_file(path) : "");
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto step = json.is_object() ? json.value("step", nlohmann::json()) : nlohmann::json();
    if (!step.is_number_integer() || step.get<std::int64_t>() > steps) break;
    kept += line + "\n";
  }
  write_file_atomically(path, kept);
}

// What is logged of an epoch.
std::vector<std::pair<std::string, double>> figures_of(const TrainingRun::Epoch& epoch) {
  std::vector<std::pair<std::string, double>> figures = {
      {"loss", epoch.loss}, {"accuracy", epoch.accuracy}, {"norm", epoch.norm}, {"rate", epoch.rate}};
  if (epoch.skipped > 0) figures.emplace_back("skipped", epoch.skipped);
  if (epoch.valid) figures.insert(figures.end(), epoch.valid->figures.begin(), epoch.valid->figures.end());
  return figures;
}

class MetricsLog {
 public:
  explicit MetricsLog(const RunFolder& folder) : file_(folder.file(kMetrics)) {}
  void add(const TrainingRun::Epoch& e, double seconds) {
    nlohmann::ordered_json line = {{"epoch", e.epoch}, {"step", e.step}, {"seconds", seconds}};
    for (const auto& [name, value] : figures_of(e)) line[name] = value;
    add(line);
  }
  void add(const TrainingRun::Incident& i) {
    if (i.skipped) add({{"event", "skipped"}, {"step", i.step}});
    else add({{"event", "loss_spike"}, {"step", i.step}, {"loss", i.loss}, {"usual", i.usual}});
  }

 private:
  void add(const nlohmann::ordered_json& line) { file_.append(line.dump() + "\n"); }

  AppendedFile file_;
};

nlohmann::ordered_json or_null(const std::optional<double>& x) {
  return x ? nlohmann::ordered_json(*x) : nlohmann::ordered_json(nullptr);
}

std::string best_of(const TrainingRun& run, const Recipe& recipe) {
  const auto best = run.best_valid();
  return best ? fmt::format("best validation {} {:.3f} after epoch {}", recipe.train.best_by, *best,
                            run.best_epoch())
              : "no validation figure, so the final weights count";
}

// "final" or "best"; a run that was never validated has no best.
std::string kept_weights(const TrainingRun& run, const Recipe& recipe) {
  return run.best_epoch() > 0 ? recipe.train.weights : "final";
}

void print_plan(const TrainingRun& run, const TrainingData& data, const Recipe& recipe) {
  const Split& s = run.split();
  say("{}: {} parameters; {} train, {} valid, {} test tracks of {} {}; {} steps of {} an epoch", recipe.name,
      run.parameters(), s.train.size(), s.valid.size(), s.test.size(), data.classes().size(),
      data.tags() ? "tags" : "classes", run.steps_per_epoch(), run.batch());
  if (data.tags()) {
    const auto one_sided = data.one_sided_tags(s.train);
    if (!one_sided.empty())
      say("{} tags that no training track has, or all have, cannot be learned: {}", one_sided.size(),
          joined(one_sided));
  } else {
    const auto unlearned = data.missing_classes(s.train), untested = data.missing_classes(s.test);
    if (!unlearned.empty()) say("genres without a training track cannot be learned: {}", joined(unlearned));
    if (!s.test.empty() && !untested.empty())
      say("genres without a test track are not tested: {}; more tracks, or split.test higher",
          joined(untested));
  }
  if (run.batch() < recipe.train.batch) {
    say("train.batch is {}, but there are {} training tracks: batches of {}", recipe.train.batch,
        s.train.size(), run.batch());
  }
}

// A run cannot have fewer epochs than it has done.
void expect_no_fewer(TrainingRun& run, const Recipe& recipe, const RunFolder& folder) {
  if (run.steps() <= run.total_steps()) return;
  const std::int64_t each = run.steps_per_epoch();
  fail(ErrorKind::usage, "train.epochs: {} is less than {} has done: {} steps, {} an epoch; set at least {}",
       recipe.train.epochs, folder.path().string(), run.steps(), each, (run.steps() + each - 1) / each);
}

// All that may change in a run that has begun: what ends it.
void set_ending(Recipe& recipe, const std::vector<std::string>& assignments) {
  for (const std::string& key : keys_of(assignments)) {
    if (key != "train.epochs" && key != "train.patience" && key != "train.on_nan")
      fail(ErrorKind::usage,
           "--set {}: of a run that has begun only train.epochs, train.patience and train.on_nan can change",
           key);
  }
  const std::string phases = recipe.train.phases;
  set_recipe_fields(recipe, assignments);
  recipe.train.phases = phases;
  recipe.train.phases = ending_phases(recipe.train);
  if (recipe.train.phases != phases)
    say("train.epochs={}: train.phases is \"{}\"", recipe.train.epochs, recipe.train.phases);
}

void start_or_resume(Settings& settings, TrainRequest request, const std::string& out,
                     const std::string& resume) {
  const auto device = open_device(settings);
  Recipe recipe;
  std::optional<RunFolder> folder;
  std::string cache;
  std::vector<std::string> notes;
  if (resume.empty()) {
    // Before the folder, which would stay behind if they are refused.
    const std::optional<DataSet> audio = audio_of(data_request(request), settings);
    recipe = recipe_of(request, audio ? &*audio : nullptr);
    if (audio) expect_classes(request.data, audio->classes, recipe);
    folder = RunFolder::create(out, recipe.name);
    notes = tell_of_features(recipe.features);
    cache = audio ? folder->file("features.h5") : request.data;
    if (audio) extract_to(cache, *audio, recipe.features, *device, settings);
  } else {
    folder = RunFolder::resume(resume);
    const RunOrigin run = origin_of(*folder);
    recipe = load_recipe(folder->file("recipe.toml"));
    set_ending(recipe, request.set);
    cache = run.cache;
    request.seed = run.seed;
    notes = tell_of_features(recipe.features);
    warn_of_other_device(run, *device);
  }
  const TrainingData data(*device, cache, recipe, request.hold);
  if (resume.empty() && recipe.features.preset == "imported")
    expect_none_of("features.", request.set, cache + " has imported features");
  Split split;
  if (resume.empty()) {
    expect_classes(request.data, data.classes(), recipe);
    split = choose_split(data, recipe, request);
    begin_in_folder(*folder, recipe, data, request.data, split, request.seed, *device, split_record(request));
  } else {
    split = read_split(folder->file("splits.json"), data.names());
  }
  TrainingRun run(*device, data, split, recipe, request.seed);
  resume_in_folder(run, *folder);
  expect_no_fewer(run, recipe, *folder);
  if (!resume.empty()) note_resumption(run, *folder);
  if (!request.set.empty()) write_file_atomically(folder->file("recipe.toml"), as_toml(recipe));
  print_plan(run, data, recipe);
  const bool done = train_in_folder(run, *folder, recipe, recipe.name, request.saving);
  const std::string where = folder->path().string();
  if (settings.json) {
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
        where, run.steps(), run.ending(), best_of(run, recipe), run.weights_digest(), where);
  }
  if (!done) {
    throw Interrupted{
        fmt::format("step {} is saved; go on with: melgrad train --resume {}", run.steps(), where)};
  }
}

}  // namespace

void warn_of_other_device(const RunOrigin& run, const Device& device) {
  if (run.device == device.name() && run.precision == name_of(device.precision())) return;
  say("begun on {} in {}, goes on on {} in {}: not the same bits as without the interruption", run.device,
      run.precision, device.name(), name_of(device.precision()));
}

std::unique_ptr<Device> open_device(const Settings& settings) {
  return make_device(settings.device, {settings.threads, precision_of(settings.precision)});
}

void begin_in_folder(const RunFolder& folder, const Recipe& recipe, const TrainingData& data,
                     const std::string& source, const Split& split, std::uint64_t seed, const Device& device,
                     const nlohmann::ordered_json& more) {
  write_split(folder.file("splits.json"), split, data.names());
  write_file_atomically(folder.file("recipe.toml"), as_toml(recipe));
  const auto absolute = [](const std::string& path) {
    return as_utf8(fs::absolute(path).lexically_normal().string());
  };
  nlohmann::ordered_json run = {{"recipe", recipe.name},
                                {"data", absolute(source)},
                                {"data_digest", fmt::format("{:016x}", data.digest())},
                                {"tracks", data.names().size()},
                                {"classes", data.classes().size()},
                                {"cache", absolute(data.path())},
                                {"seed", seed},
                                {"device", device.name()},
                                {"precision", name_of(device.precision())},
                                {"device_description", device.description()}};
  run.update(more);
  run.update(session_record());
  folder.write_json("run.json", run);
}

void resume_in_folder(TrainingRun& run, const RunFolder& folder) {
  const RunCheckpoints checkpoints(folder);
  if (const auto state = checkpoints.load()) run.restore(*state, checkpoints.newest());
  cut_metrics(folder, run.steps());
}

void note_resumption(TrainingRun& run, const RunFolder& folder) {
  if (run.finished()) return;
  set_result_aside(folder, run.steps());
  record_resumption(folder, run.steps());
}

Checkpoint kept_model(TrainingRun& run, const Recipe& recipe) {
  return run.model(kept_weights(run, recipe) == "best");
}

namespace {

// One line on a run that diverged: where, what did it first, what is still good.
[[noreturn]] void explain(const Diverged& diverged, TrainingRun& run, const RunFolder& folder,
                          const std::string& label) {
  const RunCheckpoints checkpoints(folder);
  const std::string path = checkpoints.newest();
  const std::optional<Checkpoint> before = checkpoints.load();
  say("{}: {}; the steps since {} are done again to find the operation", label, diverged.what(),
      before ? "the checkpoint" : "the beginning");
  const std::string trouble = run.first_trouble(before ? &*before : nullptr, diverged.step);
  record_end(folder, fmt::format("diverged: {}: {}", diverged.what(), trouble));
  fail(ErrorKind::diverged, "{}: {}: {}; lower train.rate or set train.clip_norm; {}", label, diverged.what(),
       trouble,
       before ? fmt::format("{} is of step {} and good", path, steps_of(*before, path))
              : "no checkpoint was saved yet");
}

std::string describe(const std::string& label, const TrainingRun::Incident& i) {
  if (i.skipped) return fmt::format("{}: step {} skipped: its gradient is no number", label, i.step);
  return fmt::format("{}: step {}: loss {:.3g}, where {:.3g} was usual", label, i.step, i.loss, i.usual);
}

void train_and_save(TrainingRun& run, const RunFolder& folder, const std::string& label,
                    const SaveOptions& saving) {
  interrupted();  // whoever asks is saved before it ends, from the first step on (interrupt.h)
  const RunCheckpoints checkpoints(folder, saving.keep);
  EventFile events(folder.path().string(), run.steps());
  const auto save = [&] {
    const Checkpoint state = run.state();
    checkpoints.save(state);
    events.weights(run.steps(), state);
  };
  {
    Progress progress(label, run.total_steps(), "steps", run.steps());
    MetricsLog metrics(folder);
    const auto start = Clock::now();
    auto saved = start;
    std::string note;
    std::optional<double> valid;
    run.run(
        [&](std::int64_t steps) {
          progress.update(steps, note);
          if (std::chrono::duration<double>(Clock::now() - saved).count() > saving.every) {
            save();
            saved = Clock::now();
          }
          return !interrupted();
        },
        [&](const TrainingRun::Epoch& epoch) {
          if (epoch.valid) valid = epoch.valid->figures[0].second;
          note = fmt::format("loss {:.3f}", epoch.loss);
          if (valid && run.best_valid())
            note += fmt::format("  valid {:.3f} (best {:.3f})", *valid, *run.best_valid());
          metrics.add(epoch, std::chrono::duration<double>(Clock::now() - start).count());
          events.scalars(epoch.step, figures_of(epoch));
          return true;
        },
        [&](const TrainingRun::Incident& incident) {
          metrics.add(incident);
          progress.message(describe(label, incident));
        });
  }
  save();
}

}  // namespace

bool train_in_folder(TrainingRun& run, const RunFolder& folder, const Recipe& recipe,
                     const std::string& label, const SaveOptions& saving) {
  try {
    train_and_save(run, folder, label, saving);
  } catch (const Diverged& diverged) {
    explain(diverged, run, folder, label);
  }
  if (run.finished()) {
    save_checkpoint(folder.file("model.h5"), kept_model(run, recipe));
  }
  record_end(folder, run.finished() ? "finished: " + run.ending() : "interrupted");
  return run.finished();
}

namespace {

TestOutcome test_genres(TrainingRun& run, const TrainingData& data, const Recipe& recipe) {
  const Evaluation final_result = run.test_genres(false);
  const Evaluation best_result = run.best_epoch() > 0 ? run.test_genres(true) : final_result;
  const std::string weights = kept_weights(run, recipe);
  const Evaluation& kept = weights == "best" ? best_result : final_result;
  const auto [low, high] = wilson_interval(kept.accuracy(), kept.tracks.size());
  return {
      {{"recipe", recipe.name},
       {"weights", weights},
       {"accuracy", kept.accuracy()},
       {"accuracy_final", final_result.accuracy()},
       {"accuracy_best", best_result.accuracy()},
       {"valid_best", or_null(run.best_valid())},
       {"best_epoch", run.best_epoch()},
       {"steps", run.steps()},
       {"test", as_json(kept, data.classes(), data.names())}},
      fmt::format("{} of {} test tracks right: accuracy {:.3f} (95 % interval {:.3f} to {:.3f}), {} weights\n"
                  "single segments {:.3f}; final weights {:.3f}, best-validation weights {:.3f}\n\n{}",
                  std::llround(kept.accuracy() * static_cast<double>(kept.tracks.size())), kept.tracks.size(),
                  kept.accuracy(), low, high, weights, kept.segment_accuracy, final_result.accuracy(),
                  best_result.accuracy(), as_table(kept.confusion, data.classes()))};
}

TestOutcome test_tags(TrainingRun& run, const Recipe& recipe) {
  const std::string weights = kept_weights(run, recipe);
  const TagScores scores = run.test_tags(weights == "best");
  const TagMetrics metrics = tag_metrics(scores);
  nlohmann::ordered_json test = as_json(metrics);
  test["predictions"] = as_json(scores);
  return {{{"recipe", recipe.name},
           {"task", recipe.task},
           {"weights", weights},
           {"parameters", run.parameters()},
           {"best_by", recipe.train.best_by},
           {"valid_best", or_null(run.best_valid())},
           {"best_epoch", run.best_epoch()},
           {"steps", run.steps()},
           {"test", std::move(test)}},
          fmt::format("{} test tracks, {} weights\n\n{}", metrics.tracks, weights, as_table(metrics))};
}

}  // namespace

TestOutcome test_of(TrainingRun& run, const TrainingData& data, const Recipe& recipe) {
  TestOutcome outcome = data.tags() ? test_tags(run, recipe) : test_genres(run, data, recipe);
  outcome.result["weights_digest"] = fmt::format("{:016x}", run.weights_digest());
  return outcome;
}

TestOutcome test_in_folder(TrainingRun& run, const RunFolder& folder, const TrainingData& data,
                           const Recipe& recipe) {
  TestOutcome outcome = test_of(run, data, recipe);
  folder.write_json("result.json", outcome.result);
  return outcome;
}

void register_train(CLI::App& root, Settings& settings) {
  auto* command = root.add_subcommand("train", "train a network by a recipe");
  auto request = std::make_shared<TrainRequest>();
  auto out = std::make_shared<std::string>(), resume = std::make_shared<std::string>();
  command->add_option("data", request->data,
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
  command->add_option("--seed", request->seed, "of weights, order, crops and dropout")->capture_default_str();
  auto* split = command->add_option("--split", request->split, "number of the random stratified split")
                    ->check(CLI::NonNegativeNumber)
                    ->capture_default_str();
  command
      ->add_option("--split-lists", request->split_lists,
                   "folder with *train*, *valid* and *test* name lists")
      ->excludes(split);
  command
      ->add_option(
          "--fold", request->fold,
          "test on this fold of the data set's column \"fold\" and validate on the next (after the last "
          "comes the first); all others train")
      ->excludes("--split-lists")
      ->excludes(split);
  command
      ->add_option(
          "--group", request->group,
          "column of the data set (artist, group, album, ...): tracks that have the same there stay on one "
          "side of the random split")
      ->excludes("--split-lists")
      ->excludes("--fold");
  using Hold = TrainingData::Hold;
  const std::map<std::string, Hold> holds = {
      {"auto", Hold::automatic}, {"device", Hold::device}, {"memory", Hold::memory}, {"file", Hold::file}};
  command
      ->add_option("--hold", request->hold,
                   "where the features are meanwhile: auto (the first that has room), device, memory or file")
      ->transform(CLI::CheckedTransformer(holds))
      ->option_text("TEXT:{auto,device,memory,file}=auto");
  command->add_option("--out", *out, "run folder (default runs/<recipe>-<time>)");
  auto* resumes = command->add_option(
      "--resume", *resume, "go on with an interrupted run, or, with --set train.epochs=N, a finished one");
  command->add_option("--save-every", request->saving.every, "seconds between checkpoints")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--keep", request->saving.keep, "how many of the last checkpoints stay")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--on-nan", [=](const std::string& what) { request->set.push_back("train.on_nan=" + what); },
          "a step whose gradient is no number: stop there, or skip it (the same as --set train.on_nan)")
      ->check(CLI::IsMember({"stop", "skip"}));
  add_mix(*command, [request](const std::string& mix) { request->set.push_back("features.mix=" + mix); });
  add_no_cache(*command, settings);
  goes_alone(*command, *resumes, {"--set", "--hold", "--save-every", "--keep", "--on-nan"});
  command->callback([=, &settings] {
    if (request->data.empty() && resume->empty())
      fail(ErrorKind::usage, "train: name the data, or --resume RUN");
    request->random_split = split->count() > 0;
    start_or_resume(settings, *request, *out, *resume);
  });
}

}  // namespace melgrad
