// Multi-label metrics against scikit-learn (golden/make_metrics.py), and properties they must have.
#include "models/metrics/tag_metrics.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>

#include "kernels/error.h"
#include "tests/golden.h"
#include "tests/io/scratch.h"
#include "tests/places.h"

namespace melgrad {
namespace {

TagScores table(std::size_t tracks, std::size_t tags) {
  TagScores s;
  for (std::size_t i = 0; i < tracks; ++i) s.tracks.push_back("track" + std::to_string(i));
  for (std::size_t t = 0; t < tags; ++t) s.tags.push_back("tag" + std::to_string(t));
  s.scores.resize(tracks * tags);
  s.targets.resize(tracks * tags);
  return s;
}

// Scores uniform in [-1, 1); a track has tag t where another uniform number is below score - rarity[t].
TagScores random_table(std::uint64_t seed, std::size_t tracks, const std::vector<float>& rarity) {
  TagScores s = table(tracks, rarity.size());
  s.scores = golden::uniform(seed, static_cast<std::int64_t>(s.scores.size()), 1.0);
  const auto other = golden::uniform(seed + 1, static_cast<std::int64_t>(s.scores.size()), 1.0);
  for (std::size_t i = 0; i < other.size(); ++i)
    s.targets[i] = other[i] < s.scores[i] - rarity[i % rarity.size()] ? 1 : 0;
  return s;
}

// The case "many" of make_metrics.py: every third track's scores are rounded to 1/32 before the targets.
TagScores many_tracks() {
  const std::vector<float> rarity = {-0.4F, 0.2F, 0.8F, 1.2F, 1.6F};
  TagScores s = random_table(31, 3000, rarity);
  const auto other = golden::uniform(32, static_cast<std::int64_t>(s.scores.size()), 1.0);
  for (std::size_t i = 0; i < s.scores.size(); ++i) {
    if (i / rarity.size() % 3 == 0) s.scores[i] = std::nearbyint(s.scores[i] * 32) / 32;
    s.targets[i] = other[i] < s.scores[i] - rarity[i % rarity.size()] ? 1 : 0;
  }
  return s;
}

TagMetrics without_intervals(const TagScores& scores, double threshold = 0.5) {
  TagMetricsOptions options;
  options.threshold = threshold;
  options.resamples = 0;
  return tag_metrics(scores, options);
}

void expect_same(const TagFigures& figures, const nlohmann::json& want, const std::string& where) {
  for (const auto& [name, title, member] : kTagFigures) {
    const double value = (figures.*member).value;
    if (want[name].is_null()) EXPECT_TRUE(std::isnan(value)) << where << " " << name << " " << value;
    else EXPECT_NEAR(value, want[name].get<double>(), 1e-12) << where << " " << name;
  }
}

TEST(TagMetrics, agree_with_scikit_learn) {
  std::ifstream file(source_path("tests/golden/metrics.json"));
  ASSERT_TRUE(file.good());
  const auto golden = nlohmann::json::parse(file);
  ASSERT_EQ(golden["cases"].size(), 10U);
  for (const auto& want : golden["cases"]) {
    const std::string name = want["name"];
    TagScores scores = name == "many" ? many_tracks() : table(want["shape"][0], want["shape"][1]);
    if (name != "many") {
      want["scores"].get_to(scores.scores);
      want["targets"].get_to(scores.targets);
    }
    const TagMetrics metrics = without_intervals(scores, want["threshold"]);
    ASSERT_EQ(metrics.tags.size(), want["tags"].size()) << name;
    for (std::size_t t = 0; t < metrics.tags.size(); ++t) {
      expect_same(metrics.tags[t].figures, want["tags"][t], name + " " + metrics.tags[t].tag);
      if (name == "many") {
        EXPECT_EQ(metrics.tags[t].positives, want["positives"][t].get<std::int64_t>());
      }
    }
    expect_same(metrics.macro, want["macro"], name + " macro");
  }
}

TEST(TagMetrics, stand_beside_what_predicting_nothing_scores) {
  TagScores scores = table(10, 2);  // 1 and 3 of 10 tracks
  scores.targets[0] = scores.targets[1] = scores.targets[3] = scores.targets[5] = 1;
  const TagMetrics metrics = without_intervals(scores);
  for (std::size_t t = 0; t < 2; ++t) {
    const TagFigures& f = metrics.tags[t].figures;
    const double prevalence = t == 0 ? 0.1 : 0.3;
    EXPECT_DOUBLE_EQ(metrics.tags[t].prevalence, prevalence);
    EXPECT_DOUBLE_EQ(f.accuracy.baseline, 1 - prevalence);
    EXPECT_DOUBLE_EQ(f.pr_auc.baseline, prevalence);
    EXPECT_EQ(f.roc_auc.baseline, 0.5);
    // All scores are 0, so the classifier is that baseline.
    for (const auto& [name, title, member] : kTagFigures)
      EXPECT_DOUBLE_EQ((f.*member).value, (f.*member).baseline) << name;
  }
  EXPECT_DOUBLE_EQ(metrics.macro.accuracy.baseline, 0.8);
  EXPECT_DOUBLE_EQ(metrics.macro.pr_auc.baseline, 0.2);
  EXPECT_EQ(metrics.no_predictions, (std::vector<std::string>{"tag0", "tag1"}));
  EXPECT_TRUE(metrics.one_class.empty());
}

TEST(TagMetrics, a_tag_of_one_class_is_named_and_in_no_mean_but_accuracys) {
  TagScores scores = random_table(1, 50, {0.0F, 0.0F, 0.0F});
  for (std::size_t i = 0; i < 50; ++i) {
    scores.targets[3 * i + 1] = 0;
    scores.targets[3 * i + 2] = 1;
  }
  TagMetricsOptions options;
  options.resamples = 20;
  const TagMetrics metrics = tag_metrics(scores, options);
  EXPECT_EQ(metrics.one_class, (std::vector<std::string>{"tag1", "tag2"}));
  for (const auto& [name, title, member] : kTagFigures) {
    if (std::string(name) == "accuracy") continue;
    EXPECT_TRUE(std::isnan((metrics.tags[1].figures.*member).value)) << name;
    EXPECT_TRUE(std::isnan((metrics.tags[2].figures.*member).baseline)) << name;
    EXPECT_TRUE(std::isnan((metrics.tags[2].figures.*member).low)) << name;
    EXPECT_EQ((metrics.macro.*member).value, (metrics.tags[0].figures.*member).value) << name;
  }
  EXPECT_EQ(metrics.tags[1].resamples_left_out, 20);
  EXPECT_EQ(metrics.tags[2].figures.accuracy.baseline, 0);
  EXPECT_FALSE(std::isnan(metrics.tags[1].figures.accuracy.low));
  const auto json = nlohmann::json::parse(as_json(metrics).dump());
  EXPECT_TRUE(json["tags"][1]["roc_auc"]["value"].is_null());
  EXPECT_TRUE(json["tags"][1]["roc_auc"]["interval"][0].is_null());
  EXPECT_EQ(json["one_class"], (std::vector<std::string>{"tag1", "tag2"}));
}

TEST(TagMetrics, ranks_ignore_monotone_maps_and_mirror_under_negation) {
  const TagScores scores = many_tracks();
  TagScores mapped = scores, negated = scores;
  for (float& x : mapped.scores) x *= x < 0 ? 0.125F : 16.0F;  // exact, so no tie is made or broken
  for (float& x : negated.scores) x = -x;
  const TagMetrics a = without_intervals(scores), b = without_intervals(mapped),
                   c = without_intervals(negated);
  for (std::size_t t = 0; t < a.tags.size(); ++t) {
    EXPECT_EQ(a.tags[t].figures.roc_auc.value, b.tags[t].figures.roc_auc.value);
    EXPECT_EQ(a.tags[t].figures.pr_auc.value, b.tags[t].figures.pr_auc.value);
    EXPECT_NEAR(a.tags[t].figures.roc_auc.value, 1 - c.tags[t].figures.roc_auc.value, 1e-15);
  }
}

TEST(TagMetrics, order_of_tracks_does_not_matter) {
  const TagScores scores = many_tracks();
  TagScores reversed = scores;
  const std::size_t n = scores.tracks.size(), tags = scores.tags.size();
  for (std::size_t i = 0; i < n * tags; ++i) {
    const std::size_t from = (n - 1 - i / tags) * tags + i % tags;
    reversed.scores[i] = scores.scores[from];
    reversed.targets[i] = scores.targets[from];
  }
  const TagMetrics a = without_intervals(scores), b = without_intervals(reversed);
  for (const auto& [name, title, member] : kTagFigures)
    EXPECT_EQ((a.macro.*member).value, (b.macro.*member).value) << name;
}

TEST(TagMetrics, threads_and_runs_give_the_same_bits_and_seeds_other_intervals) {
  const TagScores scores = many_tracks();
  TagMetricsOptions options;
  options.resamples = 50;
  options.threads = 1;
  const std::string one = as_json(tag_metrics(scores, options)).dump();
  options.threads = 2;
  EXPECT_EQ(one, as_json(tag_metrics(scores, options)).dump());
  options.threads = 5;
  EXPECT_EQ(one, as_json(tag_metrics(scores, options)).dump());
  const double low = tag_metrics(scores, options).macro.roc_auc.low;
  options.seed = 2;
  EXPECT_NE(low, tag_metrics(scores, options).macro.roc_auc.low);
}

// The accuracy of n tracks is a mean of n numbers 0 or 1, so its bootstrap is a binomial divided by n.
TEST(TagMetrics, the_interval_of_accuracy_is_the_binomials) {
  const TagScores scores = random_table(5, 4000, {0.3F});
  TagMetricsOptions options;
  options.resamples = 4000;
  const Figure accuracy = tag_metrics(scores, options).tags[0].figures.accuracy;
  const double half = 1.959964 * std::sqrt(accuracy.value * (1 - accuracy.value) / 4000);
  EXPECT_NEAR(accuracy.high, accuracy.value + half, 0.08 * half);
  EXPECT_NEAR(accuracy.low, accuracy.value - half, 0.08 * half);
}

// Tracks without the tag score uniformly, those with it as the larger of two uniform numbers: ROC-AUC 2/3.
TEST(TagMetrics, intervals_hold_the_true_roc_auc_as_often_as_they_say) {
  constexpr std::size_t kTracks = 200;
  constexpr int kSets = 400;
  int held = 0;
  TagMetricsOptions options;
  options.resamples = 300;
  for (int set = 0; set < kSets; ++set) {
    TagScores scores = table(kTracks, 1);
    const auto u = golden::uniform(static_cast<std::uint64_t>(100 + set), 2 * kTracks, 1.0);
    for (std::size_t i = 0; i < kTracks; ++i) {
      scores.targets[i] = i % 4 == 0 ? 1 : 0;
      scores.scores[i] = scores.targets[i] != 0 ? std::max(u[2 * i], u[2 * i + 1]) : u[2 * i];
    }
    const Figure roc = tag_metrics(scores, options).tags[0].figures.roc_auc;
    held += roc.low <= 2.0 / 3 && 2.0 / 3 <= roc.high ? 1 : 0;
  }
  // 95 % of 400 is 380 with a standard deviation of 4.4; the percentile bootstrap falls short by a point or
  // two.
  EXPECT_GE(held, 362);
  EXPECT_LE(held, 393);
}

// One positive among 30 tracks: a resample lacks it with probability (29/30)^30 = 0.362.
TEST(TagMetrics, resamples_without_the_tag_are_counted) {
  TagScores scores = table(30, 1);
  scores.scores = golden::uniform(9, 30, 1.0);
  scores.targets[4] = 1;
  TagMetricsOptions options;
  options.resamples = 2000;
  const TagMetrics metrics = tag_metrics(scores, options);
  EXPECT_NEAR(static_cast<double>(metrics.tags[0].resamples_left_out), 2000 * 0.362, 4 * 21.5);
  const auto json = as_json(metrics);
  EXPECT_EQ(json["tags"][0]["resamples_left_out"], metrics.tags[0].resamples_left_out);
  EXPECT_EQ(as_json(tag_metrics_of(json)), json);
}

TEST(TagMetrics, scores_that_are_not_numbers_name_track_and_tag) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    TagScores scores = table(4, 3);
    scores.scores[2 * 3 + 1] = bad;
    const std::string message = error_of(ErrorKind::input, [&] { tag_metrics(scores); });
    EXPECT_TRUE(message.starts_with("track2: the score of tag \"tag1\" is ")) << message;
  }
  TagScores scores = table(4, 3);
  scores.targets[3] = 2;
  EXPECT_EQ(error_of(ErrorKind::input, [&] { tag_metrics(scores); }),
            "track1: the target of tag \"tag0\" is 2; it must be 0 or 1");
}

// The size of MagnaTagATune's test set and its 50 tags.
TEST(TagMetrics, a_thousand_resamples_of_mtats_test_set_take_seconds) {
  const TagScores scores = random_table(77, 5329, std::vector<float>(50, 1.3F));
  const auto start = std::chrono::steady_clock::now();
  const TagMetrics metrics = tag_metrics(scores);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("seconds", std::to_string(seconds));
  std::printf("1000 resamples of 5329 tracks, 50 tags: %.2f s\n", seconds);
  EXPECT_LT(metrics.macro.roc_auc.low, metrics.macro.roc_auc.value);
  EXPECT_GT(metrics.macro.roc_auc.high, metrics.macro.roc_auc.value);
  EXPECT_LT(metrics.macro.roc_auc.high - metrics.macro.roc_auc.low, 0.02);
}

}  // namespace
}  // namespace melgrad
