#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "apps/commands.h"
#include "io/arrays/cache.h"
#include "kernels/math/half.h"
#include "tests/io/arrays/npz_make.h"
#include "tests/io/scratch.h"
#include "tests/places.h"

namespace melgrad {
namespace {

// Runs `melgrad import ...`; returns the exit code, throws Error as the program's main would see it.
int import(std::vector<std::string> arguments, std::string* output = nullptr) {
  Settings settings;
  CommandLine root("");
  root.require_subcommand();
  root.add_flag("--json", settings.json, "");
  register_import(root, settings);
  arguments.insert(arguments.begin(), "import");
  testing::internal::CaptureStdout();
  try {
    const CommandLine::Answer answer = root.run(arguments);
    if (!answer.wrong.empty()) throw Error(ErrorKind::usage, answer.wrong);
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
  const std::string text = testing::internal::GetCapturedStdout();
  if (output != nullptr) *output = text;
  return settings.exit_code;
}

// X [3 tracks, 2 bands, 4 frames]: value = 8 track + 4 band + frame.
template <typename T>
std::string x_array(const std::string& descr) {
  std::vector<T> values(24);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(i);
  return npy(descr, "(3, 2, 4)", raw(values));
}

std::string labels() { return npy("<U5", "(3,)", unicode({"rock", "blues", "rock"}, 5)); }
std::string names() { return npy("<U5", "(3,)", unicode({"a.wav", "b.wav", "c.wav"}, 5)); }

TEST(Import, TransposesScalesAndKeepsLabels) {
  const Scratch scratch;
  write_bytes(
      scratch / "a.npz",
      zip({{"X.npy", x_array<std::uint8_t>("|u1")}, {"T.npy", labels()}, {"N.npy", names()}}, {true, true}));
  std::string output;
  EXPECT_EQ(import({scratch / "a.npz", "--out", scratch / "a.h5", "--dtype", "f32", "--frame-seconds", "0.5"},
                   &output),
            0);
  EXPECT_NE(output.find("3 tracks of 4 frames, 2 bands"), std::string::npos) << output;
  const Cache cache = read_cache(scratch / "a.h5");
  EXPECT_EQ(cache.mel.preset, "imported");
  EXPECT_EQ(cache.mel.n_mels, 2);
  EXPECT_EQ(cache.frame_seconds, 0.5);
  EXPECT_EQ(cache.value_scale, 1.0 / 255);
  EXPECT_EQ(cache.classes, (std::vector<std::string>{"blues", "rock"}));
  ASSERT_EQ(cache.items.size(), 3U);
  EXPECT_EQ(cache.items[1].name, "b.wav");
  EXPECT_EQ(cache.items[1].labels, (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(cache.items[2].labels, (std::vector<std::uint8_t>{0, 1}));
  for (int t = 0; t < 3; ++t) {
    for (int f = 0; f < 4; ++f) {
      for (int b = 0; b < 2; ++b) {
        const auto at = static_cast<std::size_t>((t * 4 + f) * 2 + b);
        EXPECT_EQ(cache.features.as<float>()[at], static_cast<float>((8 * t + 4 * b + f) * (1.0 / 255)));
      }
    }
  }
}

TEST(Import, FloatsStayAsTheyAreAndIntegerLabelsIndexTheClasses) {
  const Scratch scratch;
  const std::string t = npy("<i8", "(3,)", raw<std::int64_t>({1, 0, 10}));
  write_bytes(scratch / "a.npz", zip({{"X.npy", x_array<double>("<f8")}, {"T.npy", t}}));
  EXPECT_EQ(import({scratch / "a.npz", "--out", scratch / "a.h5"}), 0);
  Cache cache = read_cache(scratch / "a.h5");
  EXPECT_EQ(cache.classes, (std::vector<std::string>{"0", "1", "10"}));  // by number, not by alphabet
  EXPECT_EQ(cache.dtype, DType::f16);
  EXPECT_EQ(cache.value_scale, 1);
  EXPECT_EQ(cache.items[0].name, "track 00000");
  EXPECT_EQ(half_to_float(cache.features.as<std::uint16_t>()[23]), 23.0F);
  EXPECT_EQ(import({scratch / "a.npz", "--out", scratch / "a.h5", "--classes", "rock,blues", "--scale", "2"}),
            kExitProblemsFound);
  cache = read_cache(scratch / "a.h5");
  ASSERT_EQ(cache.items.size(), 2U);
  EXPECT_EQ(cache.items[0].labels, (std::vector<std::uint8_t>{0, 1}));
  EXPECT_EQ(cache.skipped.at(0).reason, "label '10' is none of the classes");
  EXPECT_EQ(half_to_float(cache.features.as<std::uint16_t>()[15]), 30.0F);
}

TEST(Import, TracksThatCannotBeUsedAreListed) {
  const Scratch scratch;
  std::vector<float> values(5 * 2 * 4, 1.0F);
  values[8 + 5] = std::numeric_limits<float>::quiet_NaN();
  values[16 + 2] = 1e6F;
  const auto t = npy("<U1", "(5,)", unicode({"r", "r", "r", "r", "r"}, 1));
  const auto n = npy("<U1", "(5,)", unicode({"a", "b", "c", "a", ""}, 1));
  write_bytes(scratch / "a.npz",
              zip({{"X.npy", npy("<f4", "(5, 2, 4)", raw(values))}, {"T.npy", t}, {"N.npy", n}}));
  std::string output;
  EXPECT_EQ(import({"--json", scratch / "a.npz", "--out", scratch / "a.h5"}, &output), kExitProblemsFound);
  EXPECT_NE(output.find("\"reason\": \"value nan in band 1, frame 1 cannot be stored as f16\""),
            std::string::npos)
      << output;
  const Cache cache = read_cache(scratch / "a.h5");
  EXPECT_EQ(cache.items.size(), 1U);
  ASSERT_EQ(cache.skipped.size(), 4U);
  EXPECT_EQ(cache.skipped[1].reason, "value 1000000 in band 0, frame 2 cannot be stored as f16");
  EXPECT_EQ(cache.skipped[2].reason, "another track has the same name");
  EXPECT_EQ(cache.skipped[3].reason, "track 4 has no name");
}

TEST(Import, ColumnsAreAttachedFromATable) {
  const Scratch scratch;
  write_bytes(scratch / "a.npz",
              zip({{"X.npy", x_array<float>("<f4")}, {"T.npy", labels()}, {"N.npy", names()}}));
  write_bytes(scratch / "c.csv", "name,recording,fold,split\nc,r1,2,test\na,r1,1,train\nd,r2,1,train\n");
  std::string output;
  EXPECT_EQ(import({"--json", scratch / "a.npz", "--out", scratch / "a.h5", "--columns", scratch / "c.csv"},
                   &output),
            0);
  const Cache cache = read_cache(scratch / "a.h5");
  EXPECT_EQ(cache.columns, (std::vector<std::string>{"recording", "fold"}));
  EXPECT_EQ(cache.items[0].columns, (std::vector<std::string>{"r1", "1"}));
  EXPECT_EQ(cache.items[1].columns, (std::vector<std::string>{"", ""}));
  EXPECT_EQ(cache.items[2].columns, (std::vector<std::string>{"r1", "2"}));
  EXPECT_EQ(cache.items[0].split, "train");
  EXPECT_EQ(cache.items[1].split, "");
  EXPECT_EQ(cache.items[2].split, "test");
  write_bytes(scratch / "c.csv", "name,a\nx,1\n");
  std::filesystem::remove(scratch / "a.h5");
  expect_contains(
      error_of(ErrorKind::input,
               [&] {
                 import({scratch / "a.npz", "--out", scratch / "a.h5", "--columns", scratch / "c.csv"});
               }),
      "names none of the 3 tracks, whose first is a.wav");
  EXPECT_FALSE(std::filesystem::exists(scratch / "a.h5"));
}

TEST(Import, WrongArchivesAreNamed) {
  const Scratch scratch;
  const auto message = [&](const std::vector<std::pair<std::string, std::string>>& files) {
    write_bytes(scratch / "a.npz", zip(files));
    return error_of(ErrorKind::input, [&] { import({scratch / "a.npz", "--out", scratch / "a.h5"}); });
  };
  const auto x = x_array<float>("<f4");
  EXPECT_NE(message({{"T.npy", labels()}}).find("has no array X"), std::string::npos);
  EXPECT_NE(message({{"X.npy", x}}).find("has no array T"), std::string::npos);
  EXPECT_NE(message({{"X.npy", labels()}, {"T.npy", labels()}}).find("X is U5 [3]"), std::string::npos);
  EXPECT_NE(
      message({{"X.npy", x}, {"T.npy", npy("<i4", "(2,)", raw<std::int32_t>({1, 2}))}}).find("3 tracks"),
      std::string::npos);
  EXPECT_NE(
      message({{"X.npy", x}, {"T.npy", npy("<f4", "(3,)", raw<float>({1, 2, 3}))}}).find("texts or integers"),
      std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(scratch / "a.h5"));
}

TEST(Import, ReadsAllOfGtzan999) {
  const char* set = std::getenv("MELGRAD_DATA");
  const auto root = std::filesystem::path(source_path("..")).lexically_normal();
  const std::string file =
      (set != nullptr ? std::filesystem::path(set) : root / "shared/data") / "gtzan999.npz";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is absent; set MELGRAD_DATA";
  const Scratch scratch;
  EXPECT_EQ(import({file, "--out", scratch / "g.h5"}), 0);
  const Cache cache = read_cache(scratch / "g.h5");
  ASSERT_EQ(cache.items.size(), 999U);
  EXPECT_EQ(cache.bands, 64);
  EXPECT_EQ(cache.features.shape, (std::vector<std::int64_t>{999 * 496, 64}));
  EXPECT_EQ(cache.classes, (std::vector<std::string>{"blues", "classical", "country", "disco", "hiphop",
                                                     "jazz", "metal", "pop", "reggae", "rock"}));
  std::vector<int> counts(10, 0);
  for (const CacheItem& item : cache.items) {
    for (std::size_t c = 0; c < 10; ++c) counts[c] += item.labels[c];
    // Names are <genre>.<number>...: the label must be the genre of the name.
    const auto label = std::find(item.labels.begin(), item.labels.end(), 1) - item.labels.begin();
    EXPECT_TRUE(item.name.starts_with(cache.classes[static_cast<std::size_t>(label)])) << item.name;
  }
  for (std::size_t c = 0; c < 10; ++c) EXPECT_EQ(counts[c], cache.classes[c] == "jazz" ? 99 : 100);
  float least = 1, most = 0;
  for (const std::uint16_t h : cache.features.as<std::uint16_t>()) {
    least = std::min(least, half_to_float(h));
    most = std::max(most, half_to_float(h));
  }
  EXPECT_EQ(least, 0.0F);
  EXPECT_EQ(most, 1.0F);
}

}  // namespace
}  // namespace melgrad
