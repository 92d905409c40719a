// What a run begins with: the data set, the recipe, the split.
#include <algorithm>
#include <filesystem>

#include "apps/data/extract.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/screen.h"
#include "apps/training/train.h"
#include "io/arrays/cache_parts.h"
#include "io/datasets/csv.h"
#include "io/datasets/tar_shards.h"
#include "kernels/text.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/model_library.h"
#include "models/training/model_file.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

template <class Choose>
Recipe told(const Choose& choose) {
  std::vector<std::string> notes;
  Recipe recipe = choose(&notes);
  for (const std::string& note : notes) say("{}", note);
  return recipe;
}

// Whether the tracks have any number of tags, not one genre each.
bool has_tags(const std::string& data, const DataSet* audio) {
  bool tags = false;
  if (audio == nullptr) {
    const CacheFile cache(data);
    for (const CacheItem& item : cache.description().items)
      tags = tags || std::count(item.labels.begin(), item.labels.end(), 1) != 1;
  } else {
    for (const Track& track : audio->tracks) tags = tags || track.labels.size() != 1;
  }
  return tags;
}

// The recipe for data that comes with none.
Recipe recipe_for(const std::string& data, const DataSet* audio) {
  const bool tags = has_tags(data, audio);
  Recipe recipe = load_recipe(tags ? "mtat-musicnn" : "dong2018-fixed");
  say("recipe {}, as {}; others: melgrad recipes, train --recipe NAME", recipe.name,
      tags ? "the tracks have tags" : "each track has one genre");
  return recipe;
}

// That of the model it starts from, for what is asked now.
Recipe recipe_of_model(const TrainRequest& request, bool tags) {
  const std::string file = model_file_path(request.from);
  Recipe recipe = parse_recipe(read_model_file(file).need_text("recipe", file), file);
  const TaskKind task = tags ? TaskKind::tags : TaskKind::genres;
  if (recipe.task != task) {
    recipe.task = task;
    recipe.train.best_by = tags ? BestBy::roc_auc : BestBy::accuracy;
    recipe.train.tag_weights = recipe.train.class_weights = Weighting::none;
    recipe.train.sampling = Sampling::shuffled;
    recipe.train.validation = ValidateBy::vote;
  }
  recipe.train.freeze = recipe.train.rates = "";  // those were for how it was trained
  say("recipe {}, that of {}; train --recipe NAME takes another", recipe.name, request.from);
  return recipe;
}

// Columns that could make a split and do not.
void tell_unused(const TrainingData& data, const TrainRequest& request) {
  std::vector<std::string> unused;
  for (const std::string& column : data.columns()) {
    if (column == "fold" && request.fold.empty()) unused.emplace_back("fold (--fold N tests on one)");
    else if (column != "fold" && column_key(request.group) != column)
      unused.push_back(fmt::format("{} (--group {})", column, column));
  }
  if (!unused.empty()) say("{}: not used for the split: {}", data.path(), joined(unused));
}

}  // namespace

void expect_none_of(const std::string& section, const std::vector<std::string>& assignments,
                    const std::string& because) {
  for (const std::string& key : keys_of(assignments))
    if (key.starts_with(section)) fail(ErrorKind::usage, "--set {}: plays no part here: {}", key, because);
}

Recipe told_recipe(const std::string& name_or_path, const std::vector<std::string>& assignments) {
  return told([&](auto* notes) { return chosen_recipe(name_or_path, assignments, notes); });
}

Recipe recipe_of(const TrainRequest& request, const DataSet* audio) {
  if (!request.recipe.empty()) return told_recipe(request.recipe, request.set);
  if (!request.from.empty())
    return told([&](auto* notes) {
      return chosen_recipe(recipe_of_model(request, has_tags(request.data, audio)), request.set, notes);
    });
  return told(
      [&](auto* notes) { return chosen_recipe(recipe_for(request.data, audio), request.set, notes); });
}

DataSetRequest data_request(const TrainRequest& request) {
  DataSetRequest data;
  data.path = request.data;
  data.classes_are_folders = request.classes_are_folders;
  data.group = request.group;
  data.splits = true;
  return data;
}

std::optional<DataSet> audio_of(const DataSetRequest& data, const Settings& settings) {
  if (names_shards(data.path)) return open_data_set(data, settings);
  if (!fs::exists(data.path) && has_cache(data.path)) return std::nullopt;
  if (!fs::exists(data.path)) fail(ErrorKind::input, "{}: no such file or folder", data.path);
  if (fs::is_regular_file(data.path) && !is_table(data.path)) return std::nullopt;
  return open_data_set(data, settings);
}

void expect_classes(const std::string& data, const std::vector<std::string>& classes, const Recipe& recipe) {
  if (classes.size() >= task_of(recipe).fewest_classes()) return;
  fail(ErrorKind::input,
       "{}: one class, \"{}\", and a network learns to tell at least two apart; give the folder that holds "
       "the class folders",
       data, joined(classes));
}

void extract_to(const std::string& cache, const DataSet& set, const MelOptions& mel, Device& device,
                Settings& settings) {
  const auto store = feature_store(settings);
  const ExtractResult result =
      extract_shown(set, mel, DType::f32, device, settings.threads, cache, store ? &*store : nullptr);
  if (store && result.resumed > 0)
    say("{} of {} tracks were computed before (melgrad cache)", result.resumed, result.items);
  if (result.interrupted) {
    throw Interrupted{fmt::format("{} is not complete; melgrad extract {} --out {} goes on where it stopped",
                                  cache, set.root.string(), cache)};
  }
  if (result.skipped > 0) settings.exit_code = kExitProblemsFound;
}

nlohmann::ordered_json split_record(const TrainRequest& request) {
  if (!request.fold.empty()) return {{"split", "fold " + request.fold}};
  if (!request.split_lists.empty()) return {{"split", request.split_lists}};
  nlohmann::ordered_json record = {{"split", request.split}};
  if (!request.group.empty()) record["group"] = request.group;
  return record;
}

Split choose_split(const TrainingData& data, const Recipe& recipe, const TrainRequest& request) {
  const bool own = data.has_splits() && !request.random_split;
  if (!request.split_lists.empty() || own)
    expect_none_of(
        "split.", request.set,
        own ? data.path() + " has a split of its own (--split N makes a random one)" : "--split-lists");
  tell_unused(data, request);
  if (!request.split_lists.empty()) return data.listed_split(request.split_lists);
  if (!request.fold.empty()) return data.fold_split(request.fold);
  if (data.has_splits() && !request.random_split && request.group.empty()) return data.own_split();
  const std::string identical = data.identical_tracks();
  if (!identical.empty()) {
    say("{}; {}", identical,
        recipe.split.keep_identical_together ? "each group stays on one side of the split"
                                             : "as in the recipe, they may stand on both sides of the split");
  }
  return data.random_split(recipe.split, static_cast<std::uint64_t>(request.split), request.group);
}

}  // namespace melgrad
