// Tables of other programs' predictions, and published ones whose figures are published too.
#include "models/metrics/score_table.h"

#include <filesystem>
#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/io/arrays/npz_make.h"
#include "tests/io/fixtures.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

class ScoreTables : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    write_bytes(scratch_ / name, text);
    return scratch_ / name;
  }
  std::string why(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::input);
      return e.what();
    }
    return "no error";
  }
  const Scratch scratch_;
};

TEST_F(ScoreTables, WhatIsWrittenIsReadAsItWas) {
  ScoreTable table;
  table.tracks = {"a, b.wav", "=1+1", "say \"x\".wav", "-", " blank", "tab\there", "7"};
  table.tags = {"0", "1", "R&B; soul"};  // numbers too
  table.rows = 7;
  table.columns = 3;
  for (int i = 0; i < 21; ++i) table.values.push_back(1.0F / static_cast<float>(i + 1));
  const ScoreTable again = read_score_table(file("s.csv", as_csv(table)));
  EXPECT_EQ(again.tracks, table.tracks);
  EXPECT_EQ(again.tags, table.tags);
  EXPECT_EQ(again.values, table.values);
}

TEST_F(ScoreTables, RowsAndColumnsGoTogetherByName) {
  const ScoreTable truth = read_score_table(file("t.csv", "track,rock,jazz\na.mp3,1,0\nb.mp3,0,1\n"));
  const ScoreTable scores =
      read_score_table(file("s.csv", "track;jazz;rock\nb.mp3;0.75;0.5\na.mp3;0.25;1e-1\n"));
  EXPECT_EQ(truth.tags, (std::vector<std::string>{"rock", "jazz"}));
  const TagScores both = scores_beside(truth, scores);
  EXPECT_EQ(both.tracks, (std::vector<std::string>{"a.mp3", "b.mp3"}));
  EXPECT_EQ(both.tags, truth.tags);
  EXPECT_EQ(both.scores, (std::vector<float>{0.1F, 0.25F, 0.5F, 0.75F}));
  EXPECT_EQ(both.targets, (std::vector<std::uint8_t>{1, 0, 0, 1}));
}

TEST_F(ScoreTables, NumbersInTheFirstColumnAreNamesIfTheyAreIds) {
  const ScoreTable ids = read_score_table(file("i.csv", "7,0.5,1\n8,0.25,0\n"));
  EXPECT_EQ(ids.tracks, (std::vector<std::string>{"7", "8"}));
  EXPECT_EQ(ids.columns, 2);
  const ScoreTable repeated = read_score_table(file("r.csv", "1,0\n0,1\n1,1\n"));
  EXPECT_TRUE(repeated.tracks.empty());
  EXPECT_EQ(repeated.columns, 2);
  const ScoreTable fractions = read_score_table(file("f.csv", "0.5,0\n1,1\n"));
  EXPECT_TRUE(fractions.tracks.empty());
  EXPECT_EQ(fractions.values, (std::vector<float>{0.5F, 0, 1, 1}));
}

TEST_F(ScoreTables, ArraysGoByPlaceAndTakeNames) {
  const std::string truth = file("t.npy", npy("|u1", "(2, 2)", raw(std::vector<std::uint8_t>{1, 0, 0, 1})));
  const std::string scores =
      file("s.npy", npy("<f8", "(2, 2)", raw(std::vector<double>{0.5, 0.25, 0.75, 1})));
  const TagScores both = scores_beside(read_score_table(truth), read_score_table(scores),
                                       read_names(file("tags.txt", "rock\r\njazz\n")));
  EXPECT_EQ(both.tags, (std::vector<std::string>{"rock", "jazz"}));
  EXPECT_EQ(both.tracks, (std::vector<std::string>{"track 1", "track 2"}));
  EXPECT_EQ(both.scores, (std::vector<float>{0.5F, 0.25F, 0.75F, 1}));
}

TEST_F(ScoreTables, WhatIsWrongIsOneLineThatNamesIt) {
  const auto read = [&](const std::string& text) {
    const std::string path = file("x.csv", text);
    return why([&] { read_score_table(path); });
  };
  EXPECT_NE(read("a,1\nb,x\n").find("x.csv:2: \"x\" is no number"), std::string::npos);
  EXPECT_NE(read("a,1\na,0\n").find("track \"a\" is there twice"), std::string::npos);
  EXPECT_NE(read("t,rock,rock\na,1,0\n").find("tag \"rock\" is there twice"), std::string::npos);
  EXPECT_NE(read("t,rock\n").find("no track"), std::string::npos);
  const ScoreTable truth = read_score_table(file("t.csv", "t,rock\na,1\nb,0\n"));
  const auto beside = [&](const std::string& text) {
    const ScoreTable scores = read_score_table(file("s.csv", text));
    return why([&] { scores_beside(truth, scores); });
  };
  EXPECT_NE(beside("t,rock\na,1\nc,0\n").find("s.csv: track \"b\" of "), std::string::npos);
  EXPECT_NE(beside("t,jazz\na,1\nb,0\n").find("s.csv: tag \"rock\" of "), std::string::npos);
  EXPECT_NE(beside("t,rock\na,1\n").find("1 tracks x 1 tags"), std::string::npos);
  EXPECT_THROW(scores_beside(truth, truth, {"jazz"}), Error);  // another name than the table's
  const ScoreTable half = read_score_table(file("h.csv", "t,rock\na,0.5\nb,0\n"));
  EXPECT_NE(why([&] { scores_beside(half, truth); }).find("track a, tag rock: a truth is 0 or 1, not 0.5"),
            std::string::npos);
}

// Won et al. 2020's predictions for 4,332 clips of MagnaTagATune; their evaluation says 0.910897708562.
TEST(PublishedScores, HaveThePublishedFigures) {
  const std::string folder = (test::shared_data() / "published").string() + "/";
  if (!std::filesystem::exists(folder + "est.csv"))
    GTEST_SKIP() << "no published predictions: set MELGRAD_DATA";
  const TagScores scores =
      scores_beside(read_score_table(folder + "gt.csv"), read_score_table(folder + "est.csv"),
                    read_names(folder + "tags.npy"));
  ASSERT_EQ(scores.tracks.size(), 4332U);
  EXPECT_EQ(scores.tags[3], "techno");
  TagMetricsOptions options;
  options.resamples = 0;
  const TagMetrics metrics = tag_metrics(scores, options);
  EXPECT_NEAR(metrics.macro.roc_auc.value, 0.910897708562, 5e-13);
  EXPECT_NEAR(metrics.macro.pr_auc.value, 0.450874108, 5e-10);
}

}  // namespace
}  // namespace melgrad
