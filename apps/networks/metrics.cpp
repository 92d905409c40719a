// melgrad metrics: how good anyone's predictions of tags are, with intervals and beside what predicting
// nothing scores.
#include <nlohmann/json.hpp>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/result_text.h"
#include "models/metrics/score_table.h"

namespace melgrad {
namespace {

struct MetricsArgs {
  std::string truth, scores, tags;
  TagMetricsOptions options;
};

void metrics(const MetricsArgs& args, const Settings& settings) {
  const std::vector<std::string> tags =
      args.tags.empty() ? std::vector<std::string>() : read_names(args.tags);
  TagMetricsOptions options = args.options;
  options.threads = settings.threads;
  const TagMetrics found =
      tag_metrics(scores_beside(read_score_table(args.truth), read_score_table(args.scores), tags), options);
  if (settings.json) print_json(as_json(found));
  else print("{}", Lines{as_table(found)});
}

}  // namespace

void register_metrics(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("metrics", "how good anyone's predictions of tags are");
  auto args = std::make_shared<MetricsArgs>();
  command->add_option("--truth", args->truth, "0 or 1 for each track and tag: CSV, or .npy [tracks, tags]")
      ->required();
  command->add_option("--scores", args->scores, "the predictions, higher for likelier: CSV, or .npy")
      ->required();
  command->add_option("--tags", args->tags,
                      "names of the tags where the tables have none: a text file, one a line, or .npy");
  command->add_option("--threshold", args->options.threshold, "a tag is predicted from this score on")
      ->capture_default_str();
  command
      ->add_option("--resamples", args->options.resamples, "of the bootstrap behind the intervals; 0: none")
      ->range(0, 1000000)
      ->capture_default_str();
  command->add_option("--seed", args->options.seed, "of the bootstrap")->capture_default_str();
  command->callback([args, &settings] { metrics(*args, settings); });
}

}  // namespace melgrad
