// A small MagnaTagATune, made and read by the commands.
#include "io/datasets/mtat.h"

#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/synth/tags.h"
#include "io/arrays/cache.h"
#include "io/audio/audio.h"
#include "tests/apps/command.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::run_command;
using test::TempFolder;
using NameList = std::vector<std::string>;

test::Outcome synth_mtat(const fs::path& out, const NameList& more) {
  NameList arguments = {"synth", "--layout", "mtat", "--out", out.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_command(register_synth, arguments);
}

// 32 clips of 4 s, with which something may then happen.
class SmallMtat : public ::testing::Test {
 protected:
  SmallMtat() {
    const auto outcome = synth_mtat(data(), {"--clips", "32", "--seconds", "4"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, data().string() + ": 32 clips of 4 s with tags\n");
  }
  fs::path data() const { return folder_.path() / "set"; }
  test::Outcome check(const NameList& more) const {
    NameList arguments = {"check", data().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(register_check, arguments);
  }
  test::Outcome extract(const NameList& more) const {
    NameList arguments = {"extract", data().string(), "--out", cache(), "--preset", "musicnn"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(register_extract, arguments);
  }
  std::string cache() const { return folder_.path() / "cache.h5"; }
  static fs::path first_clip(const DataSet& set, const std::string& split) {
    for (const Track& track : set.tracks) {
      if (track.split == split) return track.path.path;
    }
    return {};
  }
  const TempFolder folder_{};
};

TEST_F(SmallMtat, check_finds_nothing_wrong) {
  const auto outcome = check({"--protocol", "all"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out;
  EXPECT_TRUE(has(outcome.err, "MagnaTagATune: 32 clips of 32 for 10 tags:")) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "sample rates  16000 Hz (32)")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "problems      none")) << outcome.out;
}

TEST_F(SmallMtat, a_cache_has_its_tags_and_splits) {
  const auto outcome = extract({"--tags", "drums,piano,slow"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  MtatOptions options;
  options.tags = "drums,piano,slow";
  const DataSet set = open_mtat(data(), options);
  const Cache read = read_cache(cache());
  EXPECT_EQ(read.classes, (NameList{"drums", "piano", "slow"}));
  ASSERT_EQ(read.items.size(), set.tracks.size());
  std::set<std::string> splits;
  for (std::size_t i = 0; i < read.items.size(); ++i) {
    EXPECT_EQ(read.items[i].name, set.tracks[i].name);
    EXPECT_EQ(read.items[i].split, set.tracks[i].split);
    splits.insert(read.items[i].split);
    for (std::size_t t = 0; t < read.classes.size(); ++t) {
      const auto& labels = set.tracks[i].labels;
      const bool tagged = std::find(labels.begin(), labels.end(), read.classes[t]) != labels.end();
      EXPECT_EQ(read.items[i].labels[t], tagged ? 1 : 0) << read.items[i].name << " " << read.classes[t];
    }
  }
  EXPECT_TRUE(splits.contains("train") && splits.contains("test"));
}

TEST_F(SmallMtat, missing_and_damaged_clips_are_named_by_both_commands) {
  const DataSet set = open_mtat(data());
  const fs::path missing = first_clip(set, "train"), cut = first_clip(set, "test");
  fs::remove(missing);
  const std::string bytes = test::read_bytes(cut);
  test::write_bytes(cut, bytes.substr(0, bytes.size() / 2));

  const auto checked = check({"--json", "--min-seconds", "1"});
  EXPECT_EQ(checked.exit_code, kExitProblemsFound);
  const auto json = nlohmann::json::parse(checked.out);
  ASSERT_EQ(json["skipped"].size(), 1U);
  EXPECT_TRUE(missing.string().ends_with(json["skipped"][0]["name"].get<std::string>()));
  EXPECT_TRUE(has(json["skipped"][0]["reason"], "has no audio file"));
  ASSERT_EQ(json["problems"].size(), 2U);  // too short, and cut short
  EXPECT_TRUE(cut.string().ends_with(json["problems"][0]["track"].get<std::string>()));
  EXPECT_TRUE(has(json["problems"][0]["reason"], "at least 3.9 s are needed")) << json["problems"][0];

  const auto outcome = extract({});
  EXPECT_EQ(outcome.exit_code, kExitProblemsFound);
  EXPECT_TRUE(has(outcome.err, "has no audio file")) << outcome.err;
  EXPECT_TRUE(has(outcome.err, "could be decoded of at least 3.9 s; the file is damaged")) << outcome.err;
  const Cache read = read_cache(cache());
  EXPECT_EQ(read.items.size(), set.tracks.size() - 2);
  EXPECT_EQ(read.skipped.size(), 2U);
}

TEST_F(SmallMtat, choices_are_flags) {
  EXPECT_TRUE(has(check({"--tags", "guitar, piano"}).err, "for 2 tags"));
  EXPECT_TRUE(has(check({"--tags", "top20", "--merge-tags"}).err, "for 20 tags"));
  EXPECT_FALSE(has(check({"--split-by", "artist", "--split-seed", "3"}).err, "artists of training clips"));
  const auto unknown = check({"--tags", "guitar,pianos"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_TRUE(has(unknown.err, "no tag \"pianos\"; the nearest is \"piano\"")) << unknown.err;
  EXPECT_EQ(check({"--protocol", "some"}).exit_code, 2);
  EXPECT_EQ(check({"--split-lists", "x", "--split-by", "artist"}).exit_code, 2);

  const DataSet set = open_mtat(data());
  const auto list = [&](const std::string& split, std::size_t track) {
    test::write_bytes(folder_ / ("lists/" + split + ".txt"), set.tracks[track].name + "\n");
  };
  list("train", 0), list("valid", 1), list("test", 2);
  const auto listed = check({"--split-lists", (folder_.path() / "lists").string()});
  EXPECT_TRUE(has(listed.err, "1 train, 1 valid, 1 test")) << listed.err;
}

TEST(MtatFlags, belong_to_no_other_data) {
  const TempFolder folder{};
  write_audio(folder / "a/1.wav", test::tone(300, 22050, 4), 22050, AudioFormat::wav);
  const auto outcome = run_command(register_check, {"check", folder.path().string(), "--merge-tags"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err, "melgrad: --merge-tags: only for MagnaTagATune, and " + folder.path().string() +
                             " has no annotations_final.csv\n");
}

TEST(SynthTags, a_seed_fixes_every_byte_whatever_the_threads) {
  const TempFolder folder{};
  const auto make = [&](const std::string& name, const std::string& seed, const std::string& threads) {
    const fs::path out = folder.path() / name;
    EXPECT_EQ(
        synth_mtat(out, {"--clips", "16", "--seconds", "1", "--seed", seed, "--threads", threads}).exit_code,
        0);
    return test::bytes_below(out);
  };
  const auto one = make("one", "7", "1");
  EXPECT_EQ(one.size(), 18U);
  EXPECT_TRUE(one == make("two", "7", "3"));
  EXPECT_TRUE(one != make("other", "8", "1"));
}

TEST(SynthTags, options_of_the_other_layout_are_refused_before_anything_is_made) {
  const TempFolder folder{};
  const fs::path out = folder.path() / "set";
  EXPECT_EQ(synth_mtat(out, {"--classes", "4"}).exit_code, 2);
  EXPECT_EQ(synth_mtat(out, {"--format", "wav"}).exit_code, 2);
  EXPECT_EQ(synth_mtat(out, {"--seconds", "0.5"}).exit_code, 2);
  EXPECT_EQ(synth_mtat(out, {"--sample-rate", "17000"}).exit_code, 2);
  EXPECT_EQ(run_command(register_synth, {"synth", "--out", out.string(), "--clips", "4"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(out));
}

// What a user of the default size can rely on, without making the audio.
TEST(SynthTags, the_ten_tags_are_the_most_frequent_and_are_tested) {
  const std::set<std::string> ten = {"guitar", "classical",  "slow", "techno", "strings",
                                     "drums",  "electronic", "rock", "fast",   "piano"};
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const TempFolder folder{};
    const auto clips = plan_clips(160, 29, seed);
    test::write_bytes(folder / "annotations_final.csv", annotations_table(clips));
    test::write_bytes(folder / "clip_info_final.csv", clip_info_table(clips));
    MtatOptions options;
    options.labels_only = true;
    const DataSet set = open_mtat(folder.path(), options);
    EXPECT_TRUE(set.skipped.empty());
    EXPECT_EQ(std::set<std::string>(set.classes.begin(), set.classes.end()), ten) << "seed " << seed;
    EXPECT_LT(set.tracks.size(), 160U);  // some clips have no tag
    EXPECT_GT(set.tracks.size(), 130U);
    std::map<std::string, std::set<std::string>> parts, artists_of_part;
    for (const Track& track : set.tracks) {
      for (const std::string& label : track.labels) parts[label].insert(track.split);
    }
    for (const std::string& tag : ten) {
      EXPECT_TRUE(parts[tag].contains("train") && parts[tag].contains("test")) << tag << ", seed " << seed;
    }
    options.tags = "opera";
    const NameList notes = open_mtat(folder.path(), options).notes;
    EXPECT_EQ(std::count(notes.begin(), notes.end(), "tag \"opera\": no clip of train, valid, test has it"),
              1);
  }
}

TEST(SynthTags, excerpts_of_a_piece_differ_and_are_finite) {
  const Scene scene{"chamber", 60, Timbre::bowed, Timbre::struck, Timbre::bowed, false};
  const auto first = synth_scene(scene, 5, 0, 2, 16000), second = synth_scene(scene, 5, 1, 2, 16000);
  EXPECT_EQ(first.size(), 32000U);
  EXPECT_TRUE(first == synth_scene(scene, 5, 0, 2, 16000));
  EXPECT_TRUE(first != second);
  for (const float x : first) ASSERT_LE(std::abs(x), 1.0F);  // false for NaN too
}

// Beginnings of notes: frames of 10 ms that are at least 3 dB louder than the one before.
int onsets(const std::vector<float>& samples, int rate) {
  const auto frame = static_cast<std::size_t>(rate / 100);
  int count = 0;
  double before = 1;
  for (std::size_t at = 0; at + frame <= samples.size(); at += frame) {
    double power = 1e-6;
    for (std::size_t i = at; i < at + frame; ++i) power += static_cast<double>(samples[i]) * samples[i];
    count += power > 2 * before ? 1 : 0;
    before = power;
  }
  return count;
}

TEST(SynthTags, fast_pieces_have_more_notes_than_slow_ones) {
  int slow = 0, fast = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Scene scene{"ballad", 58, Timbre::struck, Timbre::struck, Timbre::sine, true};
    slow += onsets(synth_scene(scene, seed, 0, 8, 16000), 16000);
    scene.beats_per_minute = 164;
    fast += onsets(synth_scene(scene, seed, 0, 8, 16000), 16000);
  }
  EXPECT_GT(fast, 1.5 * slow) << slow << " and " << fast;
}

}  // namespace
}  // namespace melgrad
