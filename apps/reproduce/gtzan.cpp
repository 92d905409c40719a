// melgrad reproduce gtzan: any recipes on GTZAN, by the protocols that are found in print, in one table: what
// a figure owes to repeats and faults stands beside it.
#include "apps/reproduce/reproduce.h"
#include "apps/training/experiment_request.h"
#include "apps/training/experiment_table.h"
#include "kernels/error.h"

namespace melgrad {

void register_reproduce_gtzan(CommandLine& reproduce, Settings& settings) {
  auto* command = reproduce.add_subcommand(
      "gtzan", "recipes side by side on GTZAN, by random splits, without repeats, fault-filtered, in folds");
  auto request = std::make_shared<ExperimentRequest>();
  command->add_option("--data", request->data.path,
                      "GTZAN's folder, or another data set of genres (as for train), or a cache of it");
  command
      ->add_option(
          "--protocol", request->protocols,
          "dong: random stratified halves to train, 30 % to test, repeats on both sides; repeat-free: "
          "the same, repeats and groups on one side; fault-filtered: the three lists; folds: "
          "cross-validation. Default: all that the data allow")
      ->delimiter(',')
      ->is_member({"dong", "repeat-free", "fault-filtered", "folds"});
  request->splits_flag = command->add_option("--splits", request->splits, "number of random splits")
                             ->range(1, 100000)
                             ->capture_default_str();
  command->add_option("--split-lists", request->split_lists,
                      "folder with the fault-filtered split's three lists (else beside the genres)");
  add_experiment_options(*command, *request, settings, "runs/reproduce-gtzan-<time>");
  command->callback([=, &settings] {
    const ListOptions& list = request->list;
    if (request->data.path.empty() && list.resume.empty() && list.collect.empty())
      fail(ErrorKind::usage, "reproduce gtzan: name the data with --data, or --resume FOLDER");
    conduct(
        {"reproduce gtzan", "reproduce-gtzan",
         [&] { return planned_experiment(*request, "--data", settings); },
         [](const Experiment& experiment) { return as_json(experiment); }, read_experiment, tell_experiment},
        list, settings);
  });
}

}  // namespace melgrad
