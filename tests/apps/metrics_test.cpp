// The commands over what other programs made: their predictions (metrics), their weights (import-weights).
#include <nlohmann/json.hpp>

#include "models/metrics/tag_metrics.h"
#include "tests/apps/command.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

TEST(Metrics, OfTwoTablesAreThoseOfTheLibrary) {
  const Scratch scratch;
  TagScores scores;
  scores.tags = {"rock", "jazz"};
  std::string truth = "track,rock,jazz\n", guesses = truth;
  for (int i = 0; i < 40; ++i) {
    scores.tracks.push_back(std::to_string(i) + ".mp3");
    truth += scores.tracks.back();
    guesses += scores.tracks.back();
    for (int k = 0; k < 2; ++k) {
      scores.targets.push_back((i * 7 + k * 3) % 5 < 2 ? 1 : 0);
      scores.scores.push_back(static_cast<float>((i * 11 + k * 5) % 17) / 16);
      truth += scores.targets.back() != 0 ? ",1" : ",0";
      guesses += "," + std::to_string(scores.scores.back());
    }
    truth += "\n";
    guesses += "\n";
  }
  write_bytes(scratch / "t.csv", truth);
  write_bytes(scratch / "s.csv", guesses);
  const auto outcome =
      test::run_command(register_metrics, {"--json", "metrics", "--truth", scratch / "t.csv", "--scores",
                                           scratch / "s.csv", "--resamples", "50"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  TagMetricsOptions options;
  options.resamples = 50;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["macro"],
            nlohmann::json::parse(as_json(tag_metrics(scores, options)).dump())["macro"]);
  const auto table = test::run_command(
      register_metrics, {"metrics", "--truth", scratch / "t.csv", "--scores", scratch / "s.csv"});
  EXPECT_NE(table.out.find("macro"), std::string::npos);
  EXPECT_NE(table.out.find("jazz"), std::string::npos);
}

}  // namespace
}  // namespace melgrad
