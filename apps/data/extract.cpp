// melgrad extract: decode a data set, compute its features once, keep them in a cache.
#include "apps/data/extract.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/data/data_set.h"
#include "apps/processes/part.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/files/atomic_file.h"
#include "models/recipes/recipe_use.h"
#include "models/runs/run_opening.h"

namespace melgrad {
namespace {

struct ExtractArguments {
  DataSetRequest data;
  std::string recipe = "dong2018", preset, out = "features.h5", dtype = "f32";
  std::vector<std::string> set;
  std::optional<Part> part;
};

void run_extract(const Settings& settings, const ExtractArguments& args, int& exit_code) {
  expect_part(args.part);
  Recipe recipe = load_recipe(args.recipe);
  if (!args.preset.empty()) recipe.features = mel_preset(args.preset);
  for (const std::string& key : keys_of(args.set)) {
    if (!key.starts_with("features."))
      fail(ErrorKind::usage, "--set {}: plays no part in extract, which takes features.key=value", key);
  }
  for (const std::string& note : set_recipe_fields(recipe, args.set)) say("{}", note);
  expect_use({recipe}, args.set);
  const auto device = open_device(settings);
  const std::vector<std::string> notes = tell_of_features(recipe.features);
  DataSet set = open_data_set(args.data, settings);
  std::string out = args.out;
  if (args.part) {
    expect_files(set);
    keep_part(set, *args.part);
    expect_replaceable(args.out);
    out = part_path(args.out, *args.part);
  }
  const DType dtype = args.dtype == "f16" ? DType::f16 : DType::f32;
  const ExtractResult r = extract_shown(set, recipe.features, dtype, *device, settings.threads, out);
  if (settings.json) {
    const nlohmann::ordered_json result = {{"cache", out},
                                           {"items", r.items},
                                           {"resumed", r.resumed},
                                           {"skipped", r.skipped},
                                           {"not_read", not_read_json(set.skipped)},
                                           {"seconds", r.wall_seconds},
                                           {"audio_seconds", r.audio_seconds},
                                           {"interrupted", r.interrupted},
                                           {"notes", notes}};
    print_json(result);
  } else if (r.interrupted) {
    print("interrupted; the same command goes on where it stopped\n");
  } else {
    print(
        "{}: {} tracks ({} were done before, {} skipped), {:.0f} s of audio in {:.1f} s: {:.0f} x real "
        "time\n",
        out, r.items, r.resumed, r.skipped, r.audio_seconds, r.wall_seconds,
        r.audio_seconds / r.wall_seconds);
  }
  exit_code = r.interrupted ? kExitInterrupted : r.skipped > 0 ? kExitProblemsFound : 0;
}

}  // namespace

std::vector<std::string> tell_of_features(const MelOptions& mel) {
  const std::string note = note_on_features(mel);
  if (note.empty()) return {};
  say("{}", note);
  return {note};
}

ExtractResult extract_shown(const DataSet& set, const MelOptions& mel, DType dtype, Device& device,
                            int threads, const std::string& out, const FeatureStore* store) {
  Progress progress("extract", std::ssize(set.tracks), "files");
  return extract(set, mel, dtype, device, threads, out, store,
                 {[&](std::int64_t files) { progress.update(files); },
                  [&](const std::string& line) { progress.message(line); }, interrupted});
}

void add_no_cache(CommandLine& command, Settings& settings) {
  command.add_flag("!--no-cache", settings.keep_features,
                   "compute all features of a folder; take none from ~/.cache/melgrad and leave none there");
}

std::optional<FeatureStore> feature_store(const Settings& settings) {
  return settings.keep_features ? FeatureStore::of_user() : std::nullopt;
}

void register_extract(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("extract", "decode a data set and keep its features in a cache");
  auto args = std::make_shared<ExtractArguments>();
  add_data_set_options(*command, args->data);
  command->add_option(
      "--group", args->data.group,
      "column of a manifest to take along for train --group, besides fold, group, artist, album");
  add_columns(*command, args->data.columns);
  command->add_option("--out", args->out, "the cache to write")->capture_default_str();
  command->add_option("--recipe", args->recipe, "whose features to compute")->capture_default_str();
  command->add_option("--preset", args->preset,
                      "named features instead: " + fmt::format("{}", fmt::join(mel_preset_names(), ", ")));
  command->add_option("--set", args->set, "features.key=value, any number of times")->allow_extra_args(false);
  add_mix(*command, [args](const std::string& mix) { args->set.push_back("features.mix=" + mix); });
  command->add_option("--dtype", args->dtype, "how values are stored")
      ->is_member({"f32", "f16"})
      ->capture_default_str();
  add_part(*command, args->part, "files, into a file of its own (melgrad merge)");
  command->callback([args, &settings] { run_extract(settings, *args, settings.exit_code); });
}

}  // namespace melgrad
