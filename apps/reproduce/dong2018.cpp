// melgrad reproduce dong2018: the published experiment, end to end: features, many splits, the table.
#include "apps/extract.h"
#include "apps/reproduce/reproduce.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/result_text.h"
#include "apps/train.h"
#include "io/datasets/tar_shards.h"
#include "io/files/atomic_file.h"
#include "models/metrics/statistics.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"
#include "models/training/run.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct Dong2018Arguments {
  std::string gtzan, recipe = "dong2018", out, resume, split_lists;
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

class Dong2018Reproduction {
 public:
  Dong2018Reproduction(Settings& settings, const Dong2018Arguments& args)
      : settings_(&settings),
        device_(open_device(settings)),
        recipe_(args.resume.empty() ? told_recipe(args.recipe, args.set)
                                    : load_recipe((fs::path(args.resume) / "recipe.toml").string())),
        folder_(prepare(args, recipe_)),
        asked_(asked_of(folder_)),
        data_(*device_, cache(settings), recipe_, TrainingData::Hold::automatic, say_line) {}

  void run() {
    expect_classes(asked_.gtzan, data_.classes(), recipe_);
    const std::string identical = data_.identical_tracks();
    if (!identical.empty()) say("{}", identical);
    tell_of_features(recipe_.features);
    Summary random, filtered;
    for (int k = 0; k < asked_.splits; ++k) {
      const Split split = data_.random_split(recipe_.split, static_cast<std::uint64_t>(k));
      one(fmt::format("split-{:02}", k), split, static_cast<std::uint64_t>(k), random);
    }
    const std::string lists = find_lists(asked_.gtzan, asked_.split_lists);
    if (lists.empty()) {
      say("fault-filtered split: no lists found; they are published as train_filtered.txt, "
          "valid_filtered.txt and test_filtered.txt in github.com/coreyker/dnn-mgr (gtzan/): put them beside "
          "the genres or name their folder with --split-lists");
    } else {
      one("filtered", data_.listed_split(lists), 0, filtered);
    }
    report(random, filtered);
  }

 private:
  // The run folder: a new one that says what was asked for, or the one to go on with.
  static RunFolder prepare(const Dong2018Arguments& args, const Recipe& recipe) {
    if (!args.resume.empty()) {
      RunFolder folder = RunFolder::resume(args.resume);
      record_resumption(folder);
      return folder;
    }
    if (args.gtzan == "-")
      fail(ErrorKind::usage, "--gtzan -: standard input cannot be read again when a reproduction goes on");
    if (!names_shards(args.gtzan) && !fs::exists(args.gtzan))
      fail(ErrorKind::input, "{}: no such file or folder", args.gtzan);
    RunFolder folder = RunFolder::create(args.out, "reproduce-" + recipe.name);
    const auto absolute = [](const std::string& path) {
      return path.empty() ? path : as_utf8(fs::absolute(path).lexically_normal().string());
    };
    write_file_atomically(folder.file("recipe.toml"), as_toml(recipe));
    nlohmann::ordered_json run = {{"recipe", recipe.name},
                                  {"gtzan", absolute(args.gtzan)},
                                  {"splits", args.splits},
                                  {"seed", args.seed},
                                  {"split_lists", absolute(args.split_lists)}};
    run.update(session_record());
    folder.write_json("run.json", run);
    return folder;
  }

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

  // The features: as given, or extracted from the audio.
  std::string cache(Settings& settings) {
    DataSetRequest data;
    data.path = asked_.gtzan;
    const auto audio = audio_of(data, settings);
    if (!audio) return asked_.gtzan;
    const std::string path = folder_.file("features.h5");
    extract_to(path, *audio, recipe_.features, *device_, settings);
    return path;
  }

  // Trains and tests one split in a folder of its own, or takes over what an interrupted run left there. Run
  // `k` has its own seed: the spread over the splits is that of initial weights and crops too.
  void one(const std::string& name, const Split& split, std::uint64_t k, Summary& summary) {
    const bool begun = fs::exists(folder_.path() / name / "run.json");
    const RunFolder folder =
        begun ? RunFolder::resume(folder_.file(name)) : RunFolder::create(folder_.file(name), "");
    if (begun && result_stands(folder)) {
      summary.add(folder);
      return;
    }
    std::uint64_t seed = asked_.seed + k;
    if (begun) {
      const RunOrigin origin = origin_of(folder);
      compare_devices(origin, *device_, say_line);
      seed = origin.seed;
    } else {
      begin_in_folder(folder, recipe_, data_, asked_.gtzan, split, seed, *device_);
    }
    TrainingRun run(*device_, data_, split, recipe_, seed);
    resume_in_folder(run, folder, say_line);
    if (begun) note_resumption(run, folder, say_line);
    if (!train_shown(run, folder, name)) {
      record_end(folder_, "interrupted");
      throw Interrupted{
          fmt::format("saved; go on with: melgrad reproduce dong2018 --resume {}", folder_.path().string())};
    }
    test_in_folder(run, folder);
    summary.add(folder);
    say("{}: test accuracy {:.3f} ({}), weights {:016x}", name, summary.kept.back(), run.ending(),
        run.weights_digest());
  }

  void report(const Summary& random, const Summary& filtered) const;

  Settings* settings_;
  std::unique_ptr<Device> device_;
  Recipe recipe_;
  RunFolder folder_;
  Dong2018Arguments asked_;
  TrainingData data_;
};

void Dong2018Reproduction::report(const Summary& random, const Summary& filtered) const {
  nlohmann::ordered_json out = {{"recipe", recipe_.name},
                                {"title", recipe_.title},
                                {"seed", asked_.seed},
                                {"classes", data_.classes()},
                                {"device", device_->description()}};
  if (!random.kept.empty()) out["random_splits"] = as_json(random);
  if (!filtered.kept.empty()) out["fault_filtered"] = as_json(filtered);
  folder_.write_json("result.json", out);
  record_end(folder_, "finished");
  if (settings_->json) {
    print_json(out);
    return;
  }
  print("\n{}\n\n{:<34}{:>7}  {:>16}  {:>16}  {:>16}\n", recipe_.title, "test accuracy of tracks", "splits",
        "recipe's weights", "final weights", "best validation");
  if (!random.kept.empty()) print_row("random stratified", random);
  if (!filtered.kept.empty()) print_row("fault-filtered", filtered);
  if (!random.kept.empty()) {
    print("\npooled confusion over the random splits, rates per true genre\n\n{}",
          Lines{as_table(random.confusion, data_.classes())});
  }
  print("\nresult: {}\n", folder_.file("result.json"));
}

}  // namespace

void register_reproduce_dong2018(CommandLine& reproduce, Settings& settings) {
  auto* dong =
      reproduce.add_subcommand("dong2018", "Dong 2018: genres of GTZAN by voting over 3-second segments");
  auto args = std::make_shared<Dong2018Arguments>();
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
  dong->add_option("--out", args->out, "run folder (default runs/reproduce-<recipe>-<time>)");
  auto* resume = dong->add_option("--resume", args->resume, "go on with an interrupted reproduction");
  dong->goes_alone(*resume);
  add_no_cache(*dong, settings);
  dong->callback([=, &settings] {
    if (args->gtzan.empty() && args->resume.empty()) {
      fail(ErrorKind::usage, "reproduce dong2018: name the data with --gtzan, or --resume FOLDER");
    }
    Dong2018Reproduction(settings, *args).run();
  });
}

}  // namespace melgrad
