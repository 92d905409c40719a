// melgrad reproduce mtat: the study of eight networks on samples and spectrograms of MagnaTagATune, and the
// field's networks beside them, on one split; one table, in which no figure stands without its baseline.
#include <algorithm>
#include <optional>

#include "apps/data_set.h"
#include "apps/extract.h"
#include "apps/reproduce/reproduce.h"
#include "apps/terminal/interrupt.h"
#include "apps/train.h"
#include "io/files/json.h"
#include "kernels/text.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"
#include "models/training/run.h"

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
  std::string dtype = "f16", out, resume;
  std::uint64_t seed = 0;
};

std::vector<std::string> chosen(const std::vector<std::string>& asked) {
  std::vector<std::string> all = kStudy, models;
  all.insert(all.end(), kField.begin(), kField.end());
  if (asked.empty()) return all;
  for (const std::string& name : asked) {
    if (name == "study") {
      models.insert(models.end(), kStudy.begin(), kStudy.end());
    } else if (name == "field") {
      models.insert(models.end(), kField.begin(), kField.end());
    } else if (std::find(all.begin(), all.end(), name) != all.end()) {
      models.push_back(name);
    } else {
      fail(ErrorKind::usage, "--models: no network {}; did you mean {}?", name, nearest(name, all));
    }
  }
  return models;
}

class MtatReproduction {
 public:
  MtatReproduction(Settings& settings, const MtatArguments& args)
      : settings_(&settings),
        device_(open_device(settings)),
        folder_(prepare(args)),
        asked_(asked_of(folder_)) {}

  void run() {
    for (const std::string& name : asked_.models) {
      results_.emplace_back(name, one(name));
      reading_json(folder_.file(name + "/result.json"), [&] { print_row(name, results_.back().second); });
    }
    finish();
  }

 private:
  // A new run folder that says what was asked for, or the one to go on with.
  static RunFolder prepare(const MtatArguments& args) {
    if (!args.resume.empty()) {
      RunFolder folder = RunFolder::resume(args.resume);
      record_resumption(folder);
      return folder;
    }
    const std::vector<std::string> models = chosen(args.models);
    std::vector<Recipe> recipes;  // so that a wrong key is told now
    for (const std::string& name : models) recipes.push_back(recipe_of(name, args.set));
    expect_use(recipes, args.set);
    if (!is_mtat(args.data.path))
      fail(ErrorKind::input, "{}: no MagnaTagATune: it has no annotations_final.csv", args.data.path);
    const RunFolder folder = RunFolder::create(args.out, "reproduce-mtat");
    const auto absolute = [](const fs::path& path) {
      return path.empty() ? "" : as_utf8(fs::absolute(path).lexically_normal().string());
    };
    nlohmann::ordered_json run = {{"data", absolute(args.data.path)},
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
    run.update(session_record());
    folder.write_json("run.json", run);
    return folder;
  }

  static MtatArguments asked_of(const RunFolder& folder) {
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

  static Recipe recipe_of(const std::string& model, const std::vector<std::string>& set) {
    Recipe recipe = load_recipe("mtat-" + model);
    for (const std::string& note : set_recipe_fields(recipe, set)) say("{}: {}", model, note);
    return recipe;
  }

  // The features of a recipe, extracted once for all networks that share them.
  std::string cache_of(const Recipe& recipe) {
    const std::string path = folder_.file("features-" + recipe.features.preset + ".h5");
    if (fs::exists(path)) return path;
    const DType dtype =
        asked_.dtype == "f16" && recipe.features.log != LogKind::none ? DType::f16 : DType::f32;
    say("features {}:", recipe.features.preset);
    tell_of_features(recipe.features);
    if (!data_set_) data_set_ = open_data_set(asked_.data, *settings_);
    const auto store = feature_store(*settings_);
    const ExtractResult r = extract_shown(*data_set_, recipe.features, dtype, *device_, settings_->threads,
                                          path, store ? &*store : nullptr);
    if (r.interrupted) interrupt();
    if (r.skipped > 0) settings_->exit_code = kExitProblemsFound;
    return path;
  }

  // Trains and tests one network in a folder of its own, or takes over what is there.
  nlohmann::ordered_json one(const std::string& name) {
    const bool begun = fs::exists(folder_.path() / name / "run.json");
    if (begun) {
      const RunFolder done = RunFolder::open(folder_.file(name));
      if (result_stands(done)) return done.read_json("result.json");
    }
    Recipe recipe = begun ? load_recipe(folder_.file(name) + "/recipe.toml") : recipe_of(name, asked_.set);
    const TrainingData data(*device_, cache_of(recipe), recipe, TrainingData::Hold::automatic, say_line);
    const RunFolder folder =
        begun ? RunFolder::resume(folder_.file(name)) : RunFolder::create(folder_.file(name), "");
    const Split split = data.own_split();
    if (begun) compare_devices(origin_of(folder), *device_, say_line);
    if (!begun) begin_in_folder(folder, recipe, data, asked_.data.path, split, asked_.seed, *device_);
    TrainingRun run(*device_, data, split, recipe, asked_.seed);
    resume_in_folder(run, folder, say_line);
    if (begun) note_resumption(run, folder, say_line);
    if (!train_shown(run, folder, name)) interrupt();
    return test_in_folder(run, folder);
  }

  [[noreturn]] void interrupt() const {
    record_end(folder_, "interrupted");
    throw Interrupted{
        fmt::format("saved; go on with: melgrad reproduce mtat --resume {}", folder_.path().string())};
  }

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

  void finish() const {
    nlohmann::ordered_json out = {{"asked", without_sessions(folder_.read_json("run.json"))},
                                  {"device", device_->description()}};
    auto& list = out["models"] = nlohmann::ordered_json::array();
    for (const auto& [name, result] : results_) {
      list.push_back({{"model", name}, {"result", result}});
      list.back()["result"]["test"].erase("predictions");  // they stay in the model's own result.json
    }
    folder_.write_json("result.json", out);
    record_end(folder_, "finished");
    if (settings_->json) {
      print_json(out);
    } else {
      print("\nresult: {}\n", folder_.file("result.json"));
    }
  }

  Settings* settings_;
  std::unique_ptr<Device> device_;
  RunFolder folder_;
  MtatArguments asked_;
  std::optional<DataSet> data_set_;  // opened when features are first missing
  std::vector<std::pair<std::string, nlohmann::ordered_json>> results_;
  bool header_printed_ = false;
};

}  // namespace

void register_reproduce_mtat(CommandLine& reproduce, Settings& settings) {
  auto* command = reproduce.add_subcommand(
      "mtat", "networks on samples and spectrograms of MagnaTagATune: the study's eight and the field's");
  auto args = std::make_shared<MtatArguments>();
  add_data_set_options(*command, args->data, "--data");
  command->add_option("--models", args->models, "names, study, field (default: all)")->delimiter(',');
  command->add_option("--set", args->set, "section.key=value of every recipe")->allow_extra_args(false);
  command->add_option("--dtype", args->dtype, "how features are stored; power spectra are always f32")
      ->is_member({"f32", "f16"})
      ->capture_default_str();
  command->add_option("--seed", args->seed, "of weights, order, crops and dropout")->capture_default_str();
  command->add_option("--out", args->out, "run folder (default runs/reproduce-mtat-<time>)");
  auto* resume = command->add_option("--resume", args->resume, "go on with an interrupted reproduction");
  command->goes_alone(*resume);
  add_no_cache(*command, settings);
  command->callback([=, &settings] {
    if (args->data.path.empty() == args->resume.empty())
      fail(ErrorKind::usage, "reproduce mtat: name the data with --data, or --resume FOLDER");
    MtatReproduction(settings, *args).run();
  });
}

}  // namespace melgrad
