#include "models/runs/run_choices.h"

#include <algorithm>

#include "io/arrays/cache.h"
#include "io/datasets/csv.h"
#include "kernels/text.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/model_library.h"
#include "models/training/model_file.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

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
Recipe recipe_for(bool tags, const Notes& notes) {
  Recipe recipe = load_recipe(tags ? "mtat-musicnn" : "dong2018-fixed");
  note(notes, "recipe {}, as {}; others: melgrad recipes, train --recipe NAME", recipe.name,
       tags ? "the tracks have tags" : "each track has one genre");
  return recipe;
}

// That of the model it starts from, for what is asked now.
Recipe recipe_of_model(const RunRequest& request, bool tags, const Notes& notes) {
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
  note(notes, "recipe {}, that of {}; train --recipe NAME takes another", recipe.name, request.from);
  return recipe;
}

// Columns that could make a split and do not.
void tell_unused(const TrainingData& data, const RunRequest& request, const Notes& notes) {
  std::vector<std::string> unused;
  for (const std::string& column : data.columns()) {
    if (column == "fold" && request.fold.empty()) unused.emplace_back("fold (--fold N tests on one)");
    else if (column != "fold" && column_key(request.group) != column)
      unused.push_back(fmt::format("{} (--group {})", column, column));
  }
  if (!unused.empty()) note(notes, "{}: not used for the split: {}", data.path(), joined(unused));
}

}  // namespace

void expect_none_of(const std::string& section, const std::vector<std::string>& assignments,
                    const std::string& because) {
  for (const std::string& key : keys_of(assignments))
    if (key.starts_with(section)) fail(ErrorKind::usage, "--set {}: plays no part here: {}", key, because);
}

Recipe recipe_of(const RunRequest& request, const DataSet* audio, const Notes& notes) {
  if (!request.recipe.empty()) return chosen_recipe(request.recipe, request.set, notes);
  const bool tags = has_tags(request.data, audio);
  return chosen_recipe(request.from.empty() ? recipe_for(tags, notes) : recipe_of_model(request, tags, notes),
                       request.set, notes);
}

void expect_classes(const std::string& data, const std::vector<std::string>& classes, const Recipe& recipe) {
  if (classes.size() >= task_of(recipe).fewest_classes()) return;
  fail(ErrorKind::input,
       "{}: one class, \"{}\", and a network learns to tell at least two apart; give the folder that holds "
       "the class folders",
       data, joined(classes));
}

nlohmann::ordered_json split_record(const RunRequest& request) {
  if (!request.fold.empty()) return {{"split", "fold " + request.fold}};
  if (!request.split_lists.empty()) return {{"split", request.split_lists}};
  nlohmann::ordered_json record = {{"split", request.split}};
  if (!request.group.empty()) record["group"] = request.group;
  return record;
}

Split choose_split(const TrainingData& data, const Recipe& recipe, const RunRequest& request,
                   const Notes& notes) {
  const bool own = data.has_splits() && !request.random_split;
  if (!request.split_lists.empty() || own)
    expect_none_of(
        "split.", request.set,
        own ? data.path() + " has a split of its own (--split N makes a random one)" : "--split-lists");
  tell_unused(data, request, notes);
  if (!request.split_lists.empty()) return data.listed_split(request.split_lists);
  if (!request.fold.empty()) return data.fold_split(request.fold);
  if (data.has_splits() && !request.random_split && request.group.empty()) return data.own_split();
  const std::string identical = data.identical_tracks();
  if (!identical.empty()) {
    note(notes, "{}; {}", identical,
         recipe.split.keep_identical_together
             ? "each group stays on one side of the split"
             : "as in the recipe, they may stand on both sides of the split");
  }
  return data.random_split(recipe.split, static_cast<std::uint64_t>(request.split), request.group);
}

}  // namespace melgrad
