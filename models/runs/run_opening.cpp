#include "models/runs/run_opening.h"

#include "io/arrays/cache.h"
#include "io/files/atomic_file.h"
#include "io/files/hash.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/model_library.h"
#include "models/runs/run_checkpoints.h"
#include "models/runs/run_training.h"
#include "models/training/model_file.h"
#include "models/training/transfer.h"

namespace melgrad {
namespace {

// A run cannot have fewer epochs than it has done.
void expect_no_fewer(TrainingRun& run, const Recipe& recipe, const RunFolder& folder) {
  if (run.steps() <= run.total_steps()) return;
  const std::int64_t each = run.steps_per_epoch();
  fail(ErrorKind::usage, "train.epochs: {} is less than {} has done: {} steps, {} an epoch; set at least {}",
       recipe.train.epochs, folder.path().string(), run.steps(), each, (run.steps() + each - 1) / each);
}

// All that may change in a run that has begun: what ends it.
void set_ending(Recipe& recipe, const std::vector<std::string>& assignments, const Notes& notes) {
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
    note(notes, "train.epochs={}: train.phases is \"{}\"", recipe.train.epochs, recipe.train.phases);
}

// Before anything is extracted.
void expect_startable(const RunRequest& request, const Recipe& recipe, bool audio) {
  Recipe used = recipe;
  std::int64_t bands = 0;
  if (audio) {
    bands = MelTables(recipe.features).bands();
  } else {
    const CacheFile cache(request.data);
    bands = cache.description().bands;
    if (cache.description().mel.preset == "imported") used.features.preset = "imported";
    else expect_mel(cache.description(), recipe.features, request.data);
  }
  expect_network(used, bands);
  if (request.from.empty()) return;
  const std::string file = model_file_path(request.from);
  expect_same_network(used, read_model_file(file), file);
}

// Weights that a run starts from are in its folder before anything says that there is a run, so that no
// resumption starts without them, and none needs their file.
void begin(TrainingRun& run, const OpenedRun& opened, const RunRequest& request, const Device& device,
           const Notes& notes) {
  auto record = split_record(request);
  if (!request.from.empty()) {
    const std::string file = model_file_path(request.from);
    const bool all = run.start_from(read_model_file(file), file);
    note(notes, "starts from {}{}", file, all ? "" : "; its last layer is new, as the classes are others");
    record["from"] = {{"model", request.from}, {"digest", fmt::format("{:016x}", xxh3_of_file(file))}};
    RunCheckpoints(opened.folder).save(run.state());
  }
  begin_in_folder(opened.folder, opened.recipe, run.data(), request.data, run.split(), request.seed, device,
                  record);
}

// What is about to be done.
void tell_plan(const TrainingRun& run, const Recipe& recipe, const Notes& notes) {
  const Split& s = run.split();
  const TrainingData& data = run.data();
  note(notes, "{}: {} parameters; {} train, {} valid, {} test tracks of {} {}; {} steps of {} an epoch",
       recipe.name, run.parameters(), s.train.size(), s.valid.size(), s.test.size(), data.classes().size(),
       data.task().classes(), run.steps_per_epoch(), run.batch());
  for (const std::string& doubt : data.task().doubts(data, s)) note(notes, "{}", doubt);
  if (run.batch() < recipe.train.batch)
    note(notes, "train.batch is {}, but there are {} training tracks: batches of {}", recipe.train.batch,
         s.train.size(), run.batch());
}

}  // namespace

std::string note_on_features(const MelOptions& mel) {
  return mel.preset == "imported" ? "" : note_on_filters(MelTables(mel));
}

OpenedRun open_new_run(const RunRequest& request, const std::string& out, const DataSet* audio,
                       const ExtractTo& extract, const Notes& notes) {
  // Before the folder, which would stay behind if they are refused.
  const Recipe recipe = recipe_of(request, audio, notes);
  if (audio != nullptr) expect_classes(request.data, audio->classes, recipe);
  expect_startable(request, recipe, audio != nullptr);
  OpenedRun opened{recipe, RunFolder::create(out, recipe.name), request.data, true};
  if (const std::string line = note_on_features(opened.recipe.features); !line.empty())
    note(notes, "{}", line);
  if (audio == nullptr) return opened;
  opened.cache = opened.folder.file("features.h5");
  extract(opened.cache, *audio, recipe.features);
  return opened;
}

OpenedRun open_begun_run(RunRequest& request, const std::string& path, const Device& device,
                         const Notes& notes) {
  const RunFolder folder = RunFolder::resume(path);
  const RunOrigin run = origin_of(folder);
  Recipe recipe = load_recipe(folder.file("recipe.toml"));
  set_ending(recipe, request.set, notes);
  request.seed = run.seed;
  OpenedRun opened{recipe, folder, run.cache, false};
  if (const std::string line = note_on_features(opened.recipe.features); !line.empty())
    note(notes, "{}", line);
  compare_devices(run, device, notes);
  return opened;
}

Split OpenedRun::split(const TrainingData& data, const RunRequest& request, const Notes& notes) const {
  if (!begins) return read_split(folder.file("splits.json"), data.names());
  if (data.features().preset == "imported")
    expect_none_of("features.", request.set, cache + " has imported features");
  expect_classes(request.data, data.classes(), recipe);
  return choose_split(data, recipe, request, notes);
}

void OpenedRun::start(TrainingRun& run, const RunRequest& request, const Device& device,
                      const Notes& notes) const {
  if (begins) begin(run, *this, request, device, notes);
  resume_in_folder(run, folder, notes);
  expect_no_fewer(run, recipe, folder);
  if (!begins) note_resumption(run, folder, notes);
  if (!request.set.empty()) write_file_atomically(folder.file("recipe.toml"), as_toml(run.recipe()));
  tell_plan(run, recipe, notes);
}

}  // namespace melgrad
