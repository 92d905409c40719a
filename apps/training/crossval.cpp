// melgrad crossval: k-fold cross-validation of recipes on any data set: every track is tested once.
#include "apps/commands.h"
#include "apps/training/experiment_request.h"
#include "apps/training/experiment_table.h"
#include "kernels/error.h"

namespace melgrad {

void register_crossval(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand(
      "crossval", "train and test a recipe on each fold of a data set; one table over all tracks");
  auto request = std::make_shared<ExperimentRequest>();
  request->protocols = {name_of(Protocol::folds)};
  request->folds = 5;
  add_data(*command, request->data.path,
           std::string("a cache (.h5, from melgrad extract), or a ") + kDataHelp);
  add_experiment_options(*command, *request, settings, "runs/crossval-<recipe>-<time>");
  command->callback([=, &settings] {
    const ListOptions& list = request->list;
    if (request->data.path.empty() && list.resume.empty() && list.collect.empty())
      fail(ErrorKind::usage, "crossval: name the data, or --resume FOLDER");
    conduct(
        {"crossval", "crossval-", [&] { return planned_experiment(*request, "data", settings); },
         [](const Experiment& experiment) { return as_json(experiment); }, read_experiment, tell_experiment},
        list, settings);
  });
}

}  // namespace melgrad
