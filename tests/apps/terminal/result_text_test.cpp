// Test results as text.
#include "apps/terminal/result_text.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace melgrad {
namespace {

// Of many tracks: one tag that tells, one that all tracks have, and one that none has.
TagMetrics three_tags() {
  TagScores scores{{}, {"tells", "on all", "on none"}, {}, {}};
  for (int i = 0; i < 3000; ++i) {
    scores.tracks.push_back("track" + std::to_string(i));
    for (const float score : {static_cast<float>(i % 7) / 7, 0.5F, 0.25F}) scores.scores.push_back(score);
    for (const int target : {i % 7 > 3 ? 1 : 0, 1, 0})
      scores.targets.push_back(static_cast<std::uint8_t>(target));
  }
  return tag_metrics(scores, {.resamples = 20});
}

TEST(ResultText, TheTableOfTagsIsNeverWithoutItsBaseline) {
  const std::string text = as_table(three_tags());
  EXPECT_NE(text.find("\nnone "), std::string::npos) << text;
  EXPECT_NE(text.find("what predicting no tag at all scores"), std::string::npos) << text;
  EXPECT_NE(text.find("(2): on all, on none"), std::string::npos) << text;
  std::size_t longest = 0;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t to = text.find('\n', from);
    longest = std::max(longest, to - from);
    from = to + 1;
  }
  EXPECT_LE(longest, 100U) << text;
}

TEST(ResultText, AConfusionHasSharesOfEachTrueClass) {
  EXPECT_EQ(as_table({{3, 1}, {0, 2}}, {"blues", "a\nb"}),
            "true    blues  a\\nb  tracks\n"
            "blues    0.75  0.25       4\n"
            "a\\nb        ·  1.00       2\n");
}

}  // namespace
}  // namespace melgrad
