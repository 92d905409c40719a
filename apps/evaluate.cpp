// melgrad evaluate: track-level test result of a finished run. melgrad verify: whether it still comes out the
// same.
#include <cmath>

#include "apps/run_record.h"
#include "apps/train.h"

namespace melgrad {
namespace {

// A run folder with its network as it was saved.
struct Restored {
  Restored(const Settings& settings, const std::string& path, const std::string& cache)
      : device(open_device(settings)),
        folder(RunFolder::open(path)),
        origin(origin_of(folder)),
        recipe(load_recipe(folder.file("recipe.toml"))),
        data(*device, cache.empty() ? origin.cache : cache, recipe),
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

void evaluate(const Settings& settings, const std::string& path, const std::string& cache) {
  Restored at(settings, path, cache);
  const TestOutcome outcome = test_in_folder(at.run, at.folder, at.data, at.recipe);
  if (settings.json) fmt::print("{}\n", outcome.result.dump(2));
  else fmt::print("{}: {}\nresult: {}\n", path, outcome.text, at.folder.file("result.json"));
  if (!at.run.finished())
    fmt::print(settings.json ? stderr : stdout,
               "note: this run is not finished; go on with: melgrad train --resume {}\n", path);
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
      note(place, was.dump(), "missing");
    } else if (was.is_number() && is->is_number()) {
      if (comes_out_again(was.get<double>(), is->get<double>())) continue;
      note(place, was.dump(), is->dump());
      out.largest = std::max(out.largest, std::abs(was.get<double>() - is->get<double>()));
    } else if (*is != was) {
      note(place, was.dump(), is->dump());
    }
  }
  for (const auto& [place, is] : after.items()) {
    if (!before.contains(place)) note(place, "missing", is.dump());
  }
  return out;
}

// What predict would use is what the checkpoint holds.
void expect_same_model(Restored& at) {
  const std::string path = at.folder.file("model.h5");
  const Checkpoint kept = load_checkpoint(path), own = kept_model(at.run, at.recipe);
  if (kept.arrays != own.arrays)
    fail(ErrorKind::input, "{}: is not the model of this run's checkpoint", path);
}

void verify(Settings& settings, const std::string& path, const std::string& cache) {
  Restored at(settings, path, cache);
  warn_of_other_device(at.origin, *at.device);
  if (!at.run.finished())
    fail(ErrorKind::input, "{}: is not finished; go on with: melgrad train --resume {}", path, path);
  if (const std::string why = untested(at.folder); !why.empty()) fail(ErrorKind::input, "{}: {}", path, why);
  expect_same_model(at);
  const auto recorded = at.folder.read_json("result.json");
  const auto now = nlohmann::ordered_json::parse(test_of(at.run, at.data, at.recipe).result.dump());
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
    fmt::print("{}\n", json.dump(2));
    return;
  }
  if (found.differ == 0) {
    fmt::print("{}: all {} figures of result.json come out again to the bit; weights {}\n", path,
               found.figures, weights);
    return;
  }
  fmt::print(
      "{}: {} of {} figures of result.json come out otherwise, numbers by at most {:.2g}; the first: {}\n",
      path, found.differ, found.figures, found.largest, found.first);
}

// The arguments that both commands have.
void add_command(CLI::App& root, const char* name, const char* help,
                 const std::function<void(const std::string&, const std::string&)>& work) {
  auto* command = root.add_subcommand(name, help);
  auto path = std::make_shared<std::string>(), cache = std::make_shared<std::string>();
  command->add_option("run", *path, "run folder")->required();
  command->add_option("--data", *cache, "the cache, if it was moved since");
  command->callback([=] { work(*path, *cache); });
}

}  // namespace

void register_evaluate(CLI::App& root, Settings& settings) {
  add_command(root, "evaluate", "test a finished run on its test tracks",
              [&](const std::string& path, const std::string& cache) { evaluate(settings, path, cache); });
}

void register_verify(CLI::App& root, Settings& settings) {
  add_command(root, "verify", "test a finished run again and compare with its recorded result",
              [&](const std::string& path, const std::string& cache) { verify(settings, path, cache); });
}

}  // namespace melgrad
