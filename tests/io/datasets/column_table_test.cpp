// Columns that are attached to tracks from a table beside them.
#include "io/datasets/column_table.h"

#include "io/arrays/cache_content.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

using Names = std::vector<std::string>;

class ColumnTable : public testing::Test {
 protected:
  AttachedColumns read(const std::string& text) {
    write_bytes(scratch_ / "c.csv", text);
    return attached_columns(scratch_ / "c.csv", names_);
  }
  void refused(const std::string& text, const std::string& part) {
    expect_contains(error_of(ErrorKind::input, [&] { read(text); }), part);
  }
  Scratch scratch_;
  Names names_ = {"blues/blues.00001.wav", "blues/blues.00002.wav", "jazz/jazz.00001.wav"};
};

TEST_F(ColumnTable, GoesTogetherByNameWithOrWithoutFolderAndExtension) {
  const AttachedColumns read_ = read(
      "Artist,file,recording,split\n"
      "B.B. King,blues.00002,r7,Training\n"
      "\"Davis, Miles\",jazz/jazz.00001.wav,,val\n"
      "nobody,pop.00067,r9,test\n");
  EXPECT_EQ(read_.columns, (Names{"artist", "recording"}));
  EXPECT_EQ(read_.values, (std::vector<Names>{{"", ""}, {"B.B. King", "r7"}, {"Davis, Miles", ""}}));
  EXPECT_EQ(read_.splits, (Names{"", "train", "valid"}));
  ASSERT_EQ(read_.notes.size(), 2U);
  expect_contains(read_.notes[0],
                  "c.csv: 1 of its tracks are not in the data (the first: pop.00067 in line 4)");
  expect_contains(read_.notes[1], "has no row for 1 of 3 tracks (the first: blues/blues.00001.wav)");
}

TEST_F(ColumnTable, WhatIsWrongIsNamedWithItsLine) {
  refused("", "no rows");
  refused("artist,fold\nx,1\n", "no column names the tracks");
  refused("name\nblues.00001\n", "has no column beside \"name\"");
  refused("name,a,A\nblues.00001,1,2\n", "column \"a\" stands twice");
  refused("name,a\nblues.00001,1\nblues/blues.00001.wav,2\n",
          "c.csv:3: blues/blues.00001.wav is named before in line 2; remove one");
  refused("name,split\nblues.00001,dev\n", "c.csv:2: split \"dev\"");
  refused("name,a\nrock.1,1\n",
          "names none of the 3 tracks, whose first is blues/blues.00001.wav; its own "
          "first is rock.1 in line 2");
  names_.emplace_back("other/blues.00001.mp3");  // now two could be meant
  expect_contains(read("name,a\nblues.00001,1\njazz.00001,2\n").notes[0], "blues.00001 in line 2");
}

TEST_F(ColumnTable, AColumnThatIsThereAlreadyIsRefused) {
  Cache cache;
  cache.columns = {"fold"};
  for (const std::string& name : names_) {
    CacheItem item;
    item.name = name;
    item.columns = {"1"};
    cache.items.push_back(item);
  }
  write_bytes(scratch_ / "c.csv", "name,artist,split\njazz.00001,x,test\n");
  EXPECT_EQ(attach_columns(cache, &Cache::items, scratch_ / "c.csv").size(), 1U);
  EXPECT_EQ(cache.columns, (Names{"fold", "artist"}));
  EXPECT_EQ(cache.items[2].columns, (Names{"1", "x"}));
  EXPECT_EQ(cache.items[0].columns, (Names{"1", ""}));
  EXPECT_EQ(cache.items[2].split, "test");
  const auto again = [&] { attach_columns(cache, &Cache::items, scratch_ / "c.csv"); };
  expect_contains(error_of(ErrorKind::usage, again), "the data set has a split already");
  write_bytes(scratch_ / "c.csv", "name,Artist\njazz.00001,x\n");
  expect_contains(error_of(ErrorKind::usage, again), "column \"artist\" is in the data set already");
}

}  // namespace
}  // namespace melgrad
