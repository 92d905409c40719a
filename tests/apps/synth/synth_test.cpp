#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/synth/music.h"
#include "io/audio/audio.h"
#include "io/datasets/open_data_set.h"
#include "io/datasets/scan.h"
#include "tests/apps/command.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::run_command;
using test::TempFolder;

test::Outcome synth(const fs::path& out, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"synth", "--out", out.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_command(register_synth, arguments);
}

TEST(Synth, writes_gtzans_layout_and_check_finds_nothing) {
  const TempFolder folder{};
  const auto outcome = synth(folder.path() / "set", {"--tracks-per-class", "3", "--seconds", "4"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(folder.path() / "set/genres/ambient/ambient.00002.wav"));
  const DataSet set = open_data_set(folder.path() / "set");
  EXPECT_EQ(set.classes.size(), 4U);
  EXPECT_EQ(set.tracks.size(), 12U);
  const ScanReport report = scan(set, {});
  for (const Finding& f : report.findings) ADD_FAILURE() << set.tracks[f.track].name << ": " << f.reason;
  EXPECT_EQ(report.rates, (std::map<int, std::size_t>{{22050, 12}}));
  EXPECT_NEAR(report.all.seconds, 48, 1e-6);
}

TEST(Synth, a_seed_fixes_every_byte_whatever_the_threads) {
  const TempFolder folder{};
  for (const char* format : {"wav", "flac", "ogg", "opus", "mp3"}) {
    const auto make = [&](const std::string& name, const std::string& seed, const std::string& threads) {
      const fs::path out = folder.path() / (name + format);
      EXPECT_EQ(synth(out, {"--tracks-per-class", "2", "--seconds", "1", "--format", format, "--seed", seed,
                            "--classes", "2", "--threads", threads})
                    .exit_code,
                0);
      return test::bytes_below(out);
    };
    const auto one = make("one", "7", "1"), two = make("two", "7", "3"), other = make("other", "8", "1");
    EXPECT_EQ(one.size(), 4U);
    EXPECT_TRUE(one == two) << format;
    for (const auto& [name, bytes] : one) EXPECT_TRUE(bytes != other.at(name)) << name;
  }
}

TEST(Synth, never_touches_a_folder_with_something_in_it) {
  const TempFolder folder{};
  test::write_bytes(folder / "set/mine.txt", "mine");
  const auto outcome = synth(folder.path() / "set", {});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_EQ(outcome.err, "melgrad: " + (folder.path() / "set").string() +
                             ": exists and is not an empty folder; choose another or empty it\n");
  EXPECT_EQ(test::bytes_below(folder.path()), (std::map<std::string, std::string>{{"set/mine.txt", "mine"}}));
  fs::create_directory(folder.path() / "empty");
  EXPECT_EQ(synth(folder.path() / "empty", {"--tracks-per-class", "1", "--seconds", "0.5"}).exit_code, 0);
}

TEST(Synth, wrong_options_are_refused_before_anything_is_made) {
  const TempFolder folder{};
  const fs::path out = folder.path() / "set";
  EXPECT_EQ(synth(out, {"--format", "wma"}).exit_code, 2);
  EXPECT_EQ(synth(out, {"--format", "opus", "--sample-rate", "22050"}).exit_code, 2);
  EXPECT_EQ(synth(out, {"--classes", "11"}).exit_code, 2);
  EXPECT_EQ(synth(out, {"--sample-rate", "100"}).exit_code, 2);
  EXPECT_EQ(synth(out, {"--seconds", "0"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(out));
}

TEST(Synth, tracks_are_finite_loud_enough_and_of_the_asked_length) {
  for (std::size_t style = 0; style < synth_styles().size(); ++style) {
    for (const int rate : {8000, 22050, 48000}) {
      const auto samples = synth_track(style, 3, 1.5, rate);
      ASSERT_EQ(samples.size(), static_cast<std::size_t>(1.5 * rate));
      double sum = 0;
      for (const float x : samples) {
        ASSERT_LE(std::abs(x), 1.0F);  // false for NaN too
        sum += static_cast<double>(x) * x;
      }
      const double rms = std::sqrt(sum / static_cast<double>(samples.size()));
      EXPECT_GT(rms, 0.03) << synth_styles()[style];
      EXPECT_LT(rms, 0.25) << synth_styles()[style];
    }
  }
}

// Three crude features of a track: level in dB, sign changes (how bright), and how much the level moves.
using Features = std::array<double, 3>;
Features features_of(const std::vector<float>& samples, int rate) {
  const auto frame = static_cast<std::size_t>(rate / 20);
  std::vector<double> levels;
  double sum = 0, crossings = 0;
  for (std::size_t at = 0; at + frame <= samples.size(); at += frame) {
    double power = 1e-12;
    for (std::size_t i = at + 1; i < at + frame; ++i) {
      power += static_cast<double>(samples[i]) * samples[i];
      crossings += (samples[i] < 0) != (samples[i - 1] < 0) ? 1 : 0;
    }
    sum += power;
    levels.push_back(10 * std::log10(power));
  }
  double movement = 0;
  for (std::size_t i = 1; i < levels.size(); ++i) movement += std::abs(levels[i] - levels[i - 1]);
  return {10 * std::log10(sum), std::log(1 + crossings),
          std::log(movement / static_cast<double>(levels.size()))};
}

// Accuracy of the nearest class mean over the features `use`, learned on half of the tracks, tried on the
// rest.
double accuracy(const std::vector<std::vector<Features>>& tracks, const std::vector<std::size_t>& use) {
  const std::size_t half = tracks[0].size() / 2;
  Features mean{}, spread{};
  for (const std::size_t f : use) {
    double n = 0, square = 0;
    for (const auto& style : tracks) {
      for (std::size_t t = 0; t < half; ++t, ++n) mean[f] += style[t][f], square += style[t][f] * style[t][f];
    }
    mean[f] /= n;
    spread[f] = std::sqrt(square / n - mean[f] * mean[f]);
  }
  std::vector<Features> centre(tracks.size(), Features{});
  for (std::size_t s = 0; s < tracks.size(); ++s) {
    for (std::size_t t = 0; t < half; ++t) {
      for (const std::size_t f : use) centre[s][f] += tracks[s][t][f] / static_cast<double>(half);
    }
  }
  double right = 0, all = 0;
  for (std::size_t s = 0; s < tracks.size(); ++s) {
    for (std::size_t t = half; t < tracks[s].size(); ++t, ++all) {
      std::size_t best = 0;
      double nearest = std::numeric_limits<double>::max();
      for (std::size_t c = 0; c < centre.size(); ++c) {
        double distance = 0;
        for (const std::size_t f : use) distance += std::pow((tracks[s][t][f] - centre[c][f]) / spread[f], 2);
        if (distance < nearest) nearest = distance, best = c;
      }
      right += best == s ? 1 : 0;
    }
  }
  return right / all;
}

TEST(Synth, styles_can_be_told_apart_but_not_by_their_level) {
  const std::size_t styles = synth_styles().size();
  std::vector<std::vector<Features>> tracks(styles);
  for (std::size_t s = 0; s < styles; ++s) {
    for (std::uint64_t t = 0; t < 30; ++t) {
      tracks[s].push_back(features_of(synth_track(s, 1000 * s + t, 4, 11025), 11025));
    }
  }
  const double level = accuracy(tracks, {0}), sound = accuracy(tracks, {1, 2});
  RecordProperty("level", std::to_string(level));
  RecordProperty("sound", std::to_string(sound));
  EXPECT_LT(level, 0.25);  // chance is 0.1
  EXPECT_GT(sound, 0.3);   // two numbers per track already say much ...
  EXPECT_LT(sound, 0.9);   // ... and leave something to learn
}

}  // namespace
}  // namespace melgrad
