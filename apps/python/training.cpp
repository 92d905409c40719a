#include "apps/python/training.h"

#include <nanobind/stl/function.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "apps/python/attended.h"
#include "io/datasets/open_data_set.h"
#include "io/files/json.h"
#include "models/runs/metrics_log.h"
#include "models/runs/run_opening.h"
#include "models/runs/run_training.h"
#include "models/training/extraction.h"

namespace melgrad {
namespace {

struct Asked : RunRequest {
  std::string out, resume;  // a new run, in runs/ where `out` is empty, or one to go on with
  std::string device = "auto", precision = "f32";
  int threads = 0;
  SaveOptions saving;
  bool test = true;
};

// Where a training stopped before there was anything to go on from.
struct Stopped : std::runtime_error {
  Stopped() : std::runtime_error("stopped before the first step") {}
};

class Training {
 public:
  // `row` hears of every epoch, as JSON, `line` what the program says beside it, and whether that is of data
  // that are left out.
  Training(Asked asked, std::function<void(const std::string&)> row,
           std::function<void(const nb::bytes&, bool)> line)
      : asked_(std::move(asked)), row_(std::move(row)), line_(std::move(line)) {}

  // Throws what stopped it, once everything is saved.
  void run() {
    if (asked_.threads != 1) Threads::expect();
    attended_.run([&] { train(); });
  }
  std::string folder() const { return folder_; }
  std::int64_t saved_step() const { return saved_step_; }  // of a training that was stopped; 0: none

 private:
  void train() {
    DeviceOptions options{.threads = asked_.threads};
    options.precision = precision_of(asked_.precision);
    const auto device = make_device(asked_.device, options);
    const Notes notes = [&](const std::string& line) { tell(line, false); };
    const OpenedRun opened = asked_.resume.empty() ? open_new(*device, notes)
                                                   : open_begun_run(asked_, asked_.resume, *device, notes);
    folder_ = opened.folder.path().string();
    const TrainingData data(*device, opened.cache, opened.recipe, asked_.hold, notes);
    TrainingRun run(*device, data, opened.split(data, asked_, notes), opened.recipe, asked_.seed);
    opened.start(run, asked_, *device, notes);
    Watcher watcher;
    watcher.epoch = [&](const TrainingRun::Epoch& epoch) {
      nlohmann::ordered_json row = {{"epoch", epoch.epoch}, {"step", epoch.step}};
      for (const auto& [name, value] : figures_of(epoch)) row[name] = value;
      attended_.call([&] { row_(json_text(row)); });
    };
    watcher.stop = [&] { return attended_.stops(); };
    watcher.notes = notes;
    if (!train_in_folder(run, opened.folder, opened.recipe.name, asked_.saving, watcher))
      saved_step_ = run.steps();
    else if (asked_.test && !run.split().test.empty()) test_in_folder(run, opened.folder);
  }

  OpenedRun open_new(Device& device, const Notes& notes) {
    DataSetOptions options;
    options.classes_are_folders = asked_.classes_are_folders;
    options.group = asked_.group;
    options.stop = [&] { expect_wanted(); };
    std::optional<DataSet> sound;
    if (names_sound(asked_.data)) {
      sound = open_data_set(asked_.data, options);
      for (const std::string& line : sound->notes) notes(line);
      if (const std::string unread = not_read(sound->skipped); !unread.empty()) tell(unread, true);
    }

    const auto extract_to = [&](const std::string& cache, const DataSet& set, const MelOptions& mel) {
      extract_all(cache, set, mel, device, notes);
    };
    return open_new_run(asked_, asked_.out, sound ? &*sound : nullptr, extract_to, notes);
  }

  void extract_all(const std::string& cache, const DataSet& set, const MelOptions& mel, Device& device,
                   const Notes& notes) {
    const auto store = FeatureStore::of_user();
    ExtractWatcher watcher;
    watcher.notes = notes;
    watcher.stop = [&] { return attended_.stops(); };
    const ExtractResult result =
        extract(set, mel, DType::f32, device, asked_.threads, cache, store ? &*store : nullptr, watcher);
    if (result.interrupted) expect_wanted();
    if (result.skipped > 0)
      tell(fmt::format("{}: {} of {} files are left out, which cannot be used", asked_.data, result.skipped,
                       result.items + result.skipped),
           true);
  }
  // `left_out`: that not all of the data is trained on.
  void tell(const std::string& line, bool left_out) {
    attended_.call([&] { line_(nb::bytes(line.data(), line.size()), left_out); });
  }
  void expect_wanted() const {
    if (attended_.stops()) throw Stopped{};
  }

  Asked asked_;
  std::function<void(const std::string&)> row_;
  std::function<void(const nb::bytes&, bool)> line_;  // of any bytes, as it may name a file
  Attended attended_;
  std::string folder_;
  std::int64_t saved_step_ = 0;
};

// A field that is a path, whose bytes are as they are.
void add_path(nb::class_<Asked>& asked, const char* name, std::string Asked::*path) {
  asked.def_prop_rw(
      name, [path](const Asked& self) { return nb::bytes((self.*path).data(), (self.*path).size()); },
      [path](Asked& self, const nb::bytes& bytes) { (self.*path).assign(bytes.c_str(), bytes.size()); });
}

}  // namespace

void add_training(nb::module_& module) {
  using namespace nb::literals;
  auto asked = nb::class_<Asked>(module, "TrainingRequest");
  asked.def(nb::init<>())
      .def_rw("set", &Asked::set)
      .def_rw("seed", &Asked::seed)
      .def_rw("split", &Asked::split)
      .def_rw("random_split", &Asked::random_split)
      .def_rw("fold", &Asked::fold)
      .def_rw("group", &Asked::group)
      .def_rw("classes_are_folders", &Asked::classes_are_folders)
      .def_rw("device", &Asked::device)
      .def_rw("precision", &Asked::precision)
      .def_rw("threads", &Asked::threads)
      .def_rw("test", &Asked::test)
      .def_prop_rw(
          "save_every", [](const Asked& self) { return self.saving.every; },
          [](Asked& self, double seconds) { self.saving.every = seconds; });
  add_path(asked, "data", &Asked::data);
  add_path(asked, "recipe", &Asked::recipe);
  add_path(asked, "split_lists", &Asked::split_lists);
  add_path(asked, "start", &Asked::from);
  add_path(asked, "out", &Asked::out);
  add_path(asked, "resume", &Asked::resume);
  nb::class_<Training>(module, "Training")
      .def(nb::init<Asked, std::function<void(const std::string&)>,
                    std::function<void(const nb::bytes&, bool)>>(),
           "request"_a, "row"_a, "line"_a)
      .def("run", &Training::run, nb::call_guard<AtWork>())
      .def_prop_ro("folder",
                   [](const Training& self) { return nb::bytes(self.folder().data(), self.folder().size()); })
      .def_prop_ro("saved_step", &Training::saved_step);
}

}  // namespace melgrad
