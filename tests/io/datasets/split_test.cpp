#include "io/datasets/split.h"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <numeric>
#include <set>

#include "kernels/error.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

std::vector<std::int64_t> alone(std::size_t n) {
  std::vector<std::int64_t> group(n);
  std::iota(group.begin(), group.end(), 0);
  return group;
}

std::vector<std::int32_t> labels_of(int classes, int each) {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < classes * each; ++i) labels.push_back(i / each);
  return labels;
}

int count(const std::vector<std::int32_t>& part, const std::vector<std::int32_t>& labels, int klass) {
  return static_cast<int>(std::count_if(part.begin(), part.end(), [&](std::int32_t i) {
    return labels[static_cast<std::size_t>(i)] == klass;
  }));
}

TEST(Split, EveryClassGivesItsShareAndEveryTrackIsUsedOnce) {
  const auto labels = labels_of(10, 100);
  const Split s = stratified_split(labels, alone(1000), {0.5, 0.2, 0.3}, 4);
  for (int klass = 0; klass < 10; ++klass) {
    EXPECT_EQ(count(s.train, labels, klass), 50);
    EXPECT_EQ(count(s.valid, labels, klass), 20);
    EXPECT_EQ(count(s.test, labels, klass), 30);
  }
  std::set<std::int32_t> all(s.train.begin(), s.train.end());
  all.insert(s.valid.begin(), s.valid.end());
  all.insert(s.test.begin(), s.test.end());
  EXPECT_EQ(all.size(), 1000U);
}

TEST(Split, TheSeedDecides) {
  const auto labels = labels_of(3, 20);
  const auto make = [&](std::uint64_t seed) { return stratified_split(labels, alone(60), {}, seed).train; };
  EXPECT_EQ(make(1), make(1));
  EXPECT_NE(make(1), make(2));
}

TEST(Split, FractionsBelowOneLeaveTracksOut) {
  const auto labels = labels_of(2, 50);
  const Split s = stratified_split(labels, alone(100), {0.2, 0.1, 0.1}, 1);
  EXPECT_EQ(s.train.size(), 20U);
  EXPECT_EQ(s.valid.size(), 10U);
  EXPECT_EQ(s.test.size(), 10U);
}

// Identical tracks, within a class and across classes, over many seeds.
TEST(Split, GroupsNeverStraddle) {
  const auto labels = labels_of(4, 30);
  auto group = alone(120);
  for (const auto& [a, b] : {std::pair{1, 0}, {7, 6}, {8, 6}, {40, 3}, {119, 60}}) {
    group[static_cast<std::size_t>(a)] = b;
  }
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Split s = stratified_split(labels, group, {}, seed);
    for (const auto* part : {&s.train, &s.valid, &s.test}) {
      std::set<std::int64_t> inside, outside;
      for (std::size_t i = 0; i < group.size(); ++i) {
        const bool here = std::binary_search(part->begin(), part->end(), static_cast<std::int32_t>(i));
        (here ? inside : outside).insert(group[i]);
      }
      for (const std::int64_t g : inside) ASSERT_FALSE(outside.contains(g)) << "seed " << seed;
    }
    EXPECT_EQ(s.train.size() + s.valid.size() + s.test.size(), 120U);
  }
}

TEST(Split, OneFoldIsTestedOnAndTheNextValidates) {
  const std::vector<std::string> fold = {"1", "10", "2", "", "1", "2"};
  const Split last = split_by_fold(fold, "10", "c.h5");
  EXPECT_EQ(last.test, std::vector<std::int32_t>{1});
  EXPECT_EQ(last.valid, (std::vector<std::int32_t>{0, 4})) << "after the last comes the first";
  EXPECT_EQ(last.train, (std::vector<std::int32_t>{2, 5}));
  EXPECT_EQ(split_by_fold(fold, "1", "c.h5").valid, (std::vector<std::int32_t>{2, 5})) << "2 comes before 10";
  EXPECT_THROW(split_by_fold(fold, "3", "c.h5"), Error);
  EXPECT_THROW(split_by_fold({"a", "b"}, "a", "c.h5"), Error);
}

TEST(Split, GroupsOfTwoKindsBecomeOne) {
  std::vector<std::int64_t> group = {0, 1, 1, 3, 4, 5};
  join_groups(group, {"x", "x", "y", "y", "", "z"});
  EXPECT_EQ(group, (std::vector<std::int64_t>{0, 0, 0, 0, 4, 5}));
}

class SplitLists : public ::testing::Test {
 protected:
  void list(const std::string& name, const std::string& text) { std::ofstream(scratch_ / name) << text; }
  const Scratch scratch_;
  const std::vector<std::string> names_{"blues/blues.00000.wav", "blues/blues.00001.wav",
                                        "jazz/jazz.00000.wav", "jazz/jazz.00001.wav"};
};

TEST_F(SplitLists, MatchWithOrWithoutFolderAndExtension) {
  list("a_train.txt", "blues/blues.00000.wav\njazz.00000\r\n");
  list("a_valid.txt", "blues.00001.au\n\n");
  list("a_test.txt", "x/jazz.00001.flac\nrock/rock.00000.wav\n");
  EXPECT_TRUE(has_split_lists(scratch_ / ""));
  std::vector<std::string> missing;
  const Split s = split_from_lists(scratch_ / "", names_, &missing);
  EXPECT_EQ(s.train, (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(s.valid, std::vector<std::int32_t>{1});
  EXPECT_EQ(s.test, std::vector<std::int32_t>{3});
  EXPECT_EQ(missing, std::vector<std::string>{"rock/rock.00000.wav"});
}

TEST_F(SplitLists, ATrackOnTwoListsIsRefused) {
  list("train.txt", "blues.00000\n");
  list("valid.txt", "blues.00001\n");
  list("test.txt", "blues.00000\n");
  EXPECT_THROW(split_from_lists(scratch_ / "", names_, nullptr), Error);
}

TEST_F(SplitLists, AMissingListIsNamed) {
  list("train.txt", "blues.00000\n");
  EXPECT_FALSE(has_split_lists(scratch_ / ""));
  EXPECT_THROW(split_from_lists(scratch_ / "", names_, nullptr), Error);
}

TEST_F(SplitLists, FilesReadBack) {
  const Split s{{0, 3}, {1}, {2}};
  write_split(scratch_ / "splits.json", s, names_);
  const Split again = read_split(scratch_ / "splits.json", names_);
  EXPECT_EQ(again.train, s.train);
  EXPECT_EQ(again.valid, s.valid);
  EXPECT_EQ(again.test, s.test);
  const std::vector<std::string> fewer(names_.begin(), names_.begin() + 2);
  EXPECT_THROW(read_split(scratch_ / "splits.json", fewer), Error);
}

}  // namespace
}  // namespace melgrad
