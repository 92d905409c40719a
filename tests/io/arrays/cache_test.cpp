#include "io/arrays/cache.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <sys/wait.h>
#include <thread>

#include "io/arrays/hdf5.h"
#include "kernels/math/half.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

Cache head(DType dtype = DType::f32) {
  Cache cache;
  cache.mel = mel_preset("dong2018");
  cache.frame_seconds = 256.0 / 22050;
  cache.dtype = dtype;
  cache.bands = 5;
  cache.classes = {"blues", "rock"};
  return cache;
}

std::string name_of_track(int i) { return fmt::format("rock/track {:03}.flac", i); }
std::int64_t rows_of_track(int i) { return 3 + i % 4; }

std::vector<float> features_of(int i) {
  std::mt19937 random(static_cast<unsigned>(i));
  std::vector<float> values(static_cast<std::size_t>(rows_of_track(i) * 5));
  for (float& v : values) v = static_cast<float>(random() % 2048) / 256.0F;  // f16 holds these exactly
  return values;
}

CacheSource source_of(int i) { return {static_cast<std::uint64_t>(1000 + i), static_cast<std::uint64_t>(i)}; }

void add(CacheWriter& writer, int i) {
  writer.add(name_of_track(i), source_of(i), rows_of_track(i), features_of(i));
}

std::vector<CacheEntry> entries(int n) {
  std::vector<CacheEntry> list;
  for (int i = 0; i < n; ++i) {
    list.push_back({name_of_track(i), {static_cast<std::uint8_t>(i % 2), 1}, i % 3 ? "train" : "test"});
  }
  return list;
}

void expect_tracks(const Cache& cache, int n) {
  ASSERT_EQ(cache.items.size(), static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    const CacheItem& item = cache.items[static_cast<std::size_t>(i)];
    EXPECT_EQ(item.name, name_of_track(i));
    EXPECT_EQ(item.source, source_of(i));
    EXPECT_EQ(item.labels, (std::vector<std::uint8_t>{static_cast<std::uint8_t>(i % 2), 1}));
    EXPECT_EQ(item.split, i % 3 ? "train" : "test");
    const auto wanted = features_of(i);
    ASSERT_EQ(item.rows * 5, static_cast<std::int64_t>(wanted.size()));
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const std::size_t at = static_cast<std::size_t>(item.first_row) * 5 + k;
      ASSERT_EQ(cache.dtype == DType::f16 ? half_to_float(cache.features.as<std::uint16_t>()[at])
                                          : cache.features.as<float>()[at],
                wanted[k]);
    }
  }
}

void write_tracks(const std::string& path, int n, DType dtype = DType::f32) {
  CacheWriter writer(path, head(dtype));
  for (int i = 0; i < n; ++i) add(writer, i);
  writer.finish(entries(n));
}

TEST(Cache, ColumnsComeBackAndLeaveNoTraceWhereThereAreNone) {
  const Scratch scratch;
  write_tracks(scratch / "plain.h5", 3);
  Cache plain = read_cache(scratch / "plain.h5");
  EXPECT_TRUE(plain.columns.empty());
  write_cache(scratch / "same.h5", plain);
  EXPECT_EQ(read_bytes(scratch / "same.h5"), read_bytes(scratch / "plain.h5"));
  EXPECT_FALSE(H5File::open(scratch / "plain.h5").has("/columns"));
  CacheWriter writer(scratch / "columns.h5", [] {
    Cache with = head(DType::f32);
    with.columns = {"fold", "artist"};
    return with;
  }());
  std::vector<CacheEntry> all = entries(3);
  for (int i = 0; i < 3; ++i) {
    add(writer, i);
    all[static_cast<std::size_t>(i)].columns = {std::to_string(i), i == 1 ? "" : "somebody"};
  }
  writer.finish(all);
  const Cache back = read_cache(scratch / "columns.h5");
  EXPECT_EQ(back.columns, (std::vector<std::string>{"fold", "artist"}));
  EXPECT_EQ(back.items[1].columns, (std::vector<std::string>{"1", ""}));
  EXPECT_EQ(back.items[2].columns, (std::vector<std::string>{"2", "somebody"}));
}

TEST(Cache, ComesBackEqual) {
  const Scratch scratch;
  for (const DType dtype : {DType::f32, DType::f16}) {
    const std::string path = scratch / name_of(dtype);
    {
      CacheWriter writer(path, head(dtype));
      for (int i : {4, 2, 0, 3, 1}) add(writer, i);  // the order of work is not the order of the cache
      writer.skip("b.wav", "is empty");
      writer.skip("a.wav", "no such codec");
      EXPECT_EQ(writer.finish(entries(5)), 5);
    }
    const Cache cache = read_cache(path);
    expect_tracks(cache, 5);
    EXPECT_EQ(cache.mel, mel_preset("dong2018"));
    EXPECT_EQ(cache.frame_seconds, 256.0 / 22050);
    EXPECT_EQ(cache.classes, head().classes);
    EXPECT_EQ(cache.dtype, dtype);
    EXPECT_EQ(cache.bands, 5);
    ASSERT_EQ(cache.skipped.size(), 2U);
    EXPECT_EQ(cache.skipped[0].path + cache.skipped[1].reason, "a.wavis empty");
    EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
    const Cache description = read_cache(path, {.features = false});
    EXPECT_TRUE(description.features.bytes.empty());
    EXPECT_EQ(description.items.size(), 5U);
  }
}

TEST(Cache, WrittenAtOnceIsTheSameFile) {
  const Scratch scratch;
  write_tracks(scratch / "a.h5", 7);
  write_cache(scratch / "b.h5", read_cache(scratch / "a.h5"));
  EXPECT_TRUE(read_bytes(scratch / "a.h5") == read_bytes(scratch / "b.h5"));
}

TEST(Cache, FromManyThreadsIsTheSameFile) {
  const Scratch scratch;
  constexpr int kTracks = 300;  // several shards
  write_tracks(scratch / "a.h5", kTracks);
  {
    CacheWriter writer(scratch / "b.h5", head());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&writer, t] {
        for (int i = kTracks - 1 - t; i >= 0; i -= 4) add(writer, i);
      });
    }
    for (std::thread& t : threads) t.join();
    writer.finish(entries(kTracks));
  }
  expect_tracks(read_cache(scratch / "b.h5"), kTracks);
  EXPECT_TRUE(read_bytes(scratch / "a.h5") == read_bytes(scratch / "b.h5"));
}

TEST(Cache, KeepsWhatWasFoundInTheSound) {
  const Scratch scratch;
  const std::vector<float> row(5, 1.0F);
  {
    CacheWriter writer(scratch / "a.h5", head());
    writer.add("cut", {1, 2, "cut short: 3.6 of 6.0 s"}, 1, row);
    writer.add("sound", {3, 4}, 1, row);
    writer.finish({{"cut", {1, 0}, ""}, {"sound", {0, 1}, ""}});
  }
  EXPECT_EQ(read_cache(scratch / "a.h5").items.at(0).source.findings, "cut short: 3.6 of 6.0 s");
  EXPECT_EQ(read_cache(scratch / "a.h5").items.at(1).source.findings, "");
  CacheWriter again(scratch / "a.h5", head()), other(scratch / "b.h5", head());
  EXPECT_EQ(again.find("cut", 1)->findings, "cut short: 3.6 of 6.0 s");
  other.lend(scratch / "a.h5");
  EXPECT_EQ(other.find("renamed", 1)->findings, "cut short: 3.6 of 6.0 s");
  other.finish({{"renamed", {1, 0}, ""}});
  EXPECT_EQ(read_cache(scratch / "b.h5").items.at(0).source.findings, "cut short: 3.6 of 6.0 s");
}

TEST(Cache, InterruptedWorkGoesOnAndGivesTheSameFile) {
  const Scratch scratch;
  const std::string path = scratch / "b.h5";
  write_tracks(scratch / "a.h5", 100);
  {
    CacheWriter writer(path, head());
    for (int i = 0; i < 80; ++i) add(writer, i);
  }  // left without finish(): 64 items in the first shard, 16 in the second
  EXPECT_FALSE(std::filesystem::exists(path));
  CacheWriter writer(path, head());
  EXPECT_EQ(writer.resumed(), 80);
  EXPECT_TRUE(writer.find(name_of_track(79), 1079));
  EXPECT_FALSE(writer.find(name_of_track(79), 1));  // the audio is another one now
  EXPECT_FALSE(writer.find(name_of_track(80), 1080));
  for (int i = 80; i < 100; ++i) add(writer, i);
  writer.finish(entries(100));
  EXPECT_TRUE(read_bytes(scratch / "a.h5") == read_bytes(path));
}

TEST(Cache, AKilledProcessLosesOnlyTheOpenShard) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  const pid_t child = fork();
  if (child == 0) {
    CacheWriter writer(path, head());
    for (int i = 0; i < 100; ++i) add(writer, i);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  CacheWriter writer(path, head());
  EXPECT_EQ(writer.resumed(), 64);
  for (int i = 64; i < 100; ++i) add(writer, i);
  writer.finish(entries(100));
  expect_tracks(read_cache(path), 100);
}

TEST(Cache, DamagedShardsAreDoneAgain) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5", shard = path + ".partial/shard-000000.h5";
  const auto start = [&] {
    CacheWriter writer(path, head());
    for (int i = 0; i < 10; ++i) add(writer, i);
  };
  start();
  const std::string good = read_bytes(shard);
  write_bytes(shard, good.substr(0, good.size() / 2));
  EXPECT_EQ(CacheWriter(path, head()).resumed(), 0);
  start();
  // One wrong digest in the table of an otherwise sound file: this item alone is done again.
  Cache cache = read_cache(path + ".partial/shard-000000.h5");
  std::string bytes = read_bytes(path + ".partial/shard-000000.h5");
  const std::uint64_t digest = cache.items[3].digest;
  const auto at = bytes.find(std::string(reinterpret_cast<const char*>(&digest), 8));
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= 1;
  write_bytes(path + ".partial/shard-000000.h5", bytes);
  EXPECT_EQ(CacheWriter(path, head()).resumed(), 0);  // the table's checksum is wrong, so all of it
}

TEST(Cache, AFinishedCacheIsTakenOver) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  write_tracks(path, 20);
  const std::string before = read_bytes(path);
  {
    CacheWriter writer(path, head());
    EXPECT_EQ(writer.resumed(), 20);
    writer.finish(entries(20));
  }
  EXPECT_TRUE(read_bytes(path) == before);
  CacheWriter writer(path, head());
  add(writer, 20);
  writer.finish(entries(21));
  expect_tracks(read_cache(path), 21);
}

TEST(Cache, SkippedEntriesAreLeftOut) {
  const Scratch scratch;
  CacheWriter writer(scratch / "c.h5", head());
  add(writer, 0);
  writer.skip(name_of_track(1), "is silent");
  EXPECT_EQ(writer.finish(entries(2)), 1);
  EXPECT_EQ(read_cache(scratch / "c.h5").skipped.at(0).reason, "is silent");
}

TEST(Cache, OtherOptionsAreAnErrorThatNamesTheField) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  {
    CacheWriter writer(path, head());
    add(writer, 0);
  }
  Cache other = head();
  other.mel.hop_length = 128;
  expect_contains(error_of(ErrorKind::input, [&] { CacheWriter(path, other); }),
                  "hop_length: 256 against 128");
  expect_contains(error_of(ErrorKind::input, [&] { CacheWriter(path, head(DType::f16)); }),
                  "dtype: f32 against f16");
  write_tracks(path, 2);
  expect_contains(error_of(ErrorKind::input, [&] { CacheWriter(path, other); }),
                  "hop_length: 256 against 128");
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  const Cache cache = read_cache(path);
  expect_mel(cache, head().mel, path);
  const std::string message = error_of(ErrorKind::input, [&] { expect_mel(cache, other.mel, path); });
  expect_contains(message, path);
  expect_contains(message, "hop_length: 256 against 128");
  other = head();
  other.mel.preset = "imported";
  expect_contains(error_of(ErrorKind::input, [&] { expect_mel(cache, other.mel, path); }), "preset");
}

TEST(Cache, OnlyOneProcessWrites) {
  const Scratch scratch;
  const CacheWriter first(scratch / "c.h5", head());
  expect_contains(error_of(ErrorKind::output, [&] { CacheWriter(scratch / "c.h5", head()); }),
                  "another process");
}

TEST(Cache, ValuesThatCannotBeStoredAreNamed) {
  const Scratch scratch;
  CacheWriter writer(scratch / "c.h5", head(DType::f16));
  std::vector<float> values(10, 1.0F);
  values[7] = 70000;
  expect_contains(error_of(ErrorKind::input, [&] { writer.add("x", {}, 2, values); }),
                  "x: value 70000 in row 1 cannot be stored as f16; use f32");
  values[7] = std::numeric_limits<float>::quiet_NaN();
  expect_contains(error_of(ErrorKind::input, [&] { writer.add("x", {}, 2, values); }),
                  "x: value nan in row 1");
  values[7] = 65504;
  writer.add("x", {}, 2, values);
}

TEST(Cache, DamagedFeaturesNameTheFileAndTheItem) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  write_tracks(path, 6);
  std::string bytes = read_bytes(path);
  const auto values = features_of(4);
  const auto at = bytes.find(std::string(reinterpret_cast<const char*>(values.data()), 40));
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= 1;
  write_bytes(path, bytes);
  expect_contains(error_of(ErrorKind::input, [&] { read_cache(path); }), path + ": /features: is damaged");
  std::vector<float> row(5);
  expect_contains(error_of(ErrorKind::input, [&] { CacheFile(path).read(0, 1, row.data()); }),
                  path + ": /features: is damaged");
}

TEST(CacheFile, GivesTheRowsThatAReadCacheHas) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  write_tracks(path, 6);
  const Cache cache = read_cache(path);
  const CacheFile file(path);
  EXPECT_EQ(file.description().items.size(), cache.items.size());
  EXPECT_TRUE(file.description().features.bytes.empty());
  EXPECT_EQ(file.rows(), cache.features.shape[0]);
  EXPECT_EQ(file.read_all(), cache.features);
  const auto all = cache.features.as<float>();
  for (std::int64_t first = 0; first < file.rows(); ++first) {
    for (const std::int64_t count : {std::int64_t{1}, std::min<std::int64_t>(7, file.rows() - first)}) {
      std::vector<float> rows(static_cast<std::size_t>(count * 5));
      file.read(first, count, rows.data());
      EXPECT_TRUE(std::equal(rows.begin(), rows.end(), all.begin() + first * 5)) << first << " " << count;
    }
  }
}

// The digest is the second net: it also finds what was written wrongly with a right checksum.
TEST(Cache, ADigestThatDoesNotBelongNamesTheItem) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  write_tracks(path, 3);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t set = H5Dopen2(file, "/items/digest", H5P_DEFAULT);
  std::vector<std::uint64_t> digests(3);
  H5Dread(set, H5T_STD_U64LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, digests.data());
  digests[1] ^= 1;
  H5Dwrite(set, H5T_STD_U64LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, digests.data());
  H5Dclose(set);
  H5Fclose(file);
  expect_contains(error_of(ErrorKind::input, [&] { read_cache(path); }),
                  path + ": item 'rock/track 001.flac' is damaged");
  const CacheFile opened(path);
  expect_contains(error_of(ErrorKind::input, [&] { opened.read_all(); }),
                  path + ": item 'rock/track 001.flac' is damaged");
  EXPECT_EQ(CacheWriter(path, head()).resumed(), 2);  // the other items are intact
}

TEST(Cache, NoDamagedBitGoesUnnoticed) {
  const Scratch scratch;
  const std::string path = scratch / "c.h5";
  write_tracks(path, 3);
  const std::size_t size = read_bytes(path).size();
  const Cache wanted = read_cache(path);
  int refused = 0;
  for (std::size_t i = 0; i < size; i += 3) {
    const int mask = 1 << (i % 8);
    flip_bits(path, i, mask);
    try {
      const Cache c = read_cache(path);
      bool same = c.mel == wanted.mel && c.frame_seconds == wanted.frame_seconds &&
                  c.classes == wanted.classes && c.features == wanted.features &&
                  c.value_scale == wanted.value_scale;
      for (std::size_t k = 0; k < 3; ++k) {
        const CacheItem &a = c.items.at(k), &b = wanted.items[k];
        same = same && a.name == b.name && a.first_row == b.first_row && a.rows == b.rows &&
               a.source == b.source && a.labels == b.labels && a.split == b.split;
      }
      ASSERT_TRUE(same) << "byte " << i << " silently wrong";
    } catch (const Error&) {
      ++refused;
    }
    flip_bits(path, i, mask);
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace melgrad
