#include "models/runs/run_training.h"

#include <chrono>
#include <filesystem>

#include "io/files/atomic_file.h"
#include "kernels/text.h"
#include "models/runs/event_file.h"
#include "models/runs/metrics_log.h"
#include "models/runs/run_record.h"

namespace melgrad {

void begin_in_folder(const RunFolder& folder, const Recipe& recipe, const TrainingData& data,
                     const std::string& source, const Split& split, std::uint64_t seed, const Device& device,
                     const nlohmann::ordered_json& more) {
  write_split(folder.file("splits.json"), split, data.names());
  Recipe used = recipe;
  used.features = data.features();
  write_file_atomically(folder.file("recipe.toml"), as_toml(used));
  const auto absolute = [](const std::string& path) {
    return path == "-" ? path : as_utf8(std::filesystem::absolute(path).lexically_normal().string());
  };
  nlohmann::ordered_json run = {{"recipe", recipe.name},
                                {"data", absolute(source)},
                                {"data_digest", fmt::format("{:016x}", data.digest())},
                                {"tracks", data.names().size()},
                                {"classes", data.classes().size()},
                                {"cache", absolute(data.path())},
                                {"seed", seed},
                                {"device", device.name()},
                                {"precision", name_of(device.precision())},
                                {"device_description", device.description()}};
  run.update(more);
  run.update(session_record());
  folder.write_json("run.json", run);
}

namespace {

// A run goes on with the data that it was begun with, whatever lies at their path now.
void expect_same_data(const TrainingData& data, const RunFolder& folder) {
  const std::string begun = digest_of_data(folder), now = fmt::format("{:016x}", data.digest());
  if (!begun.empty() && begun != now)
    fail(ErrorKind::input, "{}: is other data than {} was begun with (digest {}, was {}); begin a new run",
         data.path(), folder.path().string(), now, begun);
}

}  // namespace

void resume_in_folder(TrainingRun& run, const RunFolder& folder, const Notes& notes) {
  expect_same_data(run.data(), folder);
  const RunCheckpoints checkpoints(folder);
  if (const auto state = checkpoints.load(notes)) run.restore(*state, checkpoints.newest());
  cut_metrics(folder, run.steps());
}

void note_resumption(TrainingRun& run, const RunFolder& folder, const Notes& notes) {
  if (run.finished()) return;
  set_result_aside(folder, run.steps(), notes);
  record_resumption(folder, run.steps());
}

void compare_devices(const RunOrigin& run, const Device& device, const Notes& notes) {
  if (run.device == device.name() && run.precision == name_of(device.precision())) return;
  note(notes, "begun on {} in {}, goes on on {} in {}: not the same bits as without the interruption",
       run.device, run.precision, device.name(), name_of(device.precision()));
}

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

// What a rank wishes after a step; they do what the greatest of their wishes is.
enum Wish { kGoOn, kSave, kStop };

void train_and_save(TrainingRun& run, const RunFolder& folder, const SaveOptions& saving,
                    const Watcher& watcher) {
  const RunCheckpoints checkpoints(folder, saving.keep);
  EventFile events(folder.path().string(), run.steps());
  const auto save = [&] {
    const Checkpoint state = run.state();
    checkpoints.save(state);
    events.weights(run.steps(), state);
  };
  {
    MetricsLog metrics(folder);
    const auto start = Clock::now();
    auto saved = start;
    run.run(
        [&](std::int64_t steps) {
          if (watcher.step) watcher.step(steps);
          const bool stops = watcher.stop && watcher.stop();
          const int agreed = run.ranks().agree(stops                                 ? kStop
                                               : seconds_since(saved) > saving.every ? kSave
                                                                                     : kGoOn);
          if (agreed == kSave) {
            run.expect_same_weights();
            save();
            saved = Clock::now();
          }
          return agreed != kStop;
        },
        [&](const TrainingRun::Epoch& epoch) {
          if (watcher.epoch) watcher.epoch(epoch);
          metrics.add(epoch, seconds_since(start));
          events.scalars(epoch.step, figures_of(epoch));
          return true;
        },
        [&](const TrainingRun::Incident& incident) {
          metrics.add(incident);
          if (watcher.incident) watcher.incident(incident);
        });
  }
  run.expect_same_weights();
  save();
}

// One line on a run that diverged: where, what did it first, what is still good.
[[noreturn]] void explain(const Diverged& diverged, TrainingRun& run, const RunFolder& folder,
                          const std::string& label, const Watcher& watcher) {
  const RunCheckpoints checkpoints(folder);
  const std::string path = checkpoints.newest();
  const std::optional<Checkpoint> before = checkpoints.load(watcher.notes);
  if (watcher.diverged) watcher.diverged(diverged, before.has_value());
  const std::string trouble = run.first_trouble(before ? &*before : nullptr, diverged.step);
  record_end(folder, fmt::format("diverged: {}: {}", diverged.what(), trouble));
  fail(ErrorKind::diverged, "{}: {}: {}; lower train.rate or set train.clip_norm; {}", label, diverged.what(),
       trouble,
       before ? fmt::format("{} is of step {} and good", path, steps_of(*before, path))
              : "no checkpoint was saved yet");
}

}  // namespace

bool train_in_folder(TrainingRun& run, const RunFolder& folder, const std::string& label,
                     const SaveOptions& saving, const Watcher& watcher) {
  if (watcher.stop) watcher.stop();  // the answer counts from the first step on (run_training.h)
  try {
    train_and_save(run, folder, saving, watcher);
  } catch (const Diverged& diverged) {
    explain(diverged, run, folder, label, watcher);
  }
  if (run.finished()) save_checkpoint(folder.file("model.h5"), run.model(run.keeps_best()));
  record_end(folder, run.finished() ? "finished: " + run.ending() : "interrupted");
  return run.finished();
}

void train_along(TrainingRun& run, const std::function<bool()>& stop) {
  run.run(
      [&](std::int64_t) {
        const int agreed = run.ranks().agree(stop() ? kStop : kGoOn);
        if (agreed == kSave) run.expect_same_weights();
        return agreed != kStop;
      },
      [](const TrainingRun::Epoch&) { return true; });
  run.expect_same_weights();
}

nlohmann::ordered_json test_of(TrainingRun& run) {
  nlohmann::ordered_json result = run.data().task().test(run);
  result["weights_digest"] = fmt::format("{:016x}", run.weights_digest());
  return result;
}

nlohmann::ordered_json test_in_folder(TrainingRun& run, const RunFolder& folder) {
  nlohmann::ordered_json result = test_of(run);
  folder.write_json("result.json", result);
  return result;
}

}  // namespace melgrad
