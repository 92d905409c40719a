// melgrad report: the pictures of one or many runs on one page.
#include <algorithm>
#include <filesystem>

#include "apps/report/analysis.h"
#include "apps/report/collection.h"
#include "apps/report/runs.h"
#include "apps/report/sections.h"
#include "apps/report/spaces.h"
#include "apps/report/track.h"
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/training/train.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

struct Extras {
  bool spaces = false;
  std::string track, by;
};

bool is_embeddings(const std::string& path) { return path.ends_with(".h5") || path.ends_with(".npy"); }

void report(Settings& settings, const std::vector<std::string>& paths, const std::string& out,
            const Extras& extras) {
  std::vector<ReportRun> runs;
  std::vector<SweepTable> sweeps;
  std::vector<Analysis> analyses;
  std::vector<EmbeddingTable> collections;
  std::vector<std::string> problems;
  for (const std::string& path : paths) {
    if (std::filesystem::is_regular_file(path)) {
      if (is_embeddings(path)) collections.push_back(read_embeddings(path));
      else analyses.push_back(read_analysis(path));
      continue;
    }
    try {
      if (is_sweep(path)) sweeps.push_back(read_sweep(RunFolder::open(path)));
      for (ReportRun& run : read_runs(path, problems)) runs.push_back(std::move(run));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      problems.push_back(fmt::format("left out: {}", e.what()));
    }
  }
  if (runs.empty() && analyses.empty() && collections.empty()) fail(ErrorKind::input, "{}", problems[0]);
  if (!extras.by.empty() && collections.empty())
    fail(ErrorKind::usage, "--by {}: plays no part: there are no embeddings here", extras.by);
  keep_comparable(runs);
  const std::vector<RunGroup> groups = group_runs(runs);
  Page page(groups.empty()       ? analyses.empty() ? "Report: a collection" : "Report: a data set"
            : groups.size() == 1 ? "Report: " + groups[0].label
                                 : fmt::format("Report: {} runs of {} recipes", runs.size(), groups.size()));
  if (!groups.empty()) {
    add_overview(page, groups);
    add_sweeps(page, sweeps);
    add_genre_results(page, groups);
    add_tag_results(page, groups);
    add_comparisons(page, groups);
    add_learning_curves(page, groups);
    add_recipe_differences(page, groups);
    add_filters(page, groups, problems);
  }
  add_analyses(page, analyses, problems);
  for (std::size_t i = 0; i < collections.size(); ++i)
    add_collection(page, collections[i], extras.by, i == 0 ? "map" : fmt::format("map-{}", i + 1));
  const auto device = extras.spaces || !extras.track.empty() ? open_device(settings) : nullptr;
  if (extras.spaces) add_spaces(page, groups, *device, problems);
  if (!extras.track.empty()) {
    const auto hears = [](const RunGroup& g) {
      return g.runs[0]->recipe.at("features.preset") != "imported";
    };
    const auto group = std::find_if(groups.begin(), groups.end(), hears);
    if (group == groups.end())
      fail(ErrorKind::usage,
           "--track: no run here is of audio (imported features cannot be computed from it)");
    add_track(page, *group, *device, extras.track);
  }
  add_origins(page, runs);
  add_notes(page, runs);
  for (const std::string& undrawn : page.write(out)) problems.push_back(undrawn);
  if (!problems.empty()) settings.exit_code = kExitProblemsFound;
  for (const ReportRun& run : runs)
    for (const std::string& note : run.notes) problems.push_back(fmt::format("{}: {}", run.path, note));
  for (const std::string& problem : problems) say("{}", problem);
  if (settings.json) {
    const nlohmann::ordered_json json = {{"report", out},
                                         {"runs", runs.size()},
                                         {"analyses", analyses.size()},
                                         {"collections", collections.size()},
                                         {"notes", problems}};
    print_json(json);
  } else {
    print("report: {}\n", out);
  }
}

}  // namespace

void register_report(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("report", "the pictures of one or many runs on one page");
  auto runs = std::make_shared<std::vector<std::string>>();
  auto out = std::make_shared<std::string>("report.html");
  command
      ->add_option(
          "runs", *runs,
          "folders of runs, of reproductions or of sweeps, what analyze --out wrote, and what embed wrote")
      ->required();
  command->add_option("-o,--out", *out, "the page; its figures go beside it")->capture_default_str();
  auto extras = std::make_shared<Extras>();
  command->add_flag(
      "--spaces", extras->spaces,
      "also Fisher's discriminants of raw segments and last layer, from the runs' caches; takes a while");
  command->add_option("--by", extras->by,
                      "of embeddings: what colours their map, a tag or a column (else the classes)");
  command->add_option("--track", extras->track,
                      "also this audio file, as the first network for audio hears it");
  command->callback([=, &settings] { report(settings, *runs, *out, *extras); });
}

}  // namespace melgrad
