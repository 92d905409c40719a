// Many runs in one folder, each in a folder of its own below it: the splits of an experiment, the points of a
// sweep. They are trained one after another, several at once on threads of one process (--jobs), or by
// several processes that know nothing of each other and share the folder and the work (--part). What is
// finished is taken over, what was begun is gone on with: a part is started again by its own command.
//   run.json          what was asked for; of a list without parts its sessions too
//   recipe.toml       the recipe, where all runs have the same or begin with it; of several
//   recipe-<name>.toml part-I-of-N.json  the sessions of who does part I: each file has one writer
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/data_set.h"
#include "apps/processes/part.h"
#include "models/runs/run_folder.h"
#include "models/training/run.h"

namespace melgrad {

struct ListOptions {
  std::string out, resume, collect;  // folders
  std::optional<Part> part;
  int jobs = 1;
};

// --part, --jobs, --collect, which is returned; `runs` are what the parts are of.
Option* add_list_options(CommandLine& command, ListOptions& options, const std::string& runs);

// The share of the CPU's threads that each of `jobs` has, however many runs are left: the bits depend on it.
Settings divided(const Settings& settings, int jobs);

// Where the sessions of who does this part are, or of the whole.
std::string session_file(const std::optional<Part>& part);

// The data of a list are read again when it goes on: Error (input) where there are none, (usage) for standard
// input. `option` names them.
void expect_data(const std::string& option, const std::string& data);

// The list's folder: --resume's, a new one, or of a part one that another may have begun, if the same was
// asked for there. A new one gets run.json with what was `asked`, and the `recipes`, each by the name of its
// file. Throws Error (usage) naming what was asked for otherwise.
RunFolder open_list(const ListOptions& options, const std::string& name, const nlohmann::ordered_json& asked,
                    const std::map<std::string, Recipe>& recipes = {});

// The features that a list trains on: `data` if that is a cache; else those of its `audio`, features.h5 in
// the list's folder (of recipe-x.toml features-x.h5), which are extracted, or of parts must be there, as
// nobody waits for another: Error (usage) with the command that makes them. `file` is the recipe's there.
std::string features_of_list(const RunFolder& folder, const DataSetRequest& data, const Recipe& recipe,
                             const std::string& file, const std::optional<Part>& part, Device& device,
                             Settings& settings);

// A cache for what is to be known before anything is trained: its classes and splits. Notes of these are
// told.
std::unique_ptr<TrainingData> looked_at(Device& device, const std::string& cache, const Recipe& recipe);

// All that were begun, and what is to be trained now if its digest is given, are of the same data. Throws
// Error (input) naming two that are not.
void expect_one_data_set(const RunFolder& folder, const std::vector<std::string>& names,
                         const std::optional<std::uint64_t>& digest = {});

struct ListedRun {
  std::string name;  // of its folder
  Recipe recipe;
  std::uint64_t seed = 0;
  std::string source, cache;  // the data set as the user named it, its features
  Split split;
  nlohmann::ordered_json record = nlohmann::ordered_json::object();  // what run.json says besides
};

// What the runs of a list come to.
struct RunEnding {
  std::function<bool(const RunFolder&)> is_done;
  // Behind the training; of several jobs at once for several runs.
  std::function<void(TrainingRun&, const RunFolder&, const Notes&)> finish;
  // One has diverged; empty: that ends the list.
  std::function<void(const RunFolder&, const std::string& why)> diverged = {};
  bool one_data_set = true;  // of all runs
  // All of this process's, in the list's order, as soon as those before are done too.
  std::function<void(const std::string& name)> done = {};
};

class RunList {
 public:
  // `command` is that of the user, for what to do next: "reproduce dong2018". Runs are told apart by `names`.
  RunList(RunFolder folder, std::vector<std::string> names, RunEnding ending, const ListOptions& options,
          std::string command);

  // Of this process's part: not done yet.
  std::vector<std::size_t> to_do() const;
  // Of all.
  std::vector<std::string> missing() const;

  // Trains what is to do, on `device` or, of several at once, each job on one of its own, with its share of
  // the CPU's threads and the features once more. Throws Interrupted when all is saved, or what the first
  // run that failed throws.
  void train(Device& device, const Settings& settings, const std::vector<ListedRun>& runs);

  // The end of a part, on the screen: how much of the whole is there.
  void tell_part(const Settings& settings) const;
  // How the session has ended, in its file.
  void end(const std::string& outcome) const;
  // The same of one that was interrupted; throws Interrupted.
  [[noreturn]] void interrupt() const;

 private:
  bool is_done(const std::string& name) const;

  RunFolder folder_;
  std::vector<std::string> names_;
  RunEnding ending_;
  ListOptions options_;
  std::string command_;
};

// Adds what the run was trained on to `devices`, if that is another than those before.
void add_device(std::string& devices, const RunFolder& run);

// For a table that was collected: lists what is missing, for which there is an exit code.
void tell_missing(const std::vector<std::string>& missing, const RunFolder& folder, Settings& settings);

}  // namespace melgrad
