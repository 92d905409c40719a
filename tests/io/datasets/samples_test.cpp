// Labels that lie beside audio, as WebDataset has them.
#include <gtest/gtest.h>

#include "io/datasets/open_data_set.h"
#include "tests/io/tar_make.h"

namespace melgrad {
namespace {

using test::error_of;
using test::left_out_of;
using test::names_in;
using test::TempFolder;
using test::write_shard;
using Names = std::vector<std::string>;

TEST(Samples, ClsBesideAFileIsItsClass) {
  const TempFolder folder{};
  write_shard(folder, "s.tar",
              {{"000.flac", "-"},
               {"000.cls", "10\n"},
               {"001.flac", "-"},
               {"001.cls", " 9 "},
               {"001.txt", "words"},
               {"a.b.wav", "-"},
               {"a.b.cls", "2"},
               {"a.cls", "3"},
               {"a.c.wav", "-"},
               {"002.wav", "-"},
               {"003.wav", "-"},
               {"003.cls", std::string(4000, 'x')},
               {"004.wav", "-"},
               {"004.cls", "one\ntwo"},
               {"000.json", R"({"label": "other", "artist": "someone", "fold": 4, "split": "Validation"})"}});
  const DataSet set = open_data_set(folder / "s.tar");
  EXPECT_EQ(set.classes, (Names{"2", "3", "9", "10"})) << "numbers by their size";
  EXPECT_EQ(names_in(set), (Names{"000.flac", "001.flac", "a.b.wav", "a.c.wav"}));
  EXPECT_EQ(set.tracks[0].labels, Names{"10"});
  EXPECT_EQ(set.tracks[0].split, "valid");
  EXPECT_EQ(set.columns, (Names{"fold", "artist"}));
  EXPECT_EQ(set.tracks[0].columns, (Names{"4", "someone"}));
  EXPECT_EQ(set.tracks[2].labels, Names{"2"}) << "the longest name";
  EXPECT_EQ(set.tracks[3].labels, Names{"3"}) << "WebDataset's key";
  EXPECT_EQ(set.ignored, Names{"001.txt"});
  const std::string out = left_out_of(set);
  expect_contains(out, "002.wav: no label: no .cls beside it");
  expect_contains(out, "003.wav: ");
  expect_contains(out, "has 4000 bytes");
  expect_contains(out, "holds no label in one line");
  expect_contains(set.notes[0], "4 tracks of 4 classes by the .cls beside each");
}

TEST(Samples, JsonBesideAFileSaysItsLabels) {
  const TempFolder folder{};
  write_shard(folder, "s.tar",
              {{"x/1.mp3", "-"},
               {"x/1.json", R"({"tags": ["rock", "slow", "rock"], "split": "train"})"},
               {"x/2.mp3", "-"},
               {"x/2.json", R"({"tags": []})"},
               {"x/3.mp3", "-"},
               {"x/3.json", R"({"genre": "jazz", "tags": ["rock"]})"},
               {"x/4.mp3", "-"},
               {"x/4.json", R"({"tags": [1.5]})"},
               {"x/5.mp3", "-"},
               {"x/5.json", "no json"},
               {"x/6.mp3", "-"},
               {"x/6.json", R"({"title": "x"})"},
               {"x/7.mp3", "-"},
               {"x/7.json", R"({"class": 7, "split": "holdout"})"},
               {"x/8.mp3", "-"},
               {"x/8.json", R"([1])"}});
  const DataSet set = open_data_set(folder / "s.tar");
  EXPECT_EQ(set.classes, (Names{"jazz", "rock", "slow"}));
  EXPECT_EQ(names_in(set), (Names{"x/1.mp3", "x/2.mp3", "x/3.mp3"}));
  EXPECT_EQ(set.tracks[0].labels, (Names{"rock", "slow"}));
  EXPECT_EQ(set.tracks[0].split, "train");
  EXPECT_TRUE(set.tracks[1].labels.empty());
  EXPECT_EQ(set.tracks[2].labels, Names{"jazz"});
  const std::string out = left_out_of(set);
  for (const char* part : {"x/4.mp3: ", "holds what is no label", "x/5.mp3: ", "x/6.mp3: no label",
                           "split \"holdout\" is none of", "x/8.mp3: no label"})
    expect_contains(out, part);
}

TEST(Samples, TextIsALabelWhereNothingElseIsAndSomeAreAlike) {
  const TempFolder folder{};
  write_shard(folder, "s.tar", {{"1.wav", "-"}, {"1.txt", "rock"}, {"2.wav", "-"}, {"2.txt", "rock"}});
  EXPECT_EQ(open_data_set(folder / "s.tar").classes, Names{"rock"});
  write_shard(folder, "captions.tar",
              {{"1.wav", "-"}, {"1.txt", "a man sings"}, {"2.wav", "-"}, {"2.txt", "a dog"}});
  const std::string refusal = error_of(ErrorKind::input, [&] { open_data_set(folder / "captions.tar"); });
  expect_contains(refusal, "no class folders with audio");
  const DataSet set = open_data_set(folder / "captions.tar", {.labels_optional = true});
  EXPECT_EQ(names_in(set), (Names{"1.wav", "2.wav"}));
  expect_contains(set.notes[0], "taken as files without labels");
}

TEST(Samples, FoldersThatAreClassesGoBeforeCls) {
  const TempFolder folder{};
  write_shard(folder, "s.tar", {{"a/1.wav", "-"}, {"a/1.cls", "x"}, {"b/2.wav", "-"}});
  const DataSet set = open_data_set(folder / "s.tar");
  EXPECT_EQ(set.classes, (Names{"a", "b"}));
  expect_contains(set.notes[0], ".cls is not used");
}

}  // namespace
}  // namespace melgrad
