// melgrad extract: decode a data set, compute its features once, keep them in a cache.
#include "apps/extract.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/data_set.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "apps/train.h"
#include "engine/feature_extractor.h"
#include "io/arrays/cache.h"
#include "io/audio/audio.h"
#include "io/audio/flaws.h"
#include "io/files/hash.h"
#include "io/files/workers.h"
#include "models/recipes/recipe_use.h"

namespace melgrad {
namespace {

// What the cache says of each track.
std::vector<CacheEntry> entries_of(const DataSet& set) {
  const ClassIndex index(set.classes);
  std::vector<CacheEntry> entries;
  for (const Track& track : set.tracks) {
    std::vector<std::uint8_t> labels(set.classes.size(), 0);
    for (const std::string& label : track.labels) labels[index(label)] = 1;
    entries.push_back({track.name, std::move(labels), track.split, track.columns});
  }
  return entries;
}

Cache cache_head(const DataSet& set, const MelTables& tables, DType dtype) {
  Cache head;
  head.mel = tables.options;
  head.frame_seconds = static_cast<double>(tables.options.hop_length) / tables.options.sample_rate;
  head.dtype = dtype;
  head.bands = tables.bands();
  head.classes = set.classes;
  head.columns = set.columns;
  return head;
}

// What the data set could not use is listed in the cache as well; on stderr only the first.
void take_over_skipped(const DataSet& set, CacheWriter& writer, Progress& progress) {
  constexpr std::size_t kShown = 10;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < set.skipped.size(); ++i) {
    const LeftOut& s = set.skipped[i];
    writer.skip(s.name, s.reason);
    if (!s.kind.empty()) continue;  // told by number when the data set was opened
    if (shown++ < kShown) progress.message(fmt::format("skipped: {}: {}", s.name, s.reason));
  }
  if (shown > kShown) progress.message(fmt::format("skipped: {} more; the cache lists them", shown - kShown));
}

// What cannot be kept costs the next run time, and this one nothing.
void keep_in(const FeatureStore& store, const std::string& cache, const Device& device, Progress& progress) {
  try {
    store.keep(cache, device.name());
  } catch (const Error& e) {
    progress.message(fmt::format("the features are not kept for the next run: {}", e.what()));
  }
}

struct ExtractArguments {
  DataSetRequest data;
  std::string recipe = "dong2018", preset, out = "features.h5", dtype = "f32";
  std::vector<std::string> set;
};

void run_extract(const Settings& settings, const ExtractArguments& args, int& exit_code) {
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
  const DataSet set = open_data_set(args.data, settings);
  const DType dtype = args.dtype == "f16" ? DType::f16 : DType::f32;
  const ExtractResult r = extract(set, recipe.features, dtype, *device, settings.threads, args.out);
  if (settings.json) {
    const nlohmann::ordered_json out = {{"cache", args.out},
                                        {"items", r.items},
                                        {"resumed", r.resumed},
                                        {"skipped", r.skipped},
                                        {"not_read", not_read_json(set.skipped)},
                                        {"seconds", r.wall_seconds},
                                        {"audio_seconds", r.audio_seconds},
                                        {"interrupted", r.interrupted},
                                        {"notes", notes}};
    print_json(out);
  } else if (r.interrupted) {
    print("interrupted; the same command goes on where it stopped\n");
  } else {
    print(
        "{}: {} tracks ({} were done before, {} skipped), {:.0f} s of audio in {:.1f} s: {:.0f} x real "
        "time\n",
        args.out, r.items, r.resumed, r.skipped, r.audio_seconds, r.wall_seconds,
        r.audio_seconds / r.wall_seconds);
  }
  exit_code = r.interrupted ? kExitInterrupted : r.skipped > 0 ? kExitProblemsFound : 0;
}

}  // namespace

std::vector<std::string> tell_of_features(const MelOptions& mel) {
  const std::string note = mel.preset == "imported" ? "" : note_on_filters(MelTables(mel));
  if (note.empty()) return {};
  say("{}", note);
  return {note};
}

ExtractResult extract(const DataSet& set, const MelOptions& mel, DType dtype, Device& device, int threads,
                      const std::string& out, const FeatureStore* store) {
  const auto start = std::chrono::steady_clock::now();
  validate(mel);
  expect_files(set);
  FeatureExtractor features(device, mel);
  const Cache head = cache_head(set, features.tables(), dtype);
  CacheWriter writer(out, head);
  if (store != nullptr) {
    for (const std::string& kept : store->made_like(head, device.name())) writer.lend(kept);
  }
  Progress progress("extract", static_cast<std::int64_t>(set.tracks.size()), "files");
  std::mutex totals_mutex;
  ExtractResult result;
  std::int64_t done = 0;
  take_over_skipped(set, writer, progress);
  result.skipped = static_cast<std::int64_t>(set.skipped.size());

  const auto work = [&](std::size_t index) {
    const Track& track = set.tracks[index];
    const std::uint64_t file = xxh3_of_file(track.path);
    double seconds = 0;
    std::optional<CacheSource> source;
    bool known = false;
    std::string reason;
    try {
      source = writer.find(track.name, file,
                           features.tables().frames(std::llround(track.min_seconds * mel.sample_rate)));
      known = source.has_value();
      if (!known) {
        const Audio audio = read_audio(track.path, mel.sample_rate, {.mix = mel.mix, .ffmpeg = set.ffmpeg});
        seconds = audio.seconds();
        if (seconds < track.min_seconds) {
          fail(ErrorKind::input, "{}: {:.2f} s could be decoded of at least {:g} s; the file is damaged",
               track.path.string(), seconds, track.min_seconds);
        }
        for (const Flaw& flaw : flaws_of(audio))
          if (holds_nothing(flaw.problem))
            fail(ErrorKind::input, "{}: {}", track.path.string(), text_of(flaw));
        source = {file, content_digest(audio), fmt::format("{}", fmt::join(notes_of(audio), "; "))};
        const std::vector<float> values = features(audio.samples);
        const auto rows = static_cast<std::int64_t>(values.size()) / features.tables().bands();
        if (rows == 0)
          fail(ErrorKind::input, "{}: too short for one frame ({:.3f} s){}", track.path.string(), seconds,
               source->findings.empty() ? "" : "; " + source->findings);
        writer.add(track.name, *source, rows, values);
      }
      if (!source->findings.empty())
        progress.message(fmt::format("{}: {}", track.path.string(), source->findings));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      reason = e.what();
      writer.skip(track.name, reason);
    }
    const std::lock_guard lock(totals_mutex);
    result.audio_seconds += seconds;
    result.resumed += known ? 1 : 0;
    if (!reason.empty()) {
      ++result.skipped;
      progress.message("skipped: " + reason);
    }
    progress.update(++done);
  };
  parallel_for_each(set.tracks.size(), threads, work, interrupted);

  result.interrupted = interrupted() && done < static_cast<std::int64_t>(set.tracks.size());
  if (!result.interrupted) {
    result.items = writer.finish(entries_of(set));
    if (store != nullptr) keep_in(*store, out, device, progress);
  }
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

void add_no_cache(CLI::App& command, Settings& settings) {
  command.add_flag("!--no-cache", settings.keep_features,
                   "compute all features of a folder; take none from ~/.cache/melgrad and leave none there");
}

std::optional<FeatureStore> feature_store(const Settings& settings) {
  return settings.keep_features ? FeatureStore::of_user() : std::nullopt;
}

void register_extract(CLI::App& root, Settings& settings) {
  auto* command = root.add_subcommand("extract", "decode a data set and keep its features in a cache");
  auto args = std::make_shared<ExtractArguments>();
  add_data_set_options(*command, args->data);
  command->add_option(
      "--group", args->data.group,
      "column of a manifest to take along for train --group, besides fold, group, artist, album");
  command->add_option("--out", args->out, "the cache to write")->capture_default_str();
  command->add_option("--recipe", args->recipe, "whose features to compute")->capture_default_str();
  command->add_option("--preset", args->preset,
                      "named features instead: " + fmt::format("{}", fmt::join(mel_preset_names(), ", ")));
  command->add_option("--set", args->set, "features.key=value, any number of times")->allow_extra_args(false);
  add_mix(*command, [args](const std::string& mix) { args->set.push_back("features.mix=" + mix); });
  command->add_option("--dtype", args->dtype, "how values are stored")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  command->callback([args, &settings] { run_extract(settings, *args, settings.exit_code); });
}

}  // namespace melgrad
