// melgrad synth: writes a small made-up data set in GTZAN's layout, genres/<style>/<style>.00000.wav.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli.h"
#include "apps/interrupt.h"
#include "apps/progress.h"
#include "apps/synth_music.h"
#include "io/audio.h"
#include "io/workers.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct SynthOptions {
  fs::path out;
  std::size_t classes = 4;
  std::size_t tracks_per_class = 20;
  double seconds = 10;
  int sample_rate = 0;  // Hz; 0 = 22050, or 24000 for Opus
  std::string format = "wav";
  std::uint64_t seed = 1;
};

void require_empty(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !(fs::is_directory(folder, error) && fs::is_empty(folder, error))) {
    fail(ErrorKind::output, "{}: exists and is not an empty folder; choose another or empty it",
         folder.string());
  }
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::output, "{}: {}; choose another folder", folder.string(), error.message());
}

// Neighbouring (seed, style, track) become unrelated seeds (the mixing function of SplitMix64).
std::uint64_t track_seed(std::uint64_t seed, std::uint64_t style, std::uint64_t track) {
  std::uint64_t x = seed;
  for (const std::uint64_t part : {style, track}) {
    x += 0x9E3779B97F4A7C15U * (part + 1);
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    x ^= x >> 31;
  }
  return x;
}

void synth(SynthOptions options, Settings& settings) {
  const AudioFormat format = audio_format(options.format);
  if (options.sample_rate == 0) options.sample_rate = format == AudioFormat::opus ? 24000 : 22050;
  check_sample_rate(format, options.sample_rate);
  const std::vector<std::string> styles = synth_styles();
  const std::size_t total = options.classes * options.tracks_per_class;
  require_empty(options.out);
  for (std::size_t s = 0; s < options.classes; ++s) make_folder(options.out / "genres" / styles[s]);

  std::atomic<std::size_t> written = 0;
  {
    Progress progress("synth", static_cast<std::int64_t>(total), "tracks");
    const auto work = [&](std::size_t i) {
      const std::size_t s = i / options.tracks_per_class, t = i % options.tracks_per_class;
      const auto samples =
          synth_track(s, track_seed(options.seed, s, t), options.seconds, options.sample_rate);
      const fs::path folder = options.out / "genres" / styles[s];
      write_audio(folder / fmt::format("{}.{:05}.{}", styles[s], t, options.format), samples,
                  options.sample_rate, format);
      progress.update(static_cast<std::int64_t>(++written));
    };
    parallel_for_each(total, settings.threads, work, interrupted);
  }
  if (written < total) {
    settings.exit_code = kExitInterrupted;
    fmt::print(stderr, "melgrad: stopped after {} of {} tracks; delete {} and start again\n", written.load(),
               total, options.out.string());
  } else if (settings.json) {
    const nlohmann::json out = {
        {"folder", options.out.string()},
        {"tracks", total},
        {"seed", options.seed},
        {"classes",
         std::vector(styles.begin(), styles.begin() + static_cast<std::ptrdiff_t>(options.classes))}};
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}: {} tracks of {:g} s in {} classes\n", options.out.string(), total, options.seconds,
               options.classes);
  }
}

}  // namespace

void register_synth(CLI::App& root, Settings& settings) {
  auto* command = root.add_subcommand("synth", "make a small data set of generated music");
  const auto o = std::make_shared<SynthOptions>();
  command->add_option("--out", o->out, "folder to make")->required();
  command->add_option("--classes", o->classes, "styles of music")
      ->check(CLI::Range(std::size_t{2}, synth_styles().size()))
      ->capture_default_str();
  command->add_option("--tracks-per-class", o->tracks_per_class, "tracks of each style")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--seconds", o->seconds, "length of a track")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--sample-rate", o->sample_rate, "Hz (default 22050; for opus 24000)")
      ->check(CLI::Range(8000, 192000));
  command->add_option("--format", o->format, "wav, au, aiff, flac, ogg, opus or mp3")->capture_default_str();
  command->add_option("--seed", o->seed, "the same seed gives the same files")->capture_default_str();
  command->callback([o, &settings] { synth(*o, settings); });
}

}  // namespace melgrad
