// Protocols: what is divided how, what stays together, and what is refused.
#include "models/training/protocols.h"

#include <set>

#include "tests/devices.h"
#include "tests/io/scratch.h"
#include "tests/models/synthetic.h"

namespace melgrad {
namespace {

using Tracks = std::vector<std::int32_t>;

class Protocols : public ::testing::Test {
 protected:
  static constexpr int kTracks = 60, kClasses = 3, kRows = 50, kBands = 16;

  // Track i and i + 30 are identical for i < 3; three tracks of a class in a row are of one artist.
  void SetUp() override {
    const auto made = testing::synthetic(kTracks, kClasses, kRows, kBands);
    cache_.mel = recipe_.features;
    cache_.mel.preset = "imported";
    cache_.dtype = DType::f32;
    cache_.bands = kBands;
    cache_.classes = {"a", "b", "c"};
    cache_.columns = {"artist"};
    std::vector<float> values = made.features;
    for (int i = 0; i < 3; ++i)
      std::copy_n(values.begin() + i * kRows * kBands, kRows * kBands,
                  values.begin() + (i + 30) * kRows * kBands);
    cache_.features = HostArray::of<float>({kTracks * kRows, kBands}, std::span<const float>(values));
    for (int i = 0; i < kTracks; ++i) {
      CacheItem item;
      item.name = fmt::format("track{:02}", i);
      item.first_row = i * kRows;
      item.rows = kRows;
      item.labels = {i % 3 == 0, i % 3 == 1, i % 3 == 2};
      item.columns = {fmt::format("{}{}", i % 3, i / 9)};
      cache_.items.push_back(item);
    }
  }

  std::unique_ptr<TrainingData> data() {
    const std::string path = scratch_ / fmt::format("{}.h5", ++written_);
    write_cache(path, cache_);
    return std::make_unique<TrainingData>(*device_, path, recipe_);
  }
  static std::vector<Split> splits(const TrainingData& data, const ProtocolOptions& options,
                                   std::uint64_t repetition = 0) {
    return splits_of(data, options, {}, repetition);
  }
  static int side(const Split& split, std::int32_t track) {
    const auto in = [&](const Tracks& part) {
      return std::find(part.begin(), part.end(), track) != part.end();
    };
    return in(split.train) ? 0 : in(split.valid) ? 1 : in(split.test) ? 2 : -1;
  }
  static bool apart(const Split& split, std::int32_t a, std::int32_t b) {
    return side(split, a) != side(split, b);
  }
  void set_column(const std::string& name, const std::function<std::string(int)>& value) {
    cache_.columns.push_back(name);
    for (int i = 0; i < kTracks; ++i) cache_.items[static_cast<std::size_t>(i)].columns.push_back(value(i));
  }

  void write_list(const std::string& part, const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += name + "\n";
    write_bytes(scratch_ / (part + ".txt"), text);
  }

  Scratch scratch_;
  int written_ = 0;
  std::unique_ptr<Device> device_ = training_device();
  Recipe recipe_ = testing::small_recipe();
  Cache cache_;
};

TEST_F(Protocols, RepeatsStandOnBothSidesInDongAlone) {
  const auto of = data();
  int straddling = 0;
  const auto dong = splits(*of, {Protocol::dong, 20}), free = splits(*of, {Protocol::repeat_free, 20});
  ASSERT_EQ(dong.size(), 20U);
  for (std::size_t k = 0; k < dong.size(); ++k) {
    EXPECT_EQ(dong[k].train.size(), 30U);
    EXPECT_EQ(dong[k].valid.size(), 12U);
    EXPECT_EQ(dong[k].test.size(), 18U);
    for (const std::int32_t i : {0, 1, 2}) {
      straddling += apart(dong[k], i, i + 30) ? 1 : 0;
      EXPECT_FALSE(apart(free[k], i, i + 30)) << k;
    }
  }
  EXPECT_GT(straddling, 5);
  // Split k is that of reproduce dong2018, whatever the repetition.
  EXPECT_EQ(splits(*of, {Protocol::dong, 2}, 7)[1].test, dong[1].test);
  EXPECT_EQ(dong[1].test, of->random_split({0.5, 0.2, 0.3, false}, 1).test);
}

TEST_F(Protocols, GroupsStayOnOneSide) {
  const auto of = data();
  const auto artists = of->column("artist");
  auto all = splits(*of, {Protocol::repeat_free, 5, "artist"});
  for (Split& fold : splits(*of, {Protocol::folds, 4, "artist"})) all.push_back(std::move(fold));
  for (const Split& split : all)
    for (std::int32_t a = 0; a < kTracks; ++a)
      for (std::int32_t b = 0; b < a; ++b)
        if (artists[static_cast<std::size_t>(a)] == artists[static_cast<std::size_t>(b)]) {
          EXPECT_FALSE(apart(split, a, b)) << a << " " << b;
        }
}

TEST_F(Protocols, FoldsTestEveryTrackOnceAndAreDrawnAnewEachRepetition) {
  const auto of = data();
  const auto first = splits(*of, {Protocol::folds, 5}, 0), second = splits(*of, {Protocol::folds, 5}, 1);
  std::multiset<std::int32_t> tested;
  for (const Split& split : first) {
    tested.insert(split.test.begin(), split.test.end());
    EXPECT_EQ(split.train.size() + split.valid.size() + split.test.size(), 60U);
    for (const std::int64_t n : of->tracks_of_each(split.test)) EXPECT_EQ(n, 4);
  }
  EXPECT_EQ(tested.size(), 60U);
  EXPECT_EQ(std::set(tested.begin(), tested.end()).size(), 60U);
  EXPECT_NE(first[0].test, second[0].test);
}

TEST_F(Protocols, TheDataSetsOwnFoldsAreObeyed) {
  set_column("fold", [](int i) { return std::to_string(1 + i / 3 % 4); });
  const auto of = data();
  const auto own = splits(*of, {Protocol::folds, 4, "", "", true});
  ASSERT_EQ(own.size(), 4U);
  for (std::size_t k = 0; k < 4; ++k)
    for (const std::int32_t track : own[k].test) EXPECT_EQ(track / 3 % 4, static_cast<int>(k));
  const auto message = [&](const ProtocolOptions& options) {
    return error_of(ErrorKind::input, [&] { splits(*of, options); });
  };
  expect_contains(message({Protocol::folds, 5, "", "", true}), "its column \"fold\" has 4 folds, not 5");
  expect_contains(message({Protocol::folds, 5}), "which it had not when this was begun");
  const std::string straddles = message({Protocol::folds, 4, "artist", "", true});
  expect_contains(straddles, "artist \"00\" is in fold 1 and in fold 2 of the data set");
  expect_contains(straddles, "leave out --group");
}

TEST_F(Protocols, WhatCannotBeDividedIsRefused) {
  set_column("side", [](int i) { return i < 40 ? "left" : ""; });
  set_column("label", [](int i) { return i % 3 == 0 ? "x" : ""; });
  const auto of = data();
  const auto message = [&](const ProtocolOptions& options) {
    return error_of(ErrorKind::input, [&] { splits(*of, options); });
  };
  expect_contains(message({Protocol::folds, 4, "side"}),
                  "40 tracks have side \"left\", and a fold of 4 holds 15");
  expect_contains(message({Protocol::repeat_free, 1, "side"}), "the part that trains holds 30 of all 60");
  expect_contains(message({Protocol::folds, 2, "label"}),
                  "leaves none of the 20 tracks of \"a\" to train on; other --folds or --group");
  expect_contains(message({Protocol::folds, 70}), "70 folds of 60 tracks: one has no track; fewer folds");
  expect_contains(message({Protocol::folds, 4, "artits"}), "it has artist, side, label");
  write_list("test", {"track00.wav"});
  write_list("train", {"track01.wav", "track02.wav"});
  write_list("valid", {"track04.wav"});
  expect_contains(message({Protocol::fault_filtered, 1, "", scratch_.path()}),
                  "the lists' split 1 of 1 leaves none of the 20 tracks of \"a\" to train on");
}

}  // namespace
}  // namespace melgrad
