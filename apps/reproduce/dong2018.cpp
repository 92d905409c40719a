// melgrad reproduce dong2018: the published experiment, end to end: features, many splits, the table.
#include "apps/data/extract.h"
#include "apps/reproduce/reproduce.h"
#include "apps/terminal/result_text.h"
#include "apps/training/run_list.h"
#include "apps/training/train.h"
#include "kernels/text.h"
#include "models/metrics/statistics.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct Dong2018Arguments {
  std::string gtzan, recipe = "dong2018", split_lists;
  std::vector<std::string> set;
  int splits = 30;
  std::uint64_t seed = 0;
};

struct Summary {
  std::vector<double> kept, final_weights, best_weights;  // accuracy per split
  std::vector<std::vector<std::int64_t>> confusion;       // pooled over the splits

  void add(const RunFolder& folder) {
    std::vector<std::vector<std::int64_t>> matrix;
    folder.read("result.json", [&](const nlohmann::ordered_json& result) {
      kept.push_back(result.at("accuracy"));
      final_weights.push_back(result.at("accuracy_final"));
      best_weights.push_back(result.at("accuracy_best"));
      for (const auto& row : result.at("test").at("confusion")) matrix.push_back(counts_of(row));
    });
    if (confusion.empty()) confusion.assign(matrix.size(), std::vector<std::int64_t>(matrix.size(), 0));
    const auto fits = [&](const auto& row) { return row.size() == confusion.size(); };
    if (!fits(matrix) || !std::all_of(matrix.begin(), matrix.end(), fits))
      fail(ErrorKind::input, "{}: its confusion matrix is not {} by {}", folder.file("result.json"),
           confusion.size(), confusion.size());
    for (std::size_t r = 0; r < matrix.size(); ++r) {
      for (std::size_t c = 0; c < matrix.size(); ++c) confusion[r][c] += matrix[r][c];
    }
  }
};

nlohmann::ordered_json as_json(const Summary& s) {
  const auto stat = [](const std::vector<double>& v) {
    return nlohmann::ordered_json{{"mean", mean(v)}, {"deviation", deviation(v)}, {"each", v}};
  };
  return {{"accuracy", stat(s.kept)},
          {"accuracy_final", stat(s.final_weights)},
          {"accuracy_best", stat(s.best_weights)},
          {"confusion", s.confusion}};
}

void print_row(const std::string& name, const Summary& s) {
  const auto cell = [](const std::vector<double>& v) {
    return v.size() > 1 ? fmt::format("{:.1f} ± {:.1f} %", 100 * mean(v), 100 * deviation(v))
                        : fmt::format("{:.1f} %", 100 * v[0]);
  };
  print("{:<34}{:>7}  {:>16}  {:>16}  {:>16}\n", name, s.kept.size(), cell(s.kept), cell(s.final_weights),
        cell(s.best_weights));
}

// The lists users download stand beside the genres or where --split-lists says.
std::string find_lists(const fs::path& gtzan, const std::string& asked) {
  if (!asked.empty()) return asked;
  for (const fs::path& folder : {gtzan, gtzan.parent_path()}) {
    if (has_split_lists(folder)) return folder.string();
  }
  return "";
}

// A table of the runs that are done, from their folders alone.
class Dong2018Table {
 public:
  explicit Dong2018Table(RunFolder folder)
      : folder_(std::move(folder)),
        asked_(asked_of(folder_)),
        recipe_(load_recipe(folder_.file("recipe.toml"))),
        lists_(find_lists(asked_.gtzan, asked_.split_lists)) {}

  const Dong2018Arguments& asked() const { return asked_; }
  const Recipe& recipe() const { return recipe_; }
  const std::string& lists() const { return lists_; }  // of the fault-filtered split; empty: there are none

  // Of the random splits, by their number, and of the fault-filtered one, which is last.
  std::vector<std::string> runs() const {
    std::vector<std::string> names;
    for (int k = 0; k < asked_.splits; ++k) names.push_back(fmt::format("split-{:02}", k));
    if (!lists_.empty() || fs::exists(folder_.path() / "filtered" / "run.json"))
      names.emplace_back("filtered");
    return names;
  }

  // Writes result.json and prints it.
  void write(const std::vector<std::string>& missing, Settings& settings) const;

 private:
  static Dong2018Arguments asked_of(const RunFolder& folder) {
    return folder.read("run.json", [](const nlohmann::ordered_json& json) {
      Dong2018Arguments asked;
      asked.gtzan = path_from_utf8(json.at("gtzan"));
      asked.splits = static_cast<int>(count_of(json.at("splits")));
      asked.seed = seed_of(json.at("seed"));
      asked.split_lists = path_from_utf8(json.at("split_lists"));
      return asked;
    });
  }

  RunFolder folder_;
  Dong2018Arguments asked_;
  Recipe recipe_;
  std::string lists_;
};

void Dong2018Table::write(const std::vector<std::string>& missing, Settings& settings) const {
  expect_one_data_set(folder_, runs());
  Summary random, filtered;
  std::string device;
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (const std::string& name : runs()) {
    if (std::find(missing.begin(), missing.end(), name) != missing.end()) continue;
    const RunFolder run = RunFolder::open(folder_.file(name));
    (name == "filtered" ? filtered : random).add(run);
    run.read("result.json",
             [&](const nlohmann::ordered_json& json) { classes = json.at("test").at("classes"); });
    add_device(device, run);
  }
  nlohmann::ordered_json out = {{"recipe", recipe_.name},
                                {"title", recipe_.title},
                                {"seed", asked_.seed},
                                {"classes", classes},
                                {"device", device}};
  if (!random.kept.empty()) out["random_splits"] = as_json(random);
  if (!filtered.kept.empty()) out["fault_filtered"] = as_json(filtered);
  if (!missing.empty()) out["missing"] = missing;
  folder_.write_json("result.json", out);
  if (settings.json) {
    print_json(out);
    return;
  }
  print("\n{}\n\n{:<34}{:>7}  {:>16}  {:>16}  {:>16}\n", recipe_.title, "test accuracy of tracks", "splits",
        "recipe's weights", "final weights", "best validation");
  if (!random.kept.empty()) print_row("random stratified", random);
  if (!filtered.kept.empty()) print_row("fault-filtered", filtered);
  if (!random.kept.empty()) {
    print("\npooled confusion over the random splits, rates per true genre\n\n{}",
          Lines{as_table(random.confusion, classes.get<std::vector<std::string>>())});
  }
  print("\nresult: {}\n", folder_.file("result.json"));
}

RunFolder open_folder(const Dong2018Arguments& args, const ListOptions& options) {
  if (!options.resume.empty()) return open_list(options, "", {});
  const Recipe recipe = told_recipe(args.recipe, args.set);
  expect_data("--gtzan", args.gtzan);
  if (args.splits == 0 && find_lists(args.gtzan, args.split_lists).empty())
    fail(ErrorKind::usage, "--splits 0: nothing to do, as there are no lists of the fault-filtered split");
  const auto absolute = [](const std::string& path) {
    return path.empty() ? path : as_utf8(fs::absolute(path).lexically_normal().string());
  };
  const nlohmann::ordered_json asked = {{"recipe", recipe.name},
                                        {"gtzan", absolute(args.gtzan)},
                                        {"splits", args.splits},
                                        {"seed", args.seed},
                                        {"split_lists", absolute(args.split_lists)}};
  return open_list(options, "reproduce-" + recipe.name, asked, &recipe);
}

RunEnding tested() {
  return {result_stands, [](TrainingRun& run, const RunFolder& folder, const Notes& notes) {
            const auto result = test_in_folder(run, folder);
            note(notes, "{}: test accuracy {:.3f} ({}), weights {:016x}", folder.path().filename().string(),
                 result.at("accuracy").get<double>(), run.ending(), run.weights_digest());
          }};
}

// Trains the runs of this process's part. Run `k` has its own seed: the spread over the splits is that of
// initial weights and crops too.
void train(Device& device, RunList& list, const RunFolder& folder, const Dong2018Table& table,
           const ListOptions& options, Settings& settings) {
  const auto& asked = table.asked();
  DataSetRequest request;
  request.path = asked.gtzan;
  const std::string cache = features_of_list(folder, request, table.recipe(), options.part, device, settings);
  const auto data = looked_at(device, cache, table.recipe());
  expect_classes(asked.gtzan, data->classes(), table.recipe());
  if (const std::string identical = data->identical_tracks(); !identical.empty()) say("{}", identical);
  tell_of_features(table.recipe().features);
  if (table.lists().empty())
    say("fault-filtered split: no lists found; they are published as train_filtered.txt, valid_filtered.txt "
        "and test_filtered.txt in github.com/coreyker/dnn-mgr (gtzan/): put them beside the genres or name "
        "their folder with --split-lists");
  std::vector<ListedRun> runs;
  const std::vector<std::string> names = table.runs();
  for (const std::size_t k : list.to_do()) {
    const bool filtered = names[k] == "filtered";
    runs.push_back(
        {names[k], table.recipe(), asked.seed + (filtered ? 0 : k), asked.gtzan, cache,
         filtered ? data->listed_split(table.lists()) : data->random_split(table.recipe().split, k)});
  }
  list.train(device, settings, runs);
}

void reproduce_dong2018(Settings& settings, const Dong2018Arguments& args, const ListOptions& options) {
  const bool collects = !options.collect.empty();
  const auto device = collects ? nullptr : open_device(settings);  // before a folder stays behind
  const RunFolder folder = collects ? RunFolder::open(options.collect) : open_folder(args, options);
  const Dong2018Table table(folder);
  RunList list(folder, table.runs(), tested(), options, "reproduce dong2018");
  if (!collects) train(*device, list, folder, table, options, settings);
  if (options.part) {
    list.end("finished");
    return list.tell_part(settings);
  }
  const std::vector<std::string> missing = list.missing();
  table.write(missing, settings);
  if (collects) tell_missing(missing, folder, settings);
  else list.end("finished");
}

}  // namespace

void register_reproduce_dong2018(CommandLine& reproduce, Settings& settings) {
  auto* dong =
      reproduce.add_subcommand("dong2018", "Dong 2018: genres of GTZAN by voting over 3-second segments");
  auto args = std::make_shared<Dong2018Arguments>();
  auto options = std::make_shared<ListOptions>();
  dong->add_option("--gtzan", args->gtzan,
                   "GTZAN's folder, or another data set (as for train), or a cache of it");
  dong->add_option("--splits", args->splits, "number of random splits")
      ->range(0, 100000)
      ->capture_default_str();
  dong->add_option("--recipe", args->recipe, "dong2018, dong2018-fixed or a TOML file")
      ->capture_default_str();
  dong->add_option("--set", args->set, "section.key=value of the recipe")->allow_extra_args(false);
  dong->add_option("--seed", args->seed,
                   "of the first split's weights, order, crops and dropout; the next have the next")
      ->capture_default_str();
  dong->add_option("--split-lists", args->split_lists, "folder with the fault-filtered split's three lists");
  dong->add_option("--out", options->out, "run folder (default runs/reproduce-<recipe>-<time>)");
  auto* resume = dong->add_option("--resume", options->resume, "go on with an interrupted reproduction");
  auto* collect = add_list_options(*dong, *options, "splits");
  dong->goes_alone(*resume, {"--jobs"});
  add_no_cache(*dong, settings);
  dong->goes_alone(*collect);
  dong->callback([=, &settings] {
    if (args->gtzan.empty() && options->resume.empty() && options->collect.empty())
      fail(ErrorKind::usage, "reproduce dong2018: name the data with --gtzan, or --resume FOLDER");
    reproduce_dong2018(settings, *args, *options);
  });
}

}  // namespace melgrad
