// Tar shards: the same tracks as the files that were packed, decoded to the same samples from where they lie.
#include "io/datasets/tar_shards.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "io/audio/audio.h"
#include "io/datasets/open_data_set.h"
#include "io/datasets/scan.h"
#include "io/files/hash.h"
#include "tests/io/fixtures.h"
#include "tests/io/tar_make.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::left_out_of;
using test::names_in;
using test::tar_of;
using test::TarEntry;
using test::TempFolder;
using test::tone;
using test::write_bytes;
using test::write_shard;
using Names = std::vector<std::string>;

std::string wav_of(double hertz) {
  const TempFolder folder{};
  write_audio(folder / "a.wav", tone(hertz, 8000, 0.5), 8000, AudioFormat::wav);
  return test::read_bytes(folder / "a.wav");
}

TEST(TarShards, HoldTheTracksOfTheFolderThatWasPacked) {
  const TempFolder folder{};
  const std::vector<TarEntry> files = {{"blues/blues.00000.wav", wav_of(200)},
                                       {"./jazz/deep/x.wav", wav_of(300)},
                                       {"jazz/._x.wav", "of a system"},
                                       {"blues/cover.jpg", "no audio"},
                                       {"jazz/blues.00000.wav", wav_of(400)}};
  for (const TarEntry& file : files) write_bytes(folder / ("music/" + file.name), file.bytes);
  write_shard(folder, "shards/0.tar", {files[0], files[1], {"blues/", "", '5'}});
  write_shard(folder, "shards/1.tar", {files[2], files[3], files[4]});
  const DataSet plain = open_data_set(folder / "music");
  for (const std::string& data : {std::string("shards"), std::string("shards/*.tar"),
                                  std::string("shards/{0..1}.tar"), std::string("shards/{0,1}.t[a]r")}) {
    const DataSet set = open_data_set(folder / data);
    EXPECT_EQ(set.classes, plain.classes);
    EXPECT_EQ(names_in(set), names_in(plain)) << data;
    EXPECT_EQ(set.ignored, plain.ignored);
    EXPECT_EQ(left_out_of(set), "");
    ASSERT_EQ(set.notes.size(), 1U);
    expect_contains(set.notes[0], "3 tracks of 2 classes by their folders");
    for (std::size_t i = 0; i < set.tracks.size(); ++i) {
      EXPECT_EQ(set.tracks[i].labels, plain.tracks[i].labels);
      EXPECT_EQ(xxh3_of_file(set.tracks[i].path), xxh3_of_file(plain.tracks[i].path));
      EXPECT_EQ(read_audio(set.tracks[i].path, 0).samples, read_audio(plain.tracks[i].path, 0).samples);
    }
  }
  EXPECT_EQ(open_data_set(folder / "shards").tracks[0].path.string(),
            (folder / "shards/0.tar").string() + "/blues/blues.00000.wav");
}

TEST(TarShards, AreReadInTheLayoutsOfFolders) {
  const TempFolder folder{};
  write_shard(folder, "gtzan.tar", {{"x/genres/rock/a.wav", "-"}, {"x/genres/pop/b.wav", "-"}});
  EXPECT_EQ(names_in(open_data_set(folder / "gtzan.tar")), (Names{"pop/b.wav", "rock/a.wav"}));
  write_shard(folder, "split.tar",
              {{"train/a/1.wav", "-"}, {"train/b/2.wav", "-"}, {"test/a/3.wav", "-"}, {"test/b/4.wav", "-"}});
  const DataSet split = open_data_set(folder / "split.tar");
  EXPECT_EQ(split.classes, (Names{"a", "b"}));
  EXPECT_EQ(split.tracks[0].split, "test");
  EXPECT_EQ(split.tracks[3].split, "train");
  write_shard(folder, "numbers.tar", {{"1/a.wav", "-"}, {"2/b.wav", "-"}, {"tracks.csv", "-"}});
  const std::string refusal = error_of(ErrorKind::input, [&] { open_data_set(folder / "numbers.tar"); });
  expect_contains(refusal, "are no classes by their names");
  expect_contains(refusal, "FMA, which is read unpacked only");
}

// ---- what may come from anywhere --------------------------------------------------------------------------

TEST(TarShards, LeaveOutWhatIsNoFileAndTellIt) {
  const TempFolder folder{};
  write_shard(folder, "s.tar",
              {{"a/1.wav", wav_of(200)},
               {"b/2.wav", wav_of(300)},
               {"/etc/x.wav", "-"},
               {"a/../../up.wav", "-"},
               {"..", "-"},
               {"a/link.wav", "", '2', "/etc/passwd"},
               {"a/hard.wav", "", '1', "a/1.wav"},
               {"a/dev.wav", "", '3'},
               {"a/fifo.wav", "", '6'},
               {"a/1.wav", "another"},
               {"__MACOSX/a/1.wav", "-"},
               {"a/new\nline.wav", wav_of(400)}});
  const DataSet set = open_data_set(folder / "s.tar");
  EXPECT_EQ(names_in(set), (Names{"a/1.wav", "a/new\nline.wav", "b/2.wav"}));
  EXPECT_EQ(read_audio(set.tracks[0].path, 0).samples.size(), 4000U) << "the first counts";
  const std::string out = left_out_of(set);
  for (const char* part :
       {"/etc/x.wav: has an absolute name", "up.wav: has a name that leads out",
        "..: has a name that leads out", "a/link.wav: is a link", "a/hard.wav: is a link to another",
        "a/dev.wav: is no regular file", "a/fifo.wav: is no regular file", "a/1.wav: is in "})
    expect_contains(out, part);
  EXPECT_EQ(set.skipped.size(), 8U) << out;
}

TEST(TarShards, ANameInTwoShardsIsToldAndTheFirstCounts) {
  const TempFolder folder{};
  write_shard(folder, "0.tar", {{"a/1.wav", wav_of(200)}, {"b/2.wav", wav_of(300)}});
  write_shard(folder, "1.tar", {{"a/1.wav", wav_of(500)}, {"b/3.wav", wav_of(400)}});
  const DataSet set = open_data_set(folder / "*.tar");
  EXPECT_EQ(names_in(set), (Names{"a/1.wav", "b/2.wav", "b/3.wav"}));
  expect_contains(left_out_of(set), "1.tar/a/1.wav: is in " + (folder / "0.tar").string() + " already");
  EXPECT_EQ(set.tracks[0].path.archive->file, folder / "0.tar");
}

// Cut anywhere, what is whole is read and what is not is told; nothing else happens.
TEST(TarShards, CutShortAnywhereTheyGiveWhatIsWhole) {
  const TempFolder folder{};
  const std::string first = wav_of(200).substr(0, 1500), second = wav_of(300).substr(0, 700);
  const std::string whole = tar_of({{"a/1.wav", first}, {"b/2.wav", second}, {"b/3.wav", "-"}});
  for (std::size_t size = 0; size < whole.size(); size += 61) {
    write_bytes(folder / "s.tar", whole.substr(0, size));
    const auto open = [&] { return open_data_set(folder / "s.tar"); };
    if (size < 512 + first.size()) {
      expect_contains(error_of(ErrorKind::input, open), "no shard holds a file");
      continue;
    }
    const DataSet set = open();
    const bool two = size >= 2560 + second.size(), three = size >= 2560 + 1024 + 513;
    ASSERT_EQ(set.tracks.size(), 1U + (two ? 1 : 0) + (three ? 1 : 0)) << size;
    EXPECT_EQ(set.tracks[0].path.bytes(), first.size());
    if (size < whole.size() - 512) {  // one record of zeros is an end
      ASSERT_EQ(set.skipped.size(), 1U) << size;
      EXPECT_EQ(set.skipped[0].name, (folder / "s.tar").string());
    }
  }
}

TEST(TarShards, DamagedHeadersAndSizesEndAShardAndNothingElse) {
  const TempFolder folder{};
  const TarEntry good{"a/1.wav", wav_of(200)}, other{"b/2.wav", wav_of(300)};
  for (const std::string& size :
       {std::string("77777777777"), std::string("\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12),
        std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", 12)}) {
    write_shard(folder, "s.tar", {good, other, {"b/huge.wav", "-", '0', "", size}, {"b/after.wav", "-"}});
    const DataSet set = open_data_set(folder / "s.tar");
    EXPECT_EQ(names_in(set), (Names{"a/1.wav", "b/2.wav"}));
    EXPECT_EQ(set.skipped.size(), 1U) << left_out_of(set);
  }
  std::string damaged = tar_of({good, other, {"b/3.wav", "-"}});
  damaged[damaged.find("b/3.wav")] ^= 1;
  write_bytes(folder / "s.tar", damaged);
  write_shard(folder, "t.tar", {{"a/4.wav", wav_of(200)}});
  const DataSet set = open_data_set(folder / "{s,t}.tar");
  EXPECT_EQ(names_in(set), (Names{"a/1.wav", "a/4.wav", "b/2.wav"}));
  expect_contains(left_out_of(set), "s.tar: is damaged or cut short after 2 members");
}

TEST(TarShards, NoTarIsRefusedInOneLine) {
  const TempFolder folder{};
  const auto refusal = [&](const std::string& name) {
    return error_of(ErrorKind::input, [&] { open_data_set(folder / name); });
  };
  write_bytes(folder / "empty.tar", "");
  write_bytes(folder / "zeros.tar", std::string(10240, '\0'));
  write_bytes(folder / "noise.tar", test::noise_bytes(20000));
  write_bytes(folder / "noise.tar.gz", test::noise_bytes(20000));
  expect_contains(refusal("empty.tar"), "is empty (0 bytes)");
  expect_contains(refusal("zeros.tar"), "no shard holds a file");
  expect_contains(refusal("noise.tar"), "is no tar archive");
  expect_contains(refusal("noise.tar.gz"), "is no tar archive");
  expect_contains(refusal("absent.tar"), "no such file");
  expect_contains(refusal("absent-*.tar"), "nothing has such a name");
  expect_contains(refusal("{zeros,absent}.tar"), "absent.tar: no such file");
  write_bytes(folder / "x.wav", "-");
  expect_contains(refusal("*.wav"), "is no tar");
}

// ---- how they are named -----------------------------------------------------------------------------------

TEST(TarShards, WhatAShellMadeOfAPatternIsOneAgain) {
  const TempFolder folder{};
  const std::string at = folder.path().string() + "/";
  for (const char* name : {"0008.tar", "0009.tar", "0010.tar", "a.tar", "b{1,2}.tar"})
    write_shard(folder, name, {{"a/" + std::string(name), "-"}, {"a/" + std::string(name) + ".wav", "-"}});
  const auto named = [&](const Names& names) {
    Names paths;
    for (const std::string& name : names) paths.push_back(at + name);
    return shards_named(paths);
  };
  EXPECT_EQ(named({"a.tar"}), at + "a.tar");
  EXPECT_EQ(named({"0008.tar", "0009.tar", "0010.tar"}), at + "{0008..0010}.tar");
  EXPECT_EQ(named({"0008.tar", "0010.tar"}), at + "{0008,0010}.tar");
  EXPECT_EQ(named({"a.tar", "0010.tar"}), at + "{a,0010}.tar");
  for (const Names& names : {Names{"0008.tar", "0009.tar", "0010.tar"}, Names{"a.tar", "b{1,2}.tar"},
                             Names{"a.tar", "a.tar"}, Names{"0010.tar", "b{1,2}.tar", "0008.tar"}}) {
    const std::set<std::string> once(names.begin(), names.end());
    EXPECT_EQ(open_data_set(named(names)).tracks.size(), once.size()) << named(names);
  }
  error_of(ErrorKind::usage, [&] { named({"a.tar", ""}); });
  error_of(ErrorKind::input, [&] { named({"a.tar", "absent.tar"}); });
  error_of(ErrorKind::usage, [&] { shards_named({at + "a.tar", "-"}); });
}

TEST(TarShards, CompressedOnesAreUnpackedAsLongAsTheyAreNeeded) {
  const TempFolder folder{};
  const std::string tar = tar_of({{"a/1.wav", wav_of(200)}, {"b/2.wav", wav_of(300)}});
  const auto pack = [&](const std::string& name, const std::string& bytes) {
    const gzFile file = gzopen((folder / name).c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
  };
  pack("s.tar.gz", tar);
  const fs::path temporary = (folder / "tmp/x").parent_path();
  const char* const before = std::getenv("TMPDIR");
  const std::string was = before == nullptr ? "" : before;
  ::setenv("TMPDIR", temporary.c_str(), 1);
  {
    const DataSet set = open_data_set(folder / "s.tar.gz");
    EXPECT_EQ(names_in(set), (Names{"a/1.wav", "b/2.wav"}));
    EXPECT_EQ(set.tracks[0].path.string(), (folder / "s.tar.gz").string() + "/a/1.wav");
    EXPECT_EQ(read_audio(set.tracks[1].path, 0).samples.size(), 4000U);
    expect_contains(set.notes[0], "are unpacked to " + temporary.string());
    EXPECT_FALSE(fs::is_empty(temporary));
  }
  EXPECT_TRUE(fs::is_empty(temporary)) << "what was unpacked is gone";
  pack("long.tar.gz", tar_of({{"a/1.wav", wav_of(200)}, {"b/2.wav", test::noise_bytes(300000)}}));
  const std::string packed = test::read_bytes(folder / "long.tar.gz");
  write_bytes(folder / "cut.tar.gz", packed.substr(0, packed.size() - 20));
  const DataSet cut = open_data_set(folder / "cut.tar.gz");
  EXPECT_EQ(names_in(cut), Names{"a/1.wav"});
  expect_contains(left_out_of(cut), "cut.tar.gz: cannot be unpacked to its end");
  expect_contains(left_out_of(cut), "cut.tar.gz: is cut short: of b/2.wav there are");
  ::setenv("TMPDIR", (folder / "absent").c_str(), 1);
  error_of(ErrorKind::output, [&] { open_data_set(folder / "s.tar.gz"); });
  before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", was.c_str(), 1);
}

TEST(TarShards, ScanFindsWhatIsWrongWithMembers) {
  const TempFolder folder{};
  write_shard(folder, "s.tar",
              {{"a/1.wav", wav_of(200)}, {"a/2.wav", wav_of(200)}, {"a/none.wav", ""}, {"b/bad.wav", "x"}});
  const DataSet set = open_data_set(folder / "s.tar");
  const ScanReport report = scan(set, {.min_seconds = 0.1, .threads = 1});
  ASSERT_EQ(report.findings.size(), 3U);
  EXPECT_EQ(report.findings[0].problem, Problem::duplicate);
  EXPECT_EQ(report.findings[1].problem, Problem::empty);
  EXPECT_EQ(report.findings[2].problem, Problem::unreadable);
}

}  // namespace
}  // namespace melgrad
