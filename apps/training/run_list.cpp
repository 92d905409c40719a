#include "apps/training/run_list.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <latch>
#include <mutex>
#include <set>
#include <thread>

#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "apps/training/train.h"
#include "kernels/text.h"
#include "models/runs/run_record.h"
#include "models/runs/run_training.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Whether what one trains on serves the other.
bool same_data(const ListedRun& a, const ListedRun& b) {
  return a.cache == b.cache && a.recipe.task == b.recipe.task &&
         a.recipe.segment.frames == b.recipe.segment.frames &&
         a.recipe.input.standardise == b.recipe.input.standardise && a.recipe.features == b.recipe.features;
}

// What the threads that train have in common.
class Work {
 public:
  Work(const RunFolder& folder, const std::vector<std::string>& names, const std::vector<ListedRun>& runs,
       const RunEnding& ending, bool several, std::function<void()> tell_done)
      : folder_(&folder), names_(&names), runs_(&runs), ending_(&ending), tell_done_(std::move(tell_done)) {
    if (several) progress_.emplace("train", std::ssize(runs), "runs");
  }

  // One thread's: run after run, until none is left or somebody has stopped.
  void go(Device& device) {
    std::optional<TrainingData> data;
    const ListedRun* data_of = nullptr;
    while (const ListedRun* run = next()) {
      if (data_of == nullptr || !same_data(*run, *data_of)) {
        const std::lock_guard lock(loading_);  // so that each sees what memory is left
        data.reset();
        data.emplace(device, run->cache, run->recipe, TrainingData::Hold::automatic,
                     [this](const std::string& line) { tell_once(line); });
        data_of = run;
        if (ending_->one_data_set) expect_one_data_set(*folder_, *names_, data->digest());
      }
      if (!one(device, *data, *run)) return;
      const std::lock_guard lock(mutex_);
      ++done_;
      if (progress_) progress_->update(done_, fmt::format("{} steps", steps_));
      tell_done_();
    }
  }

  // Of one thread of several: who fails stops the others.
  void guarded(const std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }
  void rethrow() {
    progress_.reset();
    if (error_) std::rethrow_exception(error_);
  }
  bool is_complete() const { return done_ == std::ssize(*runs_); }
  std::mutex& loading() { return loading_; }
  bool failed() const { return failed_; }

 private:
  const ListedRun* next() {
    if (interrupted() || failed()) return nullptr;
    const std::size_t i = next_++;
    return i < runs_->size() ? &(*runs_)[i] : nullptr;
  }

  void tell(const std::string& line) {
    if (progress_) progress_->message(line);
    else say_line(line);
  }
  void tell_once(const std::string& line) {
    if (told_.insert(line).second) tell(line);
  }

  bool train(TrainingRun& run, const RunFolder& folder, const std::string& name) {
    if (!progress_) return train_shown(run, folder, name);
    std::int64_t counted = run.steps();
    Watcher watcher;
    watcher.step = [&](std::int64_t steps) {
      const std::lock_guard lock(mutex_);
      steps_ += steps - std::exchange(counted, steps);
      progress_->update(done_, fmt::format("{} steps", steps_));
    };
    watcher.incident = [&](const TrainingRun::Incident& incident) { tell(describe(name, incident)); };
    watcher.stop = [&] { return interrupted() || failed(); };
    watcher.notes = [&](const std::string& line) { tell(line); };
    return train_in_folder(run, folder, name, {}, watcher);
  }

  // In a folder of its own, or on with what an interrupted run left there. False if it was stopped.
  bool one(Device& device, const TrainingData& data, const ListedRun& listed) {
    const std::string path = folder_->file(listed.name);
    const bool begun = fs::exists(fs::path(path) / "run.json");
    const RunFolder folder = begun ? RunFolder::resume(path) : RunFolder::create(path, "");
    if (begun && ending_->is_done(folder)) return true;  // by somebody else meanwhile
    const Notes notes = [this](const std::string& line) { tell(line); };
    std::uint64_t seed = listed.seed;
    if (begun) {
      const RunOrigin origin = origin_of(folder);
      compare_devices(origin, device, notes);
      seed = origin.seed;
    } else {
      begin_in_folder(folder, listed.recipe, data, listed.source, listed.split, seed, device, listed.record);
    }
    TrainingRun run(device, data, listed.split, listed.recipe, seed);
    resume_in_folder(run, folder, notes);
    if (begun) note_resumption(run, folder, notes);
    try {
      if (!train(run, folder, listed.name)) return false;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::diverged || !ending_->diverged) throw;
      ending_->diverged(folder, error.what());
      tell(error.what());
      return true;
    }
    ending_->finish(run, folder, notes);
    return true;
  }

  const RunFolder* folder_;
  const std::vector<std::string>* names_;  // of all
  const std::vector<ListedRun>* runs_;     // to do
  const RunEnding* ending_;
  std::function<void()> tell_done_;
  std::optional<Progress> progress_;  // of several at once; one alone has its own
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex loading_, mutex_;  // of data; of what follows
  std::int64_t done_ = 0, steps_ = 0;
  std::exception_ptr error_;
  std::set<std::string> told_;  // while data are loaded
};

// For as many of the jobs as are `needed`. All have their devices before the first computes: OpenBLAS counts
// its threads for all of them.
void train_several(Work& work, const Settings& settings, int jobs, int needed) {
  std::latch opened(needed);
  const Settings own = divided(settings, jobs);
  const auto job = [&] {
    std::unique_ptr<Device> device;
    work.guarded([&] {
      const std::lock_guard lock(work.loading());
      device = open_device(own);
    });
    opened.arrive_and_wait();
    if (!work.failed()) work.guarded([&] { work.go(*device); });
  };
  std::vector<std::jthread> threads;
  work.guarded([&] {
    while (std::ssize(threads) < needed) threads.emplace_back(job);
  });
  opened.count_down(needed - std::ssize(threads));  // for those that could not be started
}

}  // namespace

Settings divided(const Settings& settings, int jobs) {
  Settings own = settings;
  const int all =
      settings.threads > 0 ? settings.threads : static_cast<int>(std::thread::hardware_concurrency());
  own.threads = std::max(1, all / jobs);
  return own;
}

Option* add_list_options(CommandLine& command, ListOptions& options, const std::string& runs) {
  add_part(command, options.part, runs);
  command
      .add_option("--jobs", options.jobs,
                  "runs at once, each with its share of the CPU's threads; for small networks on a GPU, and "
                  "CPUs")
      ->range(1, 256)
      ->capture_default_str();
  return command.add_option("--collect", options.collect,
                            "the table of what is in this folder, whose parts are done");
}

std::unique_ptr<TrainingData> looked_at(Device& device, const std::string& cache, const Recipe& recipe) {
  // What it says while it is opened is said again when it is trained on.
  auto telling = std::make_shared<bool>(false);
  auto data = std::make_unique<TrainingData>(device, cache, recipe, TrainingData::Hold::file,
                                             [telling](const std::string& line) {
                                               if (*telling) say_line(line);
                                             });
  *telling = true;
  return data;
}

void expect_one_data_set(const RunFolder& folder, const std::vector<std::string>& names,
                         const std::optional<std::uint64_t>& digest) {
  std::string all = digest ? fmt::format("{:016x}", *digest) : "", first = "what is there now";
  for (const std::string& name : names) {
    if (!fs::exists(fs::path(folder.file(name)) / "run.json")) continue;
    const std::string its = digest_of_data(RunFolder::open(folder.file(name)));
    if (all.empty()) first = name;
    if (all.empty()) all = its;
    if (!its.empty() && its != all)
      fail(ErrorKind::input,
           "{}: was trained on other data than {} (digest {}, and {}): remove what is old, or choose another "
           "--out",
           folder.file(name), first, its, all);
  }
}

RunList::RunList(RunFolder folder, std::vector<std::string> names, RunEnding ending,
                 const ListOptions& options, std::string command)
    : folder_(std::move(folder)),
      names_(std::move(names)),
      ending_(std::move(ending)),
      options_(options),
      command_(std::move(command)) {}

bool RunList::is_done(const std::string& name) const {
  return fs::exists(fs::path(folder_.file(name)) / "run.json") &&
         ending_.is_done(RunFolder::open(folder_.file(name)));
}

std::vector<std::size_t> RunList::to_do() const {
  const Part part = options_.part.value_or(Part{});
  std::vector<std::size_t> runs;
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (part.has(i) && !is_done(names_[i])) runs.push_back(i);
  return runs;
}

std::vector<std::string> RunList::missing() const {
  std::vector<std::string> missing;
  for (const std::string& name : names_)
    if (!is_done(name)) missing.push_back(name);
  return missing;
}

void RunList::end(const std::string& outcome) const {
  record_end(folder_, outcome, session_file(options_.part));
}

void RunList::train(Device& device, const Settings& settings, const std::vector<ListedRun>& runs) {
  const Part part = options_.part.value_or(Part{});
  std::size_t told = 0;  // of the names, in their order
  const auto tell_done = [&] {
    for (; told < names_.size() && (!part.has(told) || is_done(names_[told])); ++told)
      if (part.has(told) && ending_.done) ending_.done(names_[told]);
  };
  tell_done();
  const auto needed =
      static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(options_.jobs), runs.size()));
  Work work(folder_, names_, runs, ending_, options_.jobs > 1, tell_done);
  if (options_.jobs > 1) train_several(work, settings, options_.jobs, needed);
  else work.go(device);
  work.rethrow();
  if (!work.is_complete()) interrupt();
}

void RunList::interrupt() const {
  end("interrupted");
  const std::string path = folder_.path().string();
  throw Interrupted{options_.part ? fmt::format("saved; the same command goes on, with --out {}", path)
                                  : fmt::format("saved; go on with: melgrad {} --resume {}", command_, path)};
}

void RunList::tell_part(const Settings& settings) const {
  const Part part = *options_.part;
  const std::vector<std::string> left = missing();
  std::vector<std::string> mine;
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (part.has(i)) mine.push_back(names_[i]);
  if (settings.json) {
    print_json(ordered_json{{"part", fmt::format("{}/{}", part.index, part.count)},
                            {"folder", folder_.path().string()},
                            {"runs", mine},
                            {"missing", left}});
    return;
  }
  print("{}: part {} of {} is done, {} runs; {} of all {} are there{}\n", folder_.path().string(), part.index,
        part.count, mine.size(), names_.size() - left.size(), names_.size(),
        left.empty() ? fmt::format(": melgrad {} --collect {}", command_, folder_.path().string()) : "");
}

void add_device(std::string& devices, const RunFolder& run) {
  run.read("run.json", [&](const ordered_json& json) {
    const std::string device = json.value("device_description", std::string("not recorded"));
    if (devices.find(device) == std::string::npos) devices += (devices.empty() ? "" : "; ") + device;
  });
}

void tell_missing(const std::vector<std::string>& missing, const RunFolder& folder, Settings& settings) {
  if (missing.empty()) return;
  constexpr std::size_t kTold = 20;
  std::vector<std::string> told = missing;
  if (told.size() > kTold) {
    told.resize(kTold);
    told.push_back(fmt::format("... {} in all", missing.size()));
  }
  say("{}: missing: {}", folder.path().string(), joined(told));
  settings.exit_code = kExitProblemsFound;
}

}  // namespace melgrad
