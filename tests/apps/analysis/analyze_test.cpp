// melgrad analyze on small data sets: label statistics, measures, and what it says when something is missing.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/analysis/tag_statistics.h"
#include "io/audio/audio.h"
#include "tests/apps/command.h"
#include "tests/golden.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

using test::run_command;
using test::TempFolder;
using test::tone;

DataSet labels(const std::vector<std::vector<std::string>>& of_clips, std::vector<std::string> classes) {
  DataSet set;
  set.classes = std::move(classes);
  for (const auto& tags : of_clips) set.tracks.push_back({"", std::to_string(set.tracks.size()), tags, ""});
  return set;
}

// In letters: the bytes that continue a UTF-8 letter do not count.
std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0, here = 0;
  for (const char c : text) {
    here = c == '\n' ? 0 : here + ((c & 0xC0) != 0x80 ? 1 : 0);
    longest = std::max(longest, here);
  }
  return longest;
}

// Eight clips: a on 4, b on 3 of which 2 with a, c on 1 of those, d on none.
TEST(TagStatistics, count_as_by_hand) {
  const TagStatistics s = tag_statistics(
      labels({{"a"}, {"a"}, {"a", "b"}, {"a", "b", "c"}, {"b"}, {}, {}, {}}, {"a", "b", "c", "d"}));
  EXPECT_EQ(s.counts, (std::vector<std::int64_t>{4, 3, 1, 0}));
  EXPECT_EQ(s.tags_per_clip, (std::vector<std::int64_t>{3, 3, 1, 1}));
  EXPECT_EQ(s.together, (std::vector<std::int64_t>{4, 2, 1, 0, 2, 3, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(s.conditional(0, 1), 0.5);
  EXPECT_DOUBLE_EQ(s.conditional(1, 0), 2.0 / 3);
  EXPECT_TRUE(std::isnan(s.conditional(3, 0)));
  EXPECT_EQ(s.by_count(), (std::vector<std::size_t>{0, 1, 2, 3}));
  ASSERT_EQ(s.pairs.size(), 3U);  // d has no phi
  const TagPair& best = s.pairs[0];
  EXPECT_EQ(s.tags[best.a] + s.tags[best.b], "bc");
  EXPECT_DOUBLE_EQ(best.phi, (8.0 - 3) / std::sqrt(3.0 * 5 * 1 * 7));
  EXPECT_DOUBLE_EQ(best.lift, 8.0 / 3);
}

// phi is Pearson's correlation of the two columns.
TEST(TagStatistics, phi_is_the_correlation) {
  std::vector<std::vector<std::string>> clips;
  const auto u = golden::uniform(6, 400, 1.0);
  double sum_xy = 0, sum_x = 0, sum_y = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    const double x = u[2 * i] > 0.3F ? 1 : 0, y = u[2 * i] + u[2 * i + 1] > 0 ? 1 : 0;
    clips.emplace_back();
    if (x > 0) clips.back().push_back("x");
    if (y > 0) clips.back().push_back("y");
    sum_x += x / 200;
    sum_y += y / 200;
    sum_xy += x * y / 200;
  }
  const double r = (sum_xy - sum_x * sum_y) / std::sqrt(sum_x * (1 - sum_x) * sum_y * (1 - sum_y));
  EXPECT_NEAR(tag_statistics(labels(clips, {"x", "y"})).pairs.at(0).phi, r, 1e-12);
}

TEST(TagStatistics, tables_are_cut_and_say_so) {
  std::vector<std::string> classes;
  std::vector<std::vector<std::string>> clips;
  for (int i = 0; i < 30; ++i) classes.push_back("a rather long tag " + std::to_string(10 + i));
  const auto u = golden::uniform(7, 400 * 30, 1.0);
  for (std::size_t i = 0; i < 400; ++i) {
    clips.emplace_back();
    for (std::size_t t = 0; t < 30; ++t)
      if (u[i * 30 + t] > 0.7F) clips.back().push_back(classes[t]);
  }
  const TagStatistics s = tag_statistics(labels(clips, classes));
  const std::string text = as_table(s, 5);
  EXPECT_TRUE(has(text, "... and 25 more tags")) << text;
  EXPECT_TRUE(has(text, " more pairs")) << text;
  EXPECT_LE(longest_line(text), 100U) << text;
}

TEST(TagStatistics, all_of_mtats_size_take_less_than_a_second) {
  std::vector<std::string> classes;
  for (int i = 0; i < 188; ++i) classes.push_back("tag" + std::to_string(100 + i));
  std::vector<std::vector<std::string>> clips(25863);
  for (std::size_t i = 0; i < clips.size(); ++i)
    for (std::size_t t = 0; t < 5; ++t) clips[i].push_back(classes[(i * 7 + t * t * 13) % classes.size()]);
  const DataSet set = labels(clips, classes);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(tag_statistics(set).clips, 25863);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("25863 clips, 188 tags: %.3f s\n", seconds);
  EXPECT_LT(seconds, 1);
}

// The real labels of MagnaTagATune's validation and test clips; tags and counts as in its literature.
TEST(Analyze, mtats_labels_without_their_audio) {
  if (test::shared_data().empty()) GTEST_SKIP() << "no shared data: set MELGRAD_DATA";
  const std::string folder = (test::shared_data() / "mtat-labels").string();
  const auto text =
      run_command(register_analyze, {"analyze", folder, "--protocol", "all", "--tags", "top50"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_TRUE(has(text.out, "7154 clips, 50 tags")) << text.out;
  EXPECT_TRUE(has(text.out, "no measures of the sound: none of the audio files is there")) << text.out;
  EXPECT_LE(longest_line(text.out), 100U) << text.out;
  const auto outcome = run_command(register_analyze, {"analyze", folder, "--json"});
  EXPECT_TRUE(has(outcome.err, "0 train, 1529 valid, 4332 test")) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  const auto& labels = json["labels"];
  EXPECT_EQ(labels["tags"], nlohmann::json({"guitar", "classical", "slow", "techno", "strings", "drums",
                                            "electronic", "rock", "fast", "piano"}));
  EXPECT_EQ(labels["counts"], nlohmann::json({875 + 507, 699 + 271, 806 + 249, 598 + 252, 394 + 245,
                                              516 + 190, 496 + 186, 564 + 236, 495 + 195, 467 + 98}));
  EXPECT_TRUE(json["content"].is_null());
}

// Twelve clips a tag: "low" and "high" differ in pitch alone; one clip has both; one file is broken.
class AnalyzeSound : public testing::Test {
 protected:
  AnalyzeSound() {
    std::ofstream manifest(folder_ / "set.csv");
    manifest << "path,labels\n";
    for (int i = 0; i < 12; ++i) {
      add(manifest, "low" + std::to_string(10 + i), 300 + 7.0 * i, "low;any");
      add(manifest, "high" + std::to_string(10 + i), 2000 + 13.0 * ((i * 5) % 12), "high");
    }
    add(manifest, "both", 900, "low;high");
    manifest << "broken.wav,low\nmissing.wav,high\nsilent.wav,high\n";
    test::write_bytes(folder_ / "broken.wav", test::noise_bytes(20000));
    write_audio(folder_ / "silent.wav", std::vector<float>(70000, 0.0F), 22050, AudioFormat::wav);
  }

  // Knocks on a tone, so that there are onsets and a tempo.
  void add(std::ofstream& manifest, const std::string& name, double hertz, const std::string& tags) {
    auto samples = tone(hertz, 22050, 4, 0.3);
    const auto noise = golden::uniform(static_cast<std::uint64_t>(hertz), 88200, 0.4);
    for (std::size_t i = 0; i < samples.size(); ++i)
      samples[i] += noise[i] * static_cast<float>(std::exp(-static_cast<double>(i % 11025) / 700));
    write_audio(folder_ / (name + ".wav"), samples, 22050, AudioFormat::wav);
    manifest << name << ".wav," << tags << "\n";
  }

  test::Outcome run(std::vector<std::string> more) {
    more.insert(more.begin(), {"analyze", folder_ / "set.csv"});
    return run_command(register_analyze, more);
  }

  TempFolder folder_;
};

TEST_F(AnalyzeSound, two_tags_are_compared_and_bad_files_are_named_and_counted) {
  const auto outcome = run({"--pairs", "low:high", "--json"});
  EXPECT_EQ(outcome.exit_code, kExitProblemsFound) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out)["content"];
  EXPECT_EQ(json["clips"], 25);
  ASSERT_EQ(json["skipped"].size(), 3U);
  EXPECT_TRUE(has(json["skipped"][0], "broken.wav: ")) << json["skipped"];
  EXPECT_TRUE(has(json["skipped"][1], "missing.wav: ")) << json["skipped"];
  EXPECT_TRUE(has(json["skipped"][2], "silent.wav: silent")) << json["skipped"];
  EXPECT_TRUE(has(outcome.err, "skipped: ")) << outcome.err;

  ASSERT_EQ(json["comparisons"].size(), 1U);
  const auto& pair = json["comparisons"][0];
  EXPECT_EQ(pair["clips_first"], 12);
  EXPECT_EQ(pair["clips_second"], 12);
  EXPECT_EQ(pair["clips_with_both"], 1);
  EXPECT_EQ(pair["tests"]["centroid"]["cliffs_delta"], -1);
  EXPECT_LT(pair["tests"]["centroid"]["p"], 1e-4);
  EXPECT_GT(pair["tests"]["level"]["p"], 0.001);  // the levels differ by chance alone
  EXPECT_EQ(pair["separability"]["mean"], 1);
  EXPECT_EQ(pair["separability"]["baseline"], 0.5);
  EXPECT_EQ(pair["discriminant"].size(), 24U);
  EXPECT_EQ(json["measured"].size(), 25U);
  EXPECT_NEAR(json["all"]["tempo"]["quartiles"][1].get<double>(), 120, 1.5);
  EXPECT_NEAR(json["all"]["onsets"]["quartiles"][1].get<double>(), 2, 0.3);
  double share = 0;
  for (const double s : json["principal_axes"]["share_of_variance"]) share += s;
  EXPECT_NEAR(share, 1, 1e-9);
  for (const auto& tag : json["tags"]) {
    EXPECT_EQ(tag["with"]["centroid"]["clips"].get<int>() + tag["without"]["centroid"]["clips"].get<int>(),
              25);
  }
}

TEST_F(AnalyzeSound, the_same_on_screen_in_the_file_and_with_any_number_of_threads) {
  const auto text = run({"--pairs", "low:high", "--out", folder_ / "out.json"});
  EXPECT_TRUE(has(text.out, "25 clips measured, 3 skipped")) << text.out;
  EXPECT_TRUE(has(text.out, "low (12 clips) against high (12); 1 clips with both are left out")) << text.out;
  EXPECT_TRUE(has(text.out, "held-out clips: ROC-AUC 1.000 (folds 1.000 to 1.000; chance 0.5)")) << text.out;
  EXPECT_LE(longest_line(text.out), 100U) << text.out;
  const std::string file = read_bytes(folder_ / "out.json");
  for (const char* threads : {"1", "3"})
    EXPECT_TRUE(file == run({"--pairs", "low:high", "--json", "--threads", threads}).out)
        << threads << " threads";
}

TEST_F(AnalyzeSound, no_pair_is_compared_unless_named_or_known) {
  const auto json = nlohmann::json::parse(run({"--json"}).out);
  EXPECT_TRUE(json["content"]["comparisons"].empty());
  const auto few =
      nlohmann::json::parse(run({"--json", "--pairs", "any:high"}).out)["content"]["comparisons"][0];
  EXPECT_FALSE(few["separability"].is_null());
  EXPECT_EQ(nlohmann::json::parse(run({"--json", "--labels-only"}).out)["no_content"], "--labels-only");
}

TEST_F(AnalyzeSound, its_report_draws_what_was_found) {
  const std::string found = folder_ / "out.json", page = folder_ / "page.html";
  run({"--pairs", "low:high", "--out", found});
  const auto outcome = run_command(register_report, {"report", found, "--out", page});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto figure = [&](const char* name) {
    return read_bytes(folder_ / (std::string("page-figures/") + name));
  };
  // 28 clips: 14 low, of which 12 any and one high; 15 high.
  EXPECT_EQ(figure("tag-counts.csv"), "tag,clips\nhigh,15\nlow,14\nany,12\n");
  EXPECT_EQ(figure("together.csv"),
            ",high,low,any\nhigh,NaN,0.0667,0.0000\nlow,0.0714,NaN,0.8571\nany,0.0000,1.0000,NaN\n");
  EXPECT_TRUE(has(figure("tag-graph.csv"), "\nany + low,")) << figure("tag-graph.csv");
  const auto json = nlohmann::json::parse(read_bytes(found))["content"];
  ASSERT_EQ(json["tags"][2]["tag"], "low");
  const double delta = json["tags"][2]["tests"]["centroid"]["cliffs_delta"];
  EXPECT_LT(delta, -0.9);
  const std::string effects = figure("effects.csv"), row = effects.substr(effects.find("\nlow,"));
  EXPECT_TRUE(has(row.substr(0, row.find('\n', 1)), fmt::format(",{:.6g},", delta))) << effects;
  int first = 0, second = 0;
  std::istringstream bins(figure("discriminant-1.csv"));
  std::string line;
  std::getline(bins, line);
  EXPECT_EQ(line, "discriminant,low,high");
  while (std::getline(bins, line)) {
    first += std::stoi(line.substr(line.find(',') + 1));
    second += std::stoi(line.substr(line.rfind(',') + 1));
  }
  EXPECT_EQ(first, 12);
  EXPECT_EQ(second, 12);
  for (const char* name : {"tags-per-clip", "measure-tempo", "principal-axes-1"})
    EXPECT_TRUE(std::filesystem::exists(folder_ / fmt::format("page-figures/{}.csv", name))) << name;
}

TEST_F(AnalyzeSound, a_report_names_what_is_no_analysis) {
  const std::string found = folder_ / "out.json", other = folder_ / "other.json",
                    page = folder_ / "page.html";
  run({"--labels-only", "--out", found});
  test::write_bytes(other, R"({"labels": {"clips": 3}})");
  auto outcome = run_command(register_report, {"report", other, found, "--out", page});
  EXPECT_EQ(outcome.exit_code, kExitProblemsFound);
  EXPECT_TRUE(has(outcome.err, other + ": left out, not a whole analysis: ")) << outcome.err;
  EXPECT_TRUE(has(read_bytes(page), "The sound was not measured: --labels-only."));
  test::write_bytes(other, "{]");
  outcome = run_command(register_report, {"report", other, found, "--out", page});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_TRUE(has(outcome.err, other + ": not what")) << outcome.err;
}

TEST_F(AnalyzeSound, a_report_draws_no_measure_that_no_clip_has) {
  const std::string found = folder_ / "out.json", page = folder_ / "page.html";
  run({"--out", found});
  auto json = nlohmann::ordered_json::parse(read_bytes(found));
  json["content"]["all"]["tempo"] = {{"clips", 0}, {"quartiles", {nullptr, nullptr, nullptr}}};
  test::write_bytes(found, json.dump());
  const auto outcome = run_command(register_report, {"report", found, "--out", page});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "page-figures/measure-centroid.csv"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "page-figures/measure-tempo.csv"));
}

TEST_F(AnalyzeSound, wrong_pairs_are_usage_errors) {
  const std::pair<const char*, const char*> cases[] = {
      {"low", "melgrad: --pairs low: write two tags as first:second\n"},
      {"low:none", "melgrad: --pairs low:none: the data set has no tag \"none\"\n"},
      {"low:low", "melgrad: --pairs low:low: name two different tags\n"}};
  for (const auto& [pair, message] : cases) {
    const auto outcome = run({"--pairs", pair});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.err, message);
  }
  const auto outcome = run({"--out", "/no/such/folder/x.json"});
  EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
}

}  // namespace
}  // namespace melgrad
