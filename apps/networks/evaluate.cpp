// melgrad evaluate: track-level test result of a finished run, or of any model on a data set. melgrad verify:
// whether it still comes out the same.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "apps/data/extract.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/result_text.h"
#include "apps/training/train.h"
#include "io/datasets/csv.h"
#include "io/files/atomic_file.h"
#include "io/files/temporary_folder.h"
#include "kernels/text.h"
#include "models/runs/model_library.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"
#include "models/training/model_test.h"
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

struct EvaluateArguments {
  std::string model, list;
  DataSetRequest data;
};

// A file for the mistakes, opened before the work is done.
std::unique_ptr<AtomicFile> list_file(const EvaluateArguments& args) {
  return args.list.empty() ? nullptr : std::make_unique<AtomicFile>(args.list);
}

// `saved`: the file the result stands in besides, if any.
void tell(const Settings& settings, const EvaluateArguments& args, const nlohmann::ordered_json& result,
          const std::vector<std::string>& classes, AtomicFile* file, const std::string& saved) {
  const Mistakes mistakes = mistakes_of(result.at("test"), classes);
  if (file) {
    file->write(mistakes.csv);
    file->commit();
  }
  if (settings.json) return print_json(result);
  print("{}: {}\n", args.model, Lines{result_text(result)});
  if (!saved.empty()) print("result: {}\n", saved);
  if (file) print("mistakes: {}: all {}\n", args.list, mistakes.count);
  else if (mistakes.count > 0)
    print("mistakes: {}; melgrad evaluate {} --mistakes F.csv lists them\n", mistakes.count, args.model);
}

// What says how audio is read plays no part elsewhere.
void expect_no_flags(const EvaluateArguments& args, const std::string& because) {
  for (const Option* flag : args.data.flags)
    if (flag->count() > 0) fail(ErrorKind::usage, "{}: plays no part here: {}", flag->name(), because);
  if (args.data.classes_are_folders)
    fail(ErrorKind::usage, "--classes-are-folders: plays no part here: {}", because);
}

// Those of the data set's own split, else all.
std::vector<std::int32_t> test_tracks(const TrainingData& data) {
  std::vector<std::int32_t> tracks;
  if (data.has_splits()) tracks = data.own_split().test;
  else tracks = data.all_tracks();
  if (tracks.empty()) fail(ErrorKind::input, "{}: has no test tracks", data.path());
  say("{}: {} tracks are tested{}", data.path(), tracks.size(),
      data.has_splits() ? "" : ", all of them: it has no split");
  return tracks;
}

// A model that is no run folder of ours: what it has not been trained on is up to who gives the data.
void evaluate_model(Settings& settings, const EvaluateArguments& args, const std::string& model) {
  if (args.data.path.empty())
    fail(ErrorKind::usage, "evaluate {}: a model file has no test tracks of its own: --data names them",
         args.model);
  const auto file = list_file(args);
  const auto device = open_device(settings);
  LoadedModel loaded = load_model(*device, model);
  DataSetRequest request = args.data;
  request.splits = true;
  if (request.mtat.tags.empty()) request.mtat.tags = fmt::format("top{}", loaded.classes.size());
  std::string cache = request.path;
  std::optional<TemporaryFolder> folder;
  if (const auto audio = audio_of(request, settings)) {
    expect_answers(loaded, audio->classes, request.path);
    folder.emplace();
    cache = *folder / "features.h5";
    try {
      extract_to(cache, *audio, loaded.recipe.features, *device, settings);
    } catch (const Interrupted&) {
      throw Interrupted{"stopped before anything was tested"};
    }
  } else {
    expect_no_flags(args, request.path + " is a cache");
  }
  const TrainingData data(*device, request.path, CacheFile(cache), loaded.recipe,
                          TrainingData::Hold::automatic, say_line);
  auto result = test_model(*device, loaded, data, test_tracks(data));
  result["model"] = args.model;
  const auto& test = result.at("test");
  tell(settings, args, result,
       test.contains("confusion") ? test.at("classes").get<std::vector<std::string>>() : data.classes(),
       file.get(), "");
}

void evaluate(Settings& settings, const EvaluateArguments& args) {
  const std::string path = model_path(args.model);
  if (!std::filesystem::is_directory(path)) return evaluate_model(settings, args, path);
  expect_no_flags(args, args.model + " is a run, which has its test tracks");
  const auto file = list_file(args);
  Restored at(settings, path, args.data.path);
  const nlohmann::ordered_json result = test_in_folder(at.run, at.folder);
  tell(settings, args, result, at.data.classes(), file.get(), at.folder.file("result.json"));
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

void register_evaluate(CommandLine& root, Settings& settings) {
  auto args = std::make_shared<EvaluateArguments>();
  auto* command =
      root.add_subcommand("evaluate", "test a finished run on its test tracks, or a model on any");
  command->add_option("model", args->model, "run folder, model file, or a name of melgrad models")
      ->required();
  args->data.mtat.tags.clear();  // as many as the model has
  add_data_set_options(
      *command, args->data, "--data",
      "of a run: the cache, if it was moved since; of a model: a cache or data set, whose own "
      "test tracks are tested, or all of it if it has no split");
  command->add_option("--mistakes", args->list,
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
