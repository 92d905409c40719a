#include "io/datasets/scan.h"

#include <atomic>
#include <gtest/gtest.h>
#include <limits>
#include <sndfile.h>

#include "io/datasets/open_data_set.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

using test::TempFolder;
using test::tone;

void put(const TempFolder& folder, const std::string& name, const std::vector<float>& samples,
         int rate = 22050) {
  const auto path = folder / name;
  write_audio(path, samples, rate, audio_format(path.extension().string().substr(1)));
}

// "name: problem" per finding.
std::vector<std::string> lines(const DataSet& set, const ScanReport& report) {
  std::vector<std::string> out;
  for (const Finding& f : report.findings) {
    out.push_back(set.tracks[f.track].name + ": " + name_of(f.problem));
    EXPECT_FALSE(f.reason.empty());
  }
  return out;
}

TEST(Scan, a_clean_set_has_counts_and_no_findings) {
  const TempFolder folder{};
  put(folder, "a/1.wav", tone(300, 22050, 4));
  put(folder, "a/2.flac", tone(400, 44100, 5), 44100);
  put(folder, "b/1.mp3", tone(500, 22050, 4));
  const DataSet set = open_data_set(folder.path());
  std::atomic<std::size_t> calls = 0, most = 0;
  const ScanReport report = scan(set, {.threads = 2}, [&](std::size_t n) {
    ++calls;
    if (n == 3) most = n;
  });
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(calls, 3U);
  EXPECT_EQ(most, 3U);
  EXPECT_EQ(report.scanned, 3U);
  EXPECT_EQ(report.classes[0].tracks, 2U);
  EXPECT_EQ(report.classes[0].usable, 2U);
  EXPECT_NEAR(report.classes[0].seconds, 9, 1e-3);
  EXPECT_NEAR(report.all.seconds, 13, 0.11);
  EXPECT_EQ(report.rates, (std::map<int, std::size_t>{{22050, 2}, {44100, 1}}));
  EXPECT_EQ(report.channels, (std::map<int, std::size_t>{{1, 3}}));
}

TEST(Scan, every_problem_is_found_and_nothing_else) {
  const TempFolder folder{};
  put(folder, "jazz/good.wav", tone(300, 22050, 4));
  put(folder, "jazz/header.wav", {});
  put(folder, "jazz/quiet.wav", tone(300, 22050, 4, 0.0005));
  put(folder, "jazz/short.wav", tone(300, 22050, 0.5));
  put(folder, "jazz/short_too.wav", tone(300, 22050, 0.5));
  put(folder, "jazz/still.wav", std::vector<float>(4 * 22050));
  put(folder, "jazz/still_too.wav", std::vector<float>(4 * 22050));
  put(folder, "rock/twin.flac", tone(300, 22050, 4));
  test::write_bytes(folder / "jazz/jazz.00054.wav", test::noise_bytes(60000));
  test::write_bytes(folder / "jazz/zero.wav", "");
  const DataSet set = open_data_set(folder.path());
  const ScanReport report = scan(set, {});
  EXPECT_EQ(lines(set, report),
            (std::vector<std::string>{
                "jazz/header.wav: empty", "jazz/jazz.00054.wav: unreadable", "jazz/quiet.wav: silent",
                "jazz/short.wav: too short", "jazz/short_too.wav: too short", "jazz/still.wav: silent",
                "jazz/still_too.wav: silent", "jazz/zero.wav: empty", "rock/twin.flac: duplicate"}));
  EXPECT_EQ(report.findings[1].reason, "not a WAV, AU, AIFF, FLAC, Ogg, Opus or MP3 file");
  EXPECT_EQ(report.findings.back().reason, "same sound as jazz/good.wav");
  EXPECT_EQ(report.all.tracks, 10U);
  EXPECT_EQ(report.all.usable, 2U);
  EXPECT_EQ(report.classes[0].usable, 1U);
}

TEST(Scan, samples_that_are_no_numbers_are_counted_and_the_track_stays_usable) {
  const TempFolder folder{};
  auto samples = tone(300, 22050, 4);
  samples[100] = std::numeric_limits<float>::quiet_NaN();
  samples[200] = std::numeric_limits<float>::infinity();
  SF_INFO info{};
  info.channels = 1;
  info.samplerate = 22050;
  info.format = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
  SNDFILE* file = sf_open((folder / "a/nan.wav").c_str(), SFM_WRITE, &info);
  ASSERT_NE(file, nullptr);
  sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  ASSERT_EQ(sf_close(file), 0);
  const DataSet set = open_data_set(folder.path());
  const ScanReport report = scan(set, {});
  EXPECT_EQ(lines(set, report), std::vector<std::string>{"a/nan.wav: not finite"});
  EXPECT_EQ(report.findings[0].reason, "2 samples read as 0");
  EXPECT_EQ(report.all.usable, 1U);
}

TEST(Scan, a_missing_file_of_a_manifest_is_one_finding) {
  const TempFolder folder{};
  put(folder, "a.wav", tone(300, 22050, 4));
  test::write_bytes(folder / "m.csv", "path,labels\na.wav,x;y\ngone.wav,x\n");
  const DataSet set = open_data_set(folder.path() / "m.csv");
  const ScanReport report = scan(set, {});
  EXPECT_EQ(lines(set, report), std::vector<std::string>{"gone.wav: unreadable"});
  EXPECT_NE(report.findings[0].reason.find("no such file"), std::string::npos);
  EXPECT_EQ(report.classes[0].tracks, 2U);
  EXPECT_EQ(report.classes[1].usable, 1U);
}

TEST(Scan, the_limits_of_length_can_be_moved) {
  const TempFolder folder{};
  put(folder, "a/1.wav", tone(300, 22050, 1));
  const DataSet set = open_data_set(folder.path());
  EXPECT_EQ(scan(set, {.min_seconds = 1}).findings.size(), 0U);
  EXPECT_EQ(scan(set, {.min_seconds = 1.1}).findings.size(), 1U);
}

TEST(Scan, stops_when_told) {
  const TempFolder folder{};
  for (const char* name : {"a/1.wav", "a/2.wav", "a/3.wav"}) put(folder, name, tone(300, 22050, 0.1));
  const DataSet set = open_data_set(folder.path());
  std::atomic<bool> stop = false;
  const auto report = scan(
      set, {.threads = 1}, [&](std::size_t) { stop = true; }, [&] { return stop.load(); });
  EXPECT_EQ(report.scanned, 1U);
  EXPECT_EQ(report.all.tracks, 1U);
}

TEST(Scan, real_music_is_clean) {
  const auto data = test::shared_data();
  if (data.empty()) GTEST_SKIP() << "MELGRAD_DATA has no gtzan100 folder";
  const DataSet set = open_data_set(data / "gtzan100");
  EXPECT_EQ(set.classes.size(), 10U);
  EXPECT_EQ(set.tracks.size(), 100U);
  const ScanReport report = scan(set, {});
  for (const std::string& line : lines(set, report)) ADD_FAILURE() << line;
  EXPECT_EQ(report.rates, (std::map<int, std::size_t>{{22050, 100}}));
}

}  // namespace
}  // namespace melgrad
