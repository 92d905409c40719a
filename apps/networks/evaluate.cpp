// melgrad evaluate: track-level test result of a finished run, or of any model on a data set. melgrad verify:
// whether it still comes out the same.
#include "apps/networks/evaluate.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "apps/data/extract.h"
#include "apps/terminal/result_text.h"
#include "apps/training/train.h"
#include "io/datasets/csv.h"
#include "kernels/text.h"
#include "models/metrics/score_table.h"
#include "models/runs/model_library.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"
#include "models/training/run.h"

namespace melgrad {
namespace {

// A run folder with its network as it was saved.
struct Restored {
  Restored(const Settings& settings, const std::string& path, const std::string& cache)
      : device(open_device(settings)),
        folder(RunFolder::open(path)),
        origin(origin_of(folder)),
        recipe(load_recipe(folder.file("recipe.toml"))),
        data(*device, cache.empty() ? origin.cache : cache, recipe, TrainingData::Hold::automatic, say_line),
        run(*device, data, read_split(folder.file("splits.json"), data.names()), recipe, origin.seed) {
    const std::string checkpoint = folder.file("checkpoint.h5");
    run.restore(load_checkpoint(checkpoint), checkpoint);
    if (run.split().test.empty()) fail(ErrorKind::input, "{}: the split has no test tracks", path);
  }

  std::unique_ptr<Device> device;
  RunFolder folder;
  RunOrigin origin;
  Recipe recipe;
  TrainingData data;
  TrainingRun run;
};

// What result.json says was answered wrong, as CSV. Genres: a row a track, the surest mistake first. Tags: a
// row a track and tag that lie on two sides of the threshold.
struct Mistakes {
  std::size_t count = 0;
  std::string csv;
};

Mistakes mistakes_of(const nlohmann::ordered_json& test, const std::vector<std::string>& classes) {
  struct Row {
    double margin;
    std::string line;
  };
  std::vector<Row> rows;
  const auto text = [](const nlohmann::ordered_json& json) { return csv_field(json.get<std::string>()); };
  const bool tags = test.contains("threshold");
  if (tags) {
    const double threshold = test.at("threshold");
    for (const auto& track : test.at("predictions"))
      for (std::size_t k = 0; k < classes.size(); ++k) {
        const std::vector<std::string> own = track.at("tags");
        const bool has = std::find(own.begin(), own.end(), classes[k]) != own.end();
        const double score = track.at("scores").at(k), margin = std::abs(score - threshold);
        if (has == (score >= threshold)) continue;
        rows.push_back({margin, fmt::format("{},{},{},{:.4f},{:g},{:.4f}", text(track.at("track")),
                                            csv_field(classes[k]), has ? "missed" : "false alarm", score,
                                            threshold, margin)});
      }
  } else {
    for (const auto& track : test.at("predictions")) {
      if (track.at("label") == track.at("answer")) continue;
      const auto probability = [&](const char* of) {
        const auto at = std::find(classes.begin(), classes.end(), track.at(of).get<std::string>());
        return track.at("probabilities").at(static_cast<std::size_t>(at - classes.begin())).get<double>();
      };
      const double of_true = probability("label"), of_answer = probability("answer");
      rows.push_back(
          {of_answer - of_true,
           fmt::format("{},{},{},{:.4f},{:.4f},{:.4f}", text(track.at("track")), text(track.at("label")),
                       text(track.at("answer")), of_true, of_answer, of_answer - of_true)});
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.margin > b.margin; });
  Mistakes out{rows.size(), tags ? "file,tag,mistake,probability,threshold,margin\n"
                                 : "file,true,predicted,probability_true,probability_predicted,margin\n"};
  for (const Row& row : rows) out.csv += row.line + "\n";
  return out;
}

// The probabilities of a result, a row a track.
ScoreTable scores_in(const nlohmann::ordered_json& test, const std::vector<std::string>& classes) {
  ScoreTable out;
  out.tags = classes;
  out.columns = std::ssize(classes);
  for (const auto& track : test.at("predictions")) {
    out.tracks.push_back(track.at("track"));
    for (const auto& value : track.at(test.contains("confusion") ? "probabilities" : "scores"))
      out.values.push_back(value.get<float>());
    ++out.rows;
  }
  return out;
}

void evaluate(Settings& settings, const EvaluateArguments& args) {
  const std::string path = model_path(args.models[0]);
  if (args.models.size() > 1 || args.tracks != "test" || !std::filesystem::is_directory(path))
    return evaluate_models(settings, args);
  expect_no_audio_flags(args, args.models[0] + " is a run, which has its test tracks");
  EvaluationFiles files(args);
  Restored at(settings, path, args.data.path);
  const nlohmann::ordered_json result = test_in_folder(at.run, at.folder);
  tell_evaluation(settings, args, result, at.data.classes(), files, at.folder.file("result.json"));
  if (!at.run.finished()) say("note: this run is not finished; go on with: melgrad train --resume {}", path);
}

// Whether a recorded number comes out again: to the bit, or as it is printed since floats are printed at
// their shortest and the ends of an interval are 0 and 1, not 1e-17 beside them.
bool comes_out_again(double was, double is) {
  const auto as_float = static_cast<float>(was);
  return was == is || (as_float == was && decimal(as_float) == is) ||
         ((is == 0 || is == 1) && std::abs(was - is) < 1e-15);
}

struct Differences {
  std::size_t figures = 0, differ = 0;
  double largest = 0;  // between two numbers
  std::string first;   // which, in words
};

// Every figure of two results, by its place in the JSON.
Differences differences(const nlohmann::ordered_json& recorded, const nlohmann::ordered_json& now) {
  const nlohmann::json before = nlohmann::json(recorded).flatten(), after = nlohmann::json(now).flatten();
  Differences out;
  const auto note = [&](const std::string& place, const std::string& was, const std::string& is) {
    if (out.differ++ == 0) out.first = fmt::format("{} was {}, is {}", place, was, is);
  };
  for (const auto& [place, was] : before.items()) {
    ++out.figures;
    const auto is = after.find(place);
    if (is == after.end()) {
      note(place, json_text(was), "missing");
    } else if (was.is_number() && is->is_number()) {
      if (comes_out_again(was.get<double>(), is->get<double>())) continue;
      note(place, json_text(was), json_text(*is));
      out.largest = std::max(out.largest, std::abs(was.get<double>() - is->get<double>()));
    } else if (*is != was) {
      note(place, json_text(was), json_text(*is));
    }
  }
  for (const auto& [place, is] : after.items()) {
    if (!before.contains(place)) note(place, "missing", json_text(is));
  }
  return out;
}

// What predict would use is what the checkpoint holds.
void expect_same_model(Restored& at) {
  const std::string path = at.folder.file("model.h5");
  const Checkpoint kept = load_checkpoint(path), own = at.run.model(at.run.keeps_best());
  if (kept.arrays != own.arrays)
    fail(ErrorKind::input, "{}: is not the model of this run's checkpoint", path);
}

void verify(Settings& settings, const std::string& path, const std::string& cache) {
  Restored at(settings, path, cache);
  compare_devices(at.origin, *at.device, say_line);
  if (!at.run.finished())
    fail(ErrorKind::input, "{}: is not finished; go on with: melgrad train --resume {}", path, path);
  if (const std::string why = untested(at.folder); !why.empty()) fail(ErrorKind::input, "{}: {}", path, why);
  expect_same_model(at);
  const auto recorded = at.folder.read_json("result.json");
  const auto now = parse_json(json_text(test_of(at.run)));
  const Differences found = differences(recorded, now);
  const std::string weights = reading_json(at.folder.file("result.json"), [&] {
    return recorded.value("weights_digest", std::string("unrecorded"));
  });
  if (found.differ > 0) settings.exit_code = kExitProblemsFound;
  if (settings.json) {
    const nlohmann::ordered_json json = {{"run", path},
                                         {"figures", found.figures},
                                         {"differ", found.differ},
                                         {"largest_difference", found.largest},
                                         {"weights_digest", weights}};
    print_json(json);
    return;
  }
  if (found.differ == 0) {
    print("{}: all {} figures of result.json come out again to the bit; weights {}\n", path, found.figures,
          weights);
    return;
  }
  print("{}: {} of {} figures of result.json come out otherwise, numbers by at most {:.2g}; the first: {}\n",
        path, found.differ, found.figures, found.largest, found.first);
}

}  // namespace

EvaluationFiles::EvaluationFiles(const EvaluateArguments& args) {
  if (!args.mistakes.empty()) mistakes = std::make_unique<AtomicFile>(args.mistakes);
  if (!args.scores.empty()) scores = std::make_unique<AtomicFile>(args.scores);
}

void tell_evaluation(const Settings& settings, const EvaluateArguments& args,
                     const nlohmann::ordered_json& result, const std::vector<std::string>& classes,
                     EvaluationFiles& files, const std::string& saved) {
  const Mistakes mistakes = mistakes_of(result.at("test"), classes);
  const auto write = [](AtomicFile* file, const std::string& text) {
    if (file == nullptr) return;
    file->write(text);
    file->commit();
  };
  write(files.mistakes.get(), mistakes.csv);
  if (files.scores) write(files.scores.get(), as_csv(scores_in(result.at("test"), classes)));
  if (settings.json) return print_json(result);
  const std::string models = joined(args.models);
  print("{}: {}\n", models, Lines{result_text(result)});
  if (!saved.empty()) print("result: {}\n", saved);
  if (files.scores) print("probabilities: {}\n", args.scores);
  if (files.mistakes) print("mistakes: {}: all {}\n", args.mistakes, mistakes.count);
  else if (mistakes.count > 0)
    print("mistakes: {}; melgrad evaluate {} --mistakes F.csv lists them\n", mistakes.count,
          fmt::format("{}", fmt::join(args.models, " ")));
}

void expect_no_audio_flags(const EvaluateArguments& args, const std::string& because) {
  for (const Option* flag : args.data.flags)
    if (flag->count() > 0) fail(ErrorKind::usage, "{}: plays no part here: {}", flag->name(), because);
  if (args.data.classes_are_folders)
    fail(ErrorKind::usage, "--classes-are-folders: plays no part here: {}", because);
}

void register_evaluate(CommandLine& root, Settings& settings) {
  auto args = std::make_shared<EvaluateArguments>();
  auto* command = root.add_subcommand("evaluate", "test a finished run on its test tracks, or models on any");
  command
      ->add_option("model", args->models,
                   "run folder, model file, or a name of melgrad models; of several of the same classes the "
                   "mean of their probabilities is tested")
      ->required();
  args->data.mtat.tags.clear();  // as many as the model has
  add_data_set_options(
      *command, args->data, "--data",
      "of a run: the cache, if it was moved since; of a model, or several: a cache or data set, whose own "
      "test tracks are tested, or all of it if it has no split");
  command
      ->add_option("--tracks", args->tracks,
                   "which to test: a part of the split of the runs, or of that of other --data, or all")
      ->is_member({"train", "valid", "test", "all"})
      ->capture_default_str();
  command->add_option("--scores", args->scores,
                      "a CSV file for the probabilities of all these tracks, a column a class, as metrics "
                      "--scores reads it");
  command->add_option("--mistakes", args->mistakes,
                      "a CSV file for every mistake: file, true and predicted genre, both probabilities, the "
                      "surest first; of tags those missed and false alarms");
  add_no_cache(*command, settings);
  command->callback([=, &settings] { evaluate(settings, *args); });
}

void register_verify(CommandLine& root, Settings& settings) {
  auto* command =
      root.add_subcommand("verify", "test a finished run again and compare with its recorded result");
  auto path = std::make_shared<std::string>(), cache = std::make_shared<std::string>();
  command->add_option("run", *path, "run folder")->required();
  command->add_option("--data", *cache, "the cache, if it was moved since");
  command->callback([=, &settings] { verify(settings, *path, *cache); });
}

}  // namespace melgrad
