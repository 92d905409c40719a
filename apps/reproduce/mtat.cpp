// melgrad reproduce mtat: the study of eight networks on samples and spectrograms of MagnaTagATune, and the
// field's networks beside them, on one split; one table, in which no figure stands without its baseline.
#include <algorithm>
#include <optional>

#include "apps/data/data_set.h"
#include "apps/data/extract.h"
#include "apps/reproduce/reproduce.h"
#include "apps/training/run_list.h"
#include "io/files/json.h"
#include "kernels/text.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kStudy = {"cnn1d",        "cnn1d-rnn", "cnn1d-lstm", "cnn1d-gru",
                                         "cnn1d-chunks", "cnn2d-rnn", "cnn2d-lstm", "cnn2d-gru"};
const std::vector<std::string> kField = {"fcn",           "crnn",        "musicnn",         "sample-cnn",
                                         "sample-cnn-se", "short-chunk", "short-chunk-res", "harmonic"};

struct MtatArguments {
  DataSetRequest data;
  std::vector<std::string> models, set;
  std::string dtype = "f16";
  std::uint64_t seed = 0;
};

std::vector<std::string> chosen(const std::vector<std::string>& asked) {
  std::vector<std::string> all = kStudy, models;
  all.insert(all.end(), kField.begin(), kField.end());
  if (asked.empty()) return all;
  const auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (std::find(models.begin(), models.end(), name) == models.end()) models.push_back(name);
  };
  for (const std::string& name : asked) {
    if (name == "study") {
      add(kStudy);
    } else if (name == "field") {
      add(kField);
    } else if (std::find(all.begin(), all.end(), name) != all.end()) {
      add({name});
    } else {
      fail(ErrorKind::usage, "--models: no network {}; did you mean {}?", name, nearest(name, all));
    }
  }
  return models;
}

Recipe recipe_of(const std::string& model, const std::vector<std::string>& set) {
  Recipe recipe = load_recipe("mtat-" + model);
  for (const std::string& note : set_recipe_fields(recipe, set)) say("{}: {}", model, note);
  return recipe;
}

RunFolder open_folder(const MtatArguments& args, const ListOptions& options) {
  if (!options.resume.empty()) return open_list(options, "", {});
  const std::vector<std::string> models = chosen(args.models);
  std::vector<Recipe> recipes;  // so that a wrong key is told now
  for (const std::string& name : models) recipes.push_back(recipe_of(name, args.set));
  expect_use(recipes, args.set);
  if (!is_mtat(args.data.path))
    fail(ErrorKind::input, "{}: no MagnaTagATune: it has no annotations_final.csv", args.data.path);
  const auto absolute = [](const fs::path& path) {
    return path.empty() ? "" : as_utf8(fs::absolute(path).lexically_normal().string());
  };
  const nlohmann::ordered_json asked = {{"data", absolute(args.data.path)},
                                        {"protocol", args.data.protocol},
                                        {"tags", args.data.mtat.tags},
                                        {"merge_tags", args.data.mtat.merge_synonyms},
                                        {"split_by", args.data.split_by},
                                        {"split_seed", args.data.mtat.split_seed},
                                        {"split_lists", absolute(args.data.mtat.split_lists)},
                                        {"models", models},
                                        {"set", args.set},
                                        {"dtype", args.dtype},
                                        {"seed", args.seed}};
  return open_list(options, "reproduce-mtat", asked);
}

MtatArguments asked_of(const RunFolder& folder) {
  return folder.read("run.json", [](const nlohmann::ordered_json& json) {
    MtatArguments asked;
    asked.data.path = path_from_utf8(json.at("data"));
    asked.data.protocol = json.at("protocol");
    asked.data.split_by = json.at("split_by");
    asked.data.mtat.tags = json.at("tags");
    asked.data.mtat.merge_synonyms = json.at("merge_tags");
    asked.data.mtat.split_seed = seed_of(json.at("split_seed"));
    asked.data.mtat.split_lists = path_from_utf8(json.at("split_lists"));
    json.at("models").get_to(asked.models);
    if (!asked.models.empty()) chosen(asked.models);  // each names a folder
    json.at("set").get_to(asked.set);
    json.at("dtype").get_to(asked.dtype);
    asked.seed = seed_of(json.at("seed"));
    return asked;
  });
}

// The features of the recipes, each kind extracted once for all networks that share it.
class MtatFeatures {
 public:
  MtatFeatures(const RunFolder& folder, const MtatArguments& asked, const ListOptions& options,
               Device& device, Settings& settings)
      : folder_(&folder), asked_(&asked), options_(&options), device_(&device), settings_(&settings) {}

  // Nothing if Ctrl-C has come first.
  std::optional<std::string> cache_of(const std::string& model, const Recipe& recipe) {
    const std::string path = folder_->file("features-" + recipe.features.preset + ".h5");
    if (fs::exists(path)) return path;
    const DType dtype =
        asked_->dtype == "f16" && recipe.features.log != LogKind::none ? DType::f16 : DType::f32;
    if (options_->part && options_->part->count > 1)
      fail(ErrorKind::usage, "--part: parts do not wait for another's features: {} makes them",
           command(model, dtype, path));
    say("features {}:", recipe.features.preset);
    tell_of_features(recipe.features);
    if (!data_set_) data_set_ = open_data_set(asked_->data, *settings_);
    const auto store = feature_store(*settings_);
    const ExtractResult r = extract_shown(*data_set_, recipe.features, dtype, *device_, settings_->threads,
                                          path, store ? &*store : nullptr);
    if (r.skipped > 0) settings_->exit_code = kExitProblemsFound;
    return r.interrupted ? std::nullopt : std::optional(path);
  }

 private:
  std::string command(const std::string& model, DType dtype, const std::string& path) const {
    const DataSetRequest& data = asked_->data;
    std::string line =
        fmt::format("melgrad extract {} --recipe mtat-{} --dtype {} --tags {} --out {}", data.path, model,
                    dtype == DType::f16 ? "f16" : "f32", data.mtat.tags, path);
    for (const std::string& set : asked_->set)
      if (keys_of({set})[0].starts_with("features.")) line += " --set " + set;
    if (data.mtat.merge_synonyms) line += " --merge-tags";
    if (!data.mtat.split_lists.empty()) return line + " --split-lists " + data.mtat.split_lists.string();
    return line + fmt::format(" --protocol {} --split-by {} --split-seed {}", data.protocol, data.split_by,
                              data.mtat.split_seed);
  }

  const RunFolder* folder_;
  const MtatArguments* asked_;
  const ListOptions* options_;
  Device* device_;
  Settings* settings_;
  std::optional<DataSet> data_set_;  // opened when features are first missing
};

// The table, which grows as networks are done.
class MtatTable {
 public:
  MtatTable(const RunFolder& folder, const Settings& settings) : folder_(&folder), settings_(&settings) {}

  void add(const std::string& name) {
    const RunFolder run = RunFolder::open(folder_->file(name));
    results_.emplace_back(name, run.read_json("result.json"));
    add_device(device_, run);
    reading_json(run.file("result.json"), [&] { print_row(name, results_.back().second); });
  }

  void write(const std::vector<std::string>& missing) const {
    nlohmann::ordered_json out = {{"asked", without_sessions(folder_->read_json("run.json"))},
                                  {"device", device_}};
    auto& list = out["models"] = nlohmann::ordered_json::array();
    for (const auto& [name, result] : results_) {
      list.push_back({{"model", name}, {"result", result}});
      list.back()["result"]["test"].erase("predictions");  // they stay in the model's own result.json
    }
    if (!missing.empty()) out["missing"] = missing;
    folder_->write_json("result.json", out);
    if (settings_->json) {
      print_json(out);
    } else {
      print("\nresult: {}\n", folder_->file("result.json"));
    }
  }

 private:
  void print_row(const std::string& name, const nlohmann::ordered_json& result) {
    const auto& macro = result.at("test").at("macro");
    if (settings_->json) return;
    const auto cell = [](const nlohmann::ordered_json& figure) {
      const auto number = [](const nlohmann::ordered_json& v) {
        return v.is_null() ? std::string("-") : fmt::format("{:.3f}", v.get<double>());
      };
      return fmt::format("{} ({} to {})", number(figure.at("value")), number(figure.at("interval").at(0)),
                         number(figure.at("interval").at(1)));
    };
    if (!header_printed_) {
      header_printed_ = true;
      print("{:<16}{:>11}  {:<24}{:<24}{:<7}{:<9}\n", "macro over tags", "parameters", "ROC-AUC (95 %)",
            "PR-AUC (95 %)", "F1", "accuracy");
      print("{:<16}{:>11}  {:<24.3f}{:<24.3f}{:<7.3f}{:<9.3f}\n", "no tag at all", 0,
            macro.at("roc_auc").at("baseline").get<double>(), macro.at("pr_auc").at("baseline").get<double>(),
            macro.at("f1").at("baseline").get<double>(), macro.at("accuracy").at("baseline").get<double>());
    }
    print("{:<16}{:>11}  {:<24}{:<24}{:<7.3f}{:<9.3f}\n", name, count_of(result.at("parameters")),
          cell(macro.at("roc_auc")), cell(macro.at("pr_auc")), macro.at("f1").at("value").get<double>(),
          macro.at("accuracy").at("value").get<double>());
    std::fflush(stdout);
  }

  const RunFolder* folder_;
  const Settings* settings_;
  std::string device_;
  std::vector<std::pair<std::string, nlohmann::ordered_json>> results_;
  bool header_printed_ = false;
};

// Trains the networks of this process's part.
void train(Device& device, RunList& list, const RunFolder& folder, const MtatArguments& asked,
           const ListOptions& options, Settings& settings) {
  MtatFeatures features(folder, asked, options, device, settings);
  std::vector<ListedRun> runs;
  for (const std::size_t i : list.to_do()) {
    const std::string& name = asked.models[i];
    const bool begun = fs::exists(folder.path() / name / "run.json");
    const Recipe recipe =
        begun ? load_recipe(folder.file(name) + "/recipe.toml") : recipe_of(name, asked.set);
    const auto cache = features.cache_of(name, recipe);
    if (!cache) list.interrupt();
    runs.push_back(
        {name, recipe, asked.seed, asked.data.path, *cache, looked_at(device, *cache, recipe)->own_split()});
  }
  list.train(device, settings, runs);
}

void reproduce_mtat(Settings& settings, const MtatArguments& args, const ListOptions& options) {
  const bool collects = !options.collect.empty();
  const auto device = collects ? nullptr : open_device(settings);  // before a folder stays behind
  const RunFolder folder = collects ? RunFolder::open(options.collect) : open_folder(args, options);
  const MtatArguments asked = asked_of(folder);
  MtatTable table(folder, settings);
  RunEnding ending{result_stands, [](TrainingRun& run, const RunFolder& run_folder, const Notes&) {
                     test_in_folder(run, run_folder);
                   }};
  ending.one_data_set = false;  // one for each kind of features
  if (!options.part) ending.done = [&](const std::string& name) { table.add(name); };
  RunList list(folder, asked.models, ending, options, "reproduce mtat");
  if (!collects) train(*device, list, folder, asked, options, settings);
  if (options.part) {
    list.end("finished");
    return list.tell_part(settings);
  }
  const std::vector<std::string> missing = list.missing();
  for (const std::string& name : asked.models)
    if (collects && std::find(missing.begin(), missing.end(), name) == missing.end()) table.add(name);
  table.write(missing);
  if (collects) tell_missing(missing, folder, settings);
  else list.end("finished");
}

}  // namespace

void register_reproduce_mtat(CommandLine& reproduce, Settings& settings) {
  auto* command = reproduce.add_subcommand(
      "mtat", "networks on samples and spectrograms of MagnaTagATune: the study's eight and the field's");
  auto args = std::make_shared<MtatArguments>();
  auto options = std::make_shared<ListOptions>();
  add_data_set_options(*command, args->data, "--data");
  command->add_option("--models", args->models, "names, study, field (default: all)")->delimiter(',');
  command->add_option("--set", args->set, "section.key=value of every recipe")->allow_extra_args(false);
  command->add_option("--dtype", args->dtype, "how features are stored; power spectra are always f32")
      ->is_member({"f32", "f16"})
      ->capture_default_str();
  command->add_option("--seed", args->seed, "of weights, order, crops and dropout")->capture_default_str();
  command->add_option("--out", options->out, "run folder (default runs/reproduce-mtat-<time>)");
  auto* resume = command->add_option("--resume", options->resume, "go on with an interrupted reproduction");
  auto* collect = add_list_options(*command, *options, "networks");
  command->goes_alone(*resume, {"--jobs"});
  add_no_cache(*command, settings);
  command->goes_alone(*collect);
  command->callback([=, &settings] {
    if (args->data.path.empty() && options->resume.empty() && options->collect.empty())
      fail(ErrorKind::usage, "reproduce mtat: name the data with --data, or --resume FOLDER");
    reproduce_mtat(settings, *args, *options);
  });
}

}  // namespace melgrad
