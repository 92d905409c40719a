// What --set of a sweep means: lists, ranges, keys whose values are text, and what is refused.
#include "apps/sweep/points.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

using List = std::vector<std::string>;

std::string refusal(const List& assignments) {
  try {
    sweep_keys(assignments);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

void expect_refused(const List& assignments, const std::string& part) {
  const std::string why = refusal(assignments);
  EXPECT_NE(why.find(part), std::string::npos) << assignments.back() << ": " << why;
}

TEST(SweepPoints, GridGoesOverTheFirstKeySlowest) {
  const auto keys = sweep_keys({"lr=1e-3,3e-4", "model.dropout=.1,0.30"});
  EXPECT_EQ(keys[0].key, "train.rate");
  const std::vector<SweepPoint> expected = {
      {"0.001", "0.1"}, {"0.001", "0.3"}, {"0.0003", "0.1"}, {"0.0003", "0.3"}};
  EXPECT_EQ(grid_of(keys), expected);
  EXPECT_EQ(assignments_of(keys, expected[2]), (List{"train.rate=0.0003", "model.dropout=0.1"}));
  EXPECT_EQ(as_json(keys).dump(), R"({"train.rate":["0.001","0.0003"],"model.dropout":["0.1","0.3"]})");
  EXPECT_EQ(grid_of({}), std::vector<SweepPoint>{{}});
}

TEST(SweepPoints, TextsAreDividedBySemicolons) {
  const auto values = [](const std::string& text) { return sweep_keys({"train.freeze=" + text})[0].values; };
  EXPECT_EQ(values("block1.*"), List{"block1.*"});
  EXPECT_EQ(values("block1.*,front.*;"), List{"block1.*,front.*"});
  EXPECT_EQ(values(";block1.*;block1.*, front.*"), (List{"", "block1.*", "block1.*, front.*"}));
  EXPECT_EQ(values(""), List{""});
  expect_refused({"train.freeze=block1.*,front.*"}, "a ; ends each");
  expect_refused({"train.phases=80 adam 1e-4, 20 sgd 1e-3"}, "a ; ends each");
}

TEST(SweepPoints, WhatIsRefused) {
  expect_refused({"train.rate"}, "expected section.key=value");
  expect_refused({"train.rate="}, "a value is missing");
  expect_refused({"train.rate=1e-3,"}, "a value is missing");
  expect_refused({"train.rate=1e-3,,1e-4"}, "a value is missing");
  expect_refused({"train.rate=1e-3,0.001"}, "'0.001' comes twice");
  expect_refused({"train.optimizer=adam,adam"}, "'adam' comes twice");
  expect_refused({"train.freeze=a;a"}, "'a' comes twice");
  expect_refused({"train.rate=1e-3", "lr=1e-4"}, "comes twice");
  expect_refused({"train.raet=1e-3"}, "train.rate");
  expect_refused({"train.rate=1e-2..1e-4"}, "is no range");
  expect_refused({"train.batch=1.5..4"}, "is no range");
  for (const char* key : {"features.n_mels=40,80", "split.train=0.5,0.6", "train.best_by=loss,roc_auc",
                          "task=genres,tags", "name=a;b", "features.n_mels=40..80"})
    expect_refused({key}, "has one value in a sweep");
  EXPECT_EQ(refusal({"features.n_mels=40", "split.train=0.5"}), "");
  EXPECT_THROW(grid_of(sweep_keys({"train.rate=1e-4..1e-2"})), Error);
}

TEST(SweepPoints, RandomOnesAreDifferentAndAFunctionOfTheSeed) {
  const auto keys = sweep_keys(
      {"train.rate=1e-4..1e-1", "model.dropout=0..0.5", "train.batch=8..64", "train.schedule=cosine,step"});
  const auto points = random_points(keys, 400, 7);
  EXPECT_EQ(points, random_points(keys, 400, 7));
  EXPECT_NE(points, random_points(keys, 400, 8));
  EXPECT_EQ(std::set<SweepPoint>(points.begin(), points.end()).size(), 400U);
  int low = 0, small = 0, half = 0, cosine = 0;
  std::int64_t least = 64, most = 8;
  for (const SweepPoint& point : points) {
    const double rate = *number_in<double>(point[0]), dropout = *number_in<double>(point[1]);
    const auto batch = number_in<std::int64_t>(point[2]);
    ASSERT_TRUE(batch && rate >= 1e-4 && rate <= 1e-1 && dropout >= 0 && dropout <= 0.5);
    least = std::min(least, *batch);
    most = std::max(most, *batch);
    EXPECT_LE(point[0].size(), 8U) << point[0];  // three digits
    low += rate < std::sqrt(1e-5) ? 1 : 0;
    half += dropout < 0.25 ? 1 : 0;
    small += *batch < 36 ? 1 : 0;
    cosine += point[3] == "cosine" ? 1 : 0;
  }
  // Half of them by the logarithm, by the value, by both: within five deviations.
  for (const int n : {low, half, small, cosine}) EXPECT_NEAR(n, 200, 50);
  EXPECT_LE(least, 9);
  EXPECT_GE(most, 63);
}

TEST(SweepPoints, NoMoreRandomOnesThanThereAre) {
  const auto keys = sweep_keys({"train.rate=1e-3,1e-4", "train.batch=1..3"});
  EXPECT_EQ(random_points(keys, 6, 0).size(), 6U);
  EXPECT_THROW(random_points(keys, 7, 0), Error);
}

}  // namespace
}  // namespace melgrad
