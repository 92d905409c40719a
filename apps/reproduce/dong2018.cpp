// melgrad reproduce dong2018: the published experiment, end to end: features, many splits, the table.
#include <filesystem>

#include "apps/data/extract.h"
#include "apps/reproduce/reproduce.h"
#include "apps/terminal/result_text.h"
#include "apps/training/experiment_request.h"
#include "apps/training/experiment_table.h"
#include "apps/training/train.h"
#include "kernels/text.h"
#include "models/metrics/statistics.h"
#include "models/recipes/recipe_use.h"

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
  Confusion confusion;                                    // pooled over the splits
};

Summary summary_of(const TestedRuns& tested, const Experiment& experiment, Protocol protocol,
                   const RunFolder& folder) {
  Summary s;
  for (const TestedRun& run : tested.runs) {
    if (experiment.protocols[run.run.protocol].protocol != protocol) continue;
    reading_json(folder.file(run.name) + "/result.json", [&] {
      s.kept.push_back(run.result.at("accuracy"));
      s.final_weights.push_back(run.result.at("accuracy_final"));
      s.best_weights.push_back(run.result.at("accuracy_best"));
    });
    add_confusion(s.confusion, run, folder);
  }
  return s;
}

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
  print("{:<34}{:>7}  {:>16}  {:>16}  {:>16}\n", name, s.kept.size(), percent_text(s.kept),
        percent_text(s.final_weights), percent_text(s.best_weights));
}

std::string run_name(const Experiment& experiment, const ExperimentRun& run) {
  const bool listed = experiment.protocols[run.protocol].protocol == Protocol::fault_filtered;
  return listed ? "filtered" : fmt::format("split-{:02}", run.split);
}

// The random splits, by their number, and the fault-filtered one, which is last, where its `lists` are.
Experiment experiment_of(const Dong2018Arguments& asked, const Recipe& recipe, const std::string& lists,
                         bool filtered) {
  Experiment experiment;
  experiment.data.path = asked.gtzan;
  experiment.recipes = {recipe};
  experiment.protocols = {{Protocol::random, asked.splits}};
  if (filtered) experiment.protocols.push_back({Protocol::fault_filtered, 1, "", lists});
  experiment.seed = asked.seed;
  experiment.name = run_name;
  experiment.records = false;
  return experiment;
}

Experiment planned(const Dong2018Arguments& args) {
  const Recipe recipe = chosen_recipe(args.recipe, args.set, say_line);
  expect_data("--gtzan", args.gtzan);
  const std::string lists = find_lists(args.gtzan, args.split_lists);
  if (args.splits == 0 && lists.empty())
    fail(ErrorKind::usage, "--splits 0: nothing to do, as there are no lists of the fault-filtered split");
  if (lists.empty()) say_no_lists();
  return experiment_of(args, recipe, lists, !lists.empty());
}

nlohmann::ordered_json record(const Dong2018Arguments& args, const Recipe& recipe) {
  return {{"recipe", recipe.name},
          {"gtzan", absolute_utf8(args.gtzan)},
          {"splits", args.splits},
          {"seed", args.seed},
          {"split_lists", absolute_utf8(args.split_lists)}};
}

Experiment read_dong2018(const RunFolder& folder) {
  const auto asked = folder.read("run.json", [](const nlohmann::ordered_json& json) {
    Dong2018Arguments there;
    there.gtzan = path_from_utf8(json.at("gtzan"));
    there.splits = static_cast<int>(count_of(json.at("splits")));
    there.seed = seed_of(json.at("seed"));
    there.split_lists = path_from_utf8(json.at("split_lists"));
    return there;
  });
  const std::string lists = find_lists(asked.gtzan, asked.split_lists);
  return experiment_of(asked, load_recipe(folder.file("recipe.toml")), lists,
                       !lists.empty() || fs::exists(folder.path() / "filtered" / "run.json"));
}

void tell_dong2018(const RunFolder& folder, const Experiment& experiment, const TestedRuns& tested,
                   const Settings& settings) {
  const Recipe& recipe = experiment.recipes[0];
  const Summary random = summary_of(tested, experiment, Protocol::random, folder),
                filtered = summary_of(tested, experiment, Protocol::fault_filtered, folder);
  nlohmann::ordered_json out = {{"recipe", recipe.name},
                                {"title", recipe.title},
                                {"seed", experiment.seed},
                                {"classes", tested.classes},
                                {"device", tested.device}};
  if (!random.kept.empty()) out["random_splits"] = as_json(random);
  if (!filtered.kept.empty()) out["fault_filtered"] = as_json(filtered);
  if (!tested.missing.empty()) out["missing"] = tested.missing;
  folder.write_json("result.json", out);
  if (settings.json) return print_json(out);
  print("\n{}\n\n{:<34}{:>7}  {:>16}  {:>16}  {:>16}\n", recipe.title, "test accuracy of tracks", "splits",
        "recipe's weights", "final weights", "best validation");
  if (!random.kept.empty()) print_row("random stratified", random);
  if (!filtered.kept.empty()) print_row("fault-filtered", filtered);
  if (!random.kept.empty()) {
    print("\npooled confusion over the random splits, rates per true genre\n\n{}",
          Lines{as_table(random.confusion, tested.classes)});
  }
  print("\nresult: {}\n", folder.file("result.json"));
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
    const ExperimentCommand command = {
        "reproduce dong2018",
        "reproduce-",
        [=] { return planned(*args); },
        [=](const Experiment& experiment) { return record(*args, experiment.recipes[0]); },
        read_dong2018,
        tell_dong2018};
    conduct(command, *options, settings);
  });
}

}  // namespace melgrad
