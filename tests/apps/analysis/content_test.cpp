// Content measures of signals whose values are known, and against librosa (golden/make_analysis.py).
#include "apps/analysis/content.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/device.h"
#include "kernels/devices/make_device.h"
#include "tests/golden.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

constexpr int kRate = 22050;
enum : std::size_t { kLevel, kZeroCrossings, kCentroid, kRollOff, kFlatness, kOnsets, kTempo };

Content measure(const std::vector<float>& samples) {
  const auto device = make_device("cpu");
  return ContentMeter(*device)(samples, "clip");
}

// A decaying knock every 60 / bpm seconds, at sample precision.
std::vector<float> knocks(double bpm, double seconds, double level = 0.8) {
  std::vector<float> x(static_cast<std::size_t>(seconds * kRate), 0.0F);
  for (double at = 0.25; at < seconds - 0.2; at += 60 / bpm) {
    const auto first = static_cast<std::size_t>(at * kRate);
    for (std::size_t i = 0; i < 5000 && first + i < x.size(); ++i) {
      const auto t = static_cast<double>(i);
      x[first + i] = static_cast<float>(level * std::exp(-t / 300) * std::sin(0.2 * t + 1));
    }
  }
  return x;
}

TEST(Content, of_a_sine) {
  const auto m = measure(test::tone(1000, kRate, 5, 0.5)).measures;
  EXPECT_NEAR(m[kLevel], 20 * std::log10(0.5 / std::sqrt(2)), 1e-3);
  EXPECT_NEAR(m[kZeroCrossings], 2.0 * 1000 / kRate, 1e-5);
  EXPECT_NEAR(m[kCentroid], 1000, 3);
  EXPECT_NEAR(m[kRollOff], 1000, 1.5 * kRate / 1024);
  EXPECT_LT(m[kFlatness], 1e-4);
  EXPECT_EQ(m[kOnsets], 0);
  EXPECT_TRUE(std::isnan(m[kTempo]));
}

// The power of a bin of white noise is exponentially distributed, and exp(mean ln) of that is exp(-0.5772).
TEST(Content, of_white_noise) {
  const auto m = measure(golden::uniform(8, 20 * kRate, 0.5)).measures;
  EXPECT_NEAR(m[kLevel], 20 * std::log10(0.5 / std::sqrt(3)), 0.02);
  EXPECT_NEAR(m[kZeroCrossings], 0.5, 0.002);
  EXPECT_NEAR(m[kCentroid], kRate / 4.0, 20);
  EXPECT_NEAR(m[kRollOff], 0.85 * kRate / 2, 25);
  EXPECT_NEAR(m[kFlatness], std::exp(-0.5772156649), 0.01);
  EXPECT_LT(m[kOnsets], 0.3);
}

TEST(Content, finds_every_knock_and_the_tempo) {
  for (const double bpm : {70.0, 97.0, 120.0, 133.7, 160.0}) {
    const auto m = measure(knocks(bpm, 20)).measures;
    const double count = std::floor((20 - 0.45) / (60 / bpm)) + 1;
    EXPECT_NEAR(m[kOnsets] * 20, count, 1e-9) << bpm;
    EXPECT_NEAR(m[kTempo], bpm, 0.01 * bpm) << bpm;
  }
}

TEST(Content, tempo_prefers_the_octave_around_120) {
  EXPECT_NEAR(measure(knocks(240, 20)).measures[kTempo], 120, 1.2);
  EXPECT_NEAR(measure(knocks(45, 20)).measures[kTempo], 45, 0.5);  // nothing happens twice as fast
}

TEST(Content, gain_changes_the_level_alone) {
  auto samples = knocks(120, 8);
  const auto noise = golden::uniform(4, 8 * kRate, 0.05);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] += noise[i];
  const auto loud = measure(samples).measures;
  for (float& x : samples) x *= 0.5F;
  const auto soft = measure(samples).measures;
  EXPECT_NEAR(soft[kLevel], loud[kLevel] - 20 * std::log10(2.0), 1e-9);
  for (const std::size_t i : {kZeroCrossings, kCentroid, kRollOff, kFlatness, kOnsets, kTempo})
    EXPECT_NEAR(soft[i], loud[i], 1e-6 * std::abs(loud[i])) << kMeasures[i].name;
}

TEST(Content, silent_frames_do_not_colour_the_mean) {
  auto samples = test::tone(2000, kRate, 3);
  const double whole = measure(samples).measures[kCentroid];
  samples.resize(6 * kRate, 0.0F);
  // The end of the tone is a click, in four frames of 258.
  EXPECT_NEAR(measure(samples).measures[kCentroid], whole, 0.02 * whole);
}

TEST(Content, short_clips_have_measures_but_no_tempo) {
  const auto m = measure(knocks(120, 2)).measures;
  EXPECT_TRUE(std::isfinite(m[kCentroid]));
  EXPECT_TRUE(std::isnan(m[kTempo]));
  EXPECT_TRUE(std::isfinite(measure(std::vector<float>(1024, 0.5F)).measures[kFlatness]));
}

TEST(Content, silence_and_less_than_a_frame_are_refused) {
  EXPECT_EQ(error_of(ErrorKind::input, [] { measure(std::vector<float>(30000, 0.0F)); }),
            "clip: silent, no sample is above -100 dBFS");
  EXPECT_EQ(error_of(ErrorKind::input, [] { measure(std::vector<float>(1023, 0.5F)); }),
            "clip: 1023 samples at 22050 Hz, too short for a frame of 1024");
}

// librosa computed in double, the spectrum here is in float: limits about ten times the measured difference.
TEST(Content, agrees_with_librosa) {
  std::ifstream file(source_path("tests/golden/analysis.json"));
  ASSERT_TRUE(file.good());
  const auto want = nlohmann::json::parse(file)["content"];
  const std::string bytes = read_bytes(source_path("tests/golden/mel_input.f32"));
  std::vector<float> samples(bytes.size() / sizeof(float));
  std::memcpy(samples.data(), bytes.data(), bytes.size());
  const auto m = measure(samples).measures;
  for (const std::size_t i : {kLevel, kZeroCrossings, kCentroid, kRollOff, kFlatness}) {
    const double value = want[kMeasures[i].name];
    std::printf("%-14s %.9g, librosa %.9g, differs by %.1e\n", kMeasures[i].name, m[i], value,
                std::abs(m[i] / value - 1));
    EXPECT_NEAR(m[i], value, 1e-6 * std::abs(value)) << kMeasures[i].name;
  }
}

}  // namespace
}  // namespace melgrad
