// melgrad synth: writes a small made-up data set in GTZAN's layout, genres/<style>/<style>.00000.wav, or in
// MagnaTagATune's, with its tables and folders of MP3 clips.
#include <atomic>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/synth/music.h"
#include "apps/synth/tags.h"
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/audio/audio.h"
#include "io/files/atomic_file.h"
#include "io/files/workers.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct SynthOptions {
  fs::path out;
  std::string layout = "gtzan";
  std::size_t clips = 160;
  std::size_t classes = 4;
  std::size_t tracks_per_class = 20;
  double seconds = 0;   // 0 = 10, or 29.12 in MagnaTagATune's layout
  int sample_rate = 0;  // Hz; 0 = 22050, or 24000 for Opus, or 16000 in MagnaTagATune's layout
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

// Makes `total` files on all cores; false if it was interrupted.
bool make_files(std::size_t total, const SynthOptions& options, Settings& settings,
                const std::function<void(std::size_t)>& make) {
  std::atomic<std::size_t> written = 0;
  {
    Progress progress("synth", static_cast<std::int64_t>(total), "tracks");
    const auto work = [&](std::size_t i) {
      make(i);
      progress.update(static_cast<std::int64_t>(++written));
    };
    parallel_for_each(total, settings.threads, work, interrupted);
  }
  if (written == total) return true;
  settings.exit_code = kExitInterrupted;
  say("melgrad: stopped after {} of {} tracks; delete {} and start again", written.load(), total,
      options.out.string());
  return false;
}

void synth_genres(SynthOptions options, Settings& settings) {
  const AudioFormat format = audio_format(options.format);
  if (options.seconds == 0) options.seconds = 10;
  if (options.sample_rate == 0) options.sample_rate = format == AudioFormat::opus ? 24000 : 22050;
  check_sample_rate(format, options.sample_rate);
  const std::vector<std::string> styles = synth_styles();
  const std::size_t total = options.classes * options.tracks_per_class;
  require_empty(options.out);
  for (std::size_t s = 0; s < options.classes; ++s) make_folder(options.out / "genres" / styles[s]);
  const auto make = [&](std::size_t i) {
    const std::size_t s = i / options.tracks_per_class, t = i % options.tracks_per_class;
    const auto samples = synth_track(s, mixed_seed(options.seed, s, t), options.seconds, options.sample_rate);
    const fs::path folder = options.out / "genres" / styles[s];
    write_audio(folder / fmt::format("{}.{:05}.{}", styles[s], t, options.format), samples,
                options.sample_rate, format);
  };
  if (!make_files(total, options, settings, make)) return;
  if (settings.json) {
    print_json(nlohmann::json{
        {"folder", options.out.string()},
        {"tracks", total},
        {"seed", options.seed},
        {"classes",
         std::vector(styles.begin(), styles.begin() + static_cast<std::ptrdiff_t>(options.classes))}});
  } else {
    print("{}: {} tracks of {:g} s in {} classes\n", options.out.string(), total, options.seconds,
          options.classes);
  }
}

// A clip of nominally 29 s has 29.12 s in the real data set; here too, and clips of other lengths have what
// they were asked for.
void synth_tags(SynthOptions options, Settings& settings) {
  if (options.seconds == 0) options.seconds = 29.12;
  if (options.sample_rate == 0) options.sample_rate = 16000;
  check_sample_rate(AudioFormat::mp3, options.sample_rate);
  if (options.seconds < 1) fail(ErrorKind::usage, "--seconds {:g}: a clip has at least 1 s", options.seconds);
  const auto clips = plan_clips(options.clips, static_cast<int>(options.seconds), options.seed);
  require_empty(options.out);
  for (const char folder : std::string_view("0123456789abcdef")) {
    make_folder(options.out / "mp3" / std::string(1, folder));
  }
  const auto make = [&](std::size_t i) {
    const SynthClip& clip = clips[i];
    const auto samples =
        synth_scene(clip.scene, clip.seed, clip.excerpt, options.seconds, options.sample_rate);
    write_audio(options.out / "mp3" / clip.path, samples, options.sample_rate, AudioFormat::mp3);
  };
  if (!make_files(clips.size(), options, settings, make)) return;
  write_file_atomically((options.out / "annotations_final.csv").string(), annotations_table(clips));
  write_file_atomically((options.out / "clip_info_final.csv").string(), clip_info_table(clips));
  if (settings.json) {
    print_json(
        nlohmann::json{{"folder", options.out.string()}, {"tracks", clips.size()}, {"seed", options.seed}});
  } else {
    print("{}: {} clips of {:g} s with tags\n", options.out.string(), clips.size(), options.seconds);
  }
}

}  // namespace

void register_synth(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("synth", "make a small data set of generated music");
  const auto o = std::make_shared<SynthOptions>();
  command->add_option("--out", o->out, "folder to make")->required();
  command->add_option("--layout", o->layout, "gtzan (a folder per class) or mtat (clips with tags)")
      ->is_member({"gtzan", "mtat"})
      ->capture_default_str();
  Option* const of_gtzan[] = {
      command->add_option("--classes", o->classes, "styles of music")
          ->range(std::size_t{2}, synth_styles().size())
          ->capture_default_str(),
      command->add_option("--tracks-per-class", o->tracks_per_class, "tracks of each style")
          ->range(1, 100000)
          ->capture_default_str(),
      command->add_option("--format", o->format, "wav, au, aiff, flac, ogg, opus or mp3")
          ->capture_default_str()};
  Option* const of_mtat[] = {
      command->add_option("--clips", o->clips, "clips with tags")->range(1, 100000)->capture_default_str()};
  command->add_option("--seconds", o->seconds, "length of a track (default 10; clips with tags 29.12)")
      ->range(0.1, 3600.0);
  command->add_option("--sample-rate", o->sample_rate, "Hz (default 22050; for opus 24000; for mtat 16000)")
      ->range(8000, 192000);
  command->add_option("--seed", o->seed, "the same seed gives the same files")->capture_default_str();
  for (Option* const option : of_gtzan) option->group("Layout gtzan");
  for (Option* const option : of_mtat) option->group("Layout mtat");
  command->callback([o, of_gtzan = std::vector(std::begin(of_gtzan), std::end(of_gtzan)),
                     of_mtat = std::vector(std::begin(of_mtat), std::end(of_mtat)), &settings] {
    const bool tags = o->layout == "mtat";
    for (const Option* option : tags ? of_gtzan : of_mtat) {
      if (option->count() > 0) {
        fail(ErrorKind::usage, "{}: not with --layout {}", option->name(), o->layout);
      }
    }
    tags ? synth_tags(*o, settings) : synth_genres(*o, settings);
  });
}

}  // namespace melgrad
