#include "apps/training/experiment_request.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/data/extract.h"
#include "apps/training/train.h"
#include "io/arrays/cache.h"
#include "io/datasets/csv.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kListsAt =
    "they are published as train_filtered.txt, valid_filtered.txt and test_filtered.txt in "
    "github.com/coreyker/dnn-mgr (gtzan/): put them beside the genres or name their folder with "
    "--split-lists";

// What is known of the data before any feature is computed.
struct DataFacts {
  std::optional<DataSet> audio;
  std::vector<std::string> columns, folds;
  bool identical = false;  // whether two tracks are; of audio nobody knows yet
};

DataFacts facts_of(const DataSetRequest& data, const Settings& settings) {
  DataFacts facts;
  facts.audio = audio_of(data, settings);
  std::vector<std::string> fold;
  if (facts.audio) {
    facts.columns = facts.audio->columns;
    const auto at = std::find(facts.columns.begin(), facts.columns.end(), "fold") - facts.columns.begin();
    for (const Track& track : facts.audio->tracks)
      if (at < std::ssize(track.columns)) fold.push_back(track.columns[static_cast<std::size_t>(at)]);
  } else {
    const CacheFile cache(data.path);
    facts.columns = cache.description().columns;
    const auto at = std::find(facts.columns.begin(), facts.columns.end(), "fold") - facts.columns.begin();
    std::set<std::uint64_t> contents;
    for (const CacheItem& item : cache.description().items) {
      if (at < std::ssize(item.columns)) fold.push_back(item.columns[static_cast<std::size_t>(at)]);
      const std::uint64_t content = item.source.content != 0 ? item.source.content : item.digest;
      facts.identical = !contents.insert(content).second || facts.identical;
    }
  }
  facts.folds = folds_of(fold);
  return facts;
}

bool asks_for(const ExperimentRequest& request, Protocol protocol) {
  return std::find(request.protocols.begin(), request.protocols.end(), name_of(protocol)) !=
         request.protocols.end();
}

// What plays no part in the protocols that were named.
void expect_uses_of(const ExperimentRequest& request) {
  if (request.protocols.empty()) return;
  const auto unused = [&](bool given, const char* option, std::initializer_list<Protocol> of) {
    if (given && std::none_of(of.begin(), of.end(), [&](Protocol p) { return asks_for(request, p); }))
      fail(ErrorKind::usage, "{}: plays no part in --protocol {}", option, joined(request.protocols));
  };
  unused(request.splits_flag != nullptr && request.splits_flag->count() > 0, "--splits",
         {Protocol::dong, Protocol::repeat_free});
  unused(request.folds_flag->count() > 0, "--folds", {Protocol::folds});
  unused(!request.group.empty(), "--group", {Protocol::repeat_free, Protocol::folds});
  unused(!request.split_lists.empty(), "--split-lists", {Protocol::fault_filtered});
}

void expect_column(const ExperimentRequest& request, const DataFacts& facts) {
  const std::string group = column_key(request.group);
  const auto& columns = facts.columns;
  if (group.empty() || std::find(columns.begin(), columns.end(), group) != columns.end()) return;
  fail(ErrorKind::input, "{}: --group {}: no such column in the data set; {}", request.data.path,
       request.group,
       columns.empty() ? "it has none: import and extract --columns attach them"
                       : "it has " + joined(columns) + "; import and extract --columns attach others");
}

ProtocolOptions folds_for(const ExperimentRequest& request, const DataFacts& facts) {
  const auto count = std::ssize(facts.folds);
  if (count == 0) return {Protocol::folds, request.folds, request.group};
  if (request.folds_flag->count() > 0 && request.folds != count)
    fail(ErrorKind::usage,
         "--folds {}: the column \"fold\" of {} has {} folds, which are obeyed: leave it out", request.folds,
         request.data.path, count);
  return {Protocol::folds, count, request.group, "", true};
}

// Those that were named, else all that the data allow, in the order of the enum.
std::vector<ProtocolOptions> protocols_for(const ExperimentRequest& request, const DataFacts& facts) {
  const bool all = request.protocols.empty();
  const auto takes = [&](Protocol protocol) { return all || asks_for(request, protocol); };
  const std::string lists = find_lists(request.data.path, request.split_lists);
  std::vector<ProtocolOptions> protocols;
  if (takes(Protocol::dong)) protocols.push_back({Protocol::dong, request.splits});
  if (takes(Protocol::repeat_free)) {
    const bool same_as_dong = !facts.audio && !facts.identical && request.group.empty();
    if (same_as_dong)
      say("repeat-free: {}no two tracks of {} are identical and no --group names their recordings, so it is "
          "as dong; import --columns attaches such a column",
          all ? "left out: " : "", request.data.path);
    if (!same_as_dong || !all) protocols.push_back({Protocol::repeat_free, request.splits, request.group});
  }
  if (takes(Protocol::fault_filtered)) {
    if (lists.empty() && !all)
      fail(ErrorKind::usage, "--protocol fault-filtered: no lists found; {}", kListsAt);
    if (lists.empty()) say_no_lists();
    else protocols.push_back({Protocol::fault_filtered, 1, "", lists});
  }
  if (takes(Protocol::folds)) protocols.push_back(folds_for(request, facts));
  return protocols;
}

std::string run_folder_name(const Experiment& experiment, const ExperimentRun& run) {
  const Protocol protocol = experiment.protocols[run.protocol].protocol;
  const bool several = experiment.protocols.size() > 1;
  return fmt::format(
      "{}{}-{:02}{}", experiment.recipes.size() > 1 ? experiment.recipes[run.recipe].name + "-" : "",
      several                       ? name_of(protocol)
      : protocol == Protocol::folds ? "fold"
                                    : "split",
      run.split, experiment.protocols[run.protocol].seeds > 1 ? fmt::format("-seed-{}", run.repetition) : "");
}

std::vector<Recipe> recipes_for(const ExperimentRequest& request, const DataFacts& facts) {
  expect_none_of("split.", request.set, "the protocol says how tracks are divided");
  RunRequest train;
  train.data = request.data.path;
  train.set = request.set;
  std::vector<Recipe> recipes;
  for (const std::string& name : request.recipes.empty() ? std::vector<std::string>{""} : request.recipes) {
    train.recipe = name;
    recipes.push_back(recipe_of(train, facts.audio ? &*facts.audio : nullptr, say_line));
    if (recipes.back().task != recipes[0].task)
      fail(ErrorKind::usage, "--recipe: {} is for {} and {} for {}: runs of one task can be compared",
           recipes[0].name, name_of(recipes[0].task), recipes.back().name, name_of(recipes.back().task));
    if (facts.audio) expect_classes(request.data.path, facts.audio->classes, recipes.back());
  }
  return recipes;
}

}  // namespace

void add_experiment_options(CommandLine& command, ExperimentRequest& request, Settings& settings,
                            const std::string& folder) {
  add_classes_are_folders(command, request.data.classes_are_folders);
  command
      .add_option("--recipe", request.recipes,
                  "names of recipes or TOML files, separated by commas; none: the one for the data, as in "
                  "train")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--set", request.set, "section.key=value of every recipe")->allow_extra_args(false);
  request.folds_flag =
      command
          .add_option("--folds", request.folds,
                      "how many, each tested on once; a column \"fold\" of the data set is obeyed instead")
          ->range(2, 1000)
          ->capture_default_str();
  command
      .add_option("--seeds", request.seeds,
                  fmt::format("runs of each split, each with weights, order and crops of its own; of folds, "
                              "drawings too (default 1{})",
                              request.protocols.empty() ? fmt::format("; fault-filtered {}", kSeedsOfLists)
                                                        : std::string()))
      ->range(1, 1000);
  command.add_option("--seed", request.seed, "of the first run's weights, order, crops and dropout")
      ->capture_default_str();
  command.add_option("--group", request.group,
                     "column of the data set (recording, artist, ...): tracks that have the same there stay "
                     "in one fold, or on one side of a repeat-free split");
  command.add_option("--out", request.list.out, "run folder (default " + folder + ")");
  auto* resume = command.add_option("--resume", request.list.resume, "go on with what was interrupted");
  auto* collect = add_list_options(command, request.list, "runs");
  command.goes_alone(*resume, {"--jobs"});
  add_no_cache(command, settings);
  command.goes_alone(*collect);
}

Experiment planned_experiment(const ExperimentRequest& request, const std::string& option,
                              const Settings& settings) {
  expect_uses_of(request);
  expect_data(option, request.data.path);
  Experiment experiment;
  experiment.data = request.data;
  experiment.data.group = request.group;
  experiment.data.splits = true;
  const DataFacts facts = facts_of(experiment.data, settings);
  expect_column(request, facts);
  experiment.recipes = recipes_for(request, facts);
  experiment.protocols = protocols_for(request, facts);
  for (ProtocolOptions& one : experiment.protocols)
    one.seeds = request.seeds > 0                          ? request.seeds
                : one.protocol == Protocol::fault_filtered ? kSeedsOfLists
                                                           : 1;
  experiment.seed = request.seed;
  experiment.name = run_folder_name;
  return experiment;
}

ordered_json as_json(const Experiment& experiment) {
  ordered_json json = {{"recipes", ordered_json::array()},
                       {"data", absolute_utf8(experiment.data.path)},
                       {"classes_are_folders", experiment.data.classes_are_folders},
                       {"group", experiment.data.group},
                       {"protocols", ordered_json::array()},
                       {"seed", experiment.seed}};
  for (const Recipe& recipe : experiment.recipes) json["recipes"].push_back(recipe.name);
  for (const ProtocolOptions& one : experiment.protocols)
    json["protocols"].push_back({{"protocol", name_of(one.protocol)},
                                 {"splits", one.splits},
                                 {"seeds", one.seeds},
                                 {"group", one.group},
                                 {"lists", absolute_utf8(one.lists)},
                                 {"own_folds", one.own_folds}});
  return json;
}

Experiment read_experiment(const RunFolder& folder) {
  Experiment experiment = folder.read("run.json", [&](const ordered_json& json) {
    Experiment read;
    read.data.path = path_from_utf8(json.at("data"));
    read.data.classes_are_folders = json.at("classes_are_folders");
    read.data.group = json.at("group");
    read.data.splits = true;
    for (const std::string& file : recipe_files(json.at("recipes").get<std::vector<std::string>>()))
      read.recipes.push_back(load_recipe(folder.file(file)));
    for (const auto& one : json.at("protocols")) {
      ProtocolOptions options;
      assign(options.protocol, one.at("protocol").get<std::string>(), folder.file("run.json"));
      options.splits = count_of(one.at("splits"));
      options.seeds = count_of(one.at("seeds"));
      options.group = one.at("group");
      options.lists = path_from_utf8(one.at("lists"));
      options.own_folds = one.at("own_folds");
      read.protocols.push_back(options);
    }
    read.seed = seed_of(json.at("seed"));
    return read;
  });
  if (experiment.recipes.empty() || experiment.protocols.empty())
    fail(ErrorKind::input, "{}: names no recipe, or no protocol", folder.file("run.json"));
  experiment.name = run_folder_name;
  return experiment;
}

std::string find_lists(const std::string& data, const std::string& asked) {
  if (!asked.empty()) return asked;
  for (const fs::path& folder : {fs::path(data), fs::path(data).parent_path()})
    if (has_split_lists(folder)) return folder.string();
  return "";
}

void say_no_lists() { say("fault-filtered split: no lists found; {}", kListsAt); }

std::string absolute_utf8(const std::string& path) {
  return path.empty() ? path : as_utf8(fs::absolute(path).lexically_normal().string());
}

}  // namespace melgrad
