// The study on a small made-up MagnaTagATune: every network for one epoch, narrow, so that it takes seconds.
#include <cmath>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/report/runs.h"
#include "tests/apps/command.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::run_command;
using test::TempFolder;
using NameList = std::vector<std::string>;

class ReproduceMtat : public ::testing::Test {
 protected:
  // 24 clips of full length, made once for all tests.
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    const auto made = run_command(register_synth, {"synth", "--layout", "mtat", "--clips", "24", "--out",
                                                   (folder_->path() / "set").string()});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string at(const std::string& name) { return (folder_->path() / name).string(); }
  static test::Outcome reproduce(const NameList& more) {
    NameList arguments = {"--threads", "2", "reproduce", "mtat"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_command(register_reproduce, arguments);
  }
  static test::Outcome start(const std::string& out, const NameList& more = {}) {
    NameList arguments = {"--data",     at("set"),
                          "--protocol", "all",
                          "--out",      at(out),
                          "--set",      "model.width=0.0625",
                          "--set",      "train.epochs=1",
                          "--set",      "train.phases=",
                          "--set",      "segment.test_crops=1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return reproduce(arguments);
  }
  static json result(const std::string& out) {
    return json::parse(test::read_bytes(at(out) + "/result.json"));
  }
  static std::size_t line_of(const std::string& table, const std::string& name) {
    const auto found = ("\n" + table).find("\n" + name + " ");
    EXPECT_NE(found, std::string::npos) << name << " in\n" << table;
    return found;
  }

  static std::unique_ptr<TempFolder> folder_;
};
std::unique_ptr<TempFolder> ReproduceMtat::folder_;

TEST_F(ReproduceMtat, every_network_trains_and_stands_behind_the_baseline) {
  const auto outcome = start("all");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json all = result("all");
  ASSERT_EQ(all["models"].size(), 16U);
  std::size_t before = line_of(outcome.out, "no tag at all");
  for (const json& model : all["models"]) {
    const std::string name = model["model"];
    const std::size_t line = line_of(outcome.out, name);
    EXPECT_GT(line, before) << name;
    before = line;
    EXPECT_EQ(model["result"]["steps"], 1) << name;
    const json& test = model["result"]["test"];
    for (const json& tag : test["tags"]) {
      EXPECT_EQ(tag["pr_auc"]["baseline"].is_null(), tag["pr_auc"]["value"].is_null());
      EXPECT_NEAR(tag["accuracy"]["baseline"].get<double>(), 1 - tag["prevalence"].get<double>(), 1e-12);
    }
    const double roc = test["macro"]["roc_auc"]["value"];
    EXPECT_TRUE(roc > 0 && roc < 1) << name << " " << roc;
    std::string line_of_log;
    std::ifstream log(at("all/" + name + "/metrics.jsonl"));
    ASSERT_TRUE(std::getline(log, line_of_log)) << name;
    EXPECT_TRUE(std::isfinite(json::parse(line_of_log)["loss"].get<double>())) << name;
  }

  // The report's ROC curves have the areas that the metrics state.
  const auto page = run_command(register_report, {"report", at("all"), "--out", at("page.html")});
  ASSERT_EQ(page.exit_code, 0) << page.err;
  const json tested = json::parse(test::read_bytes(at("all/cnn1d/result.json")))["test"];
  ASSERT_EQ(tested["predictions"].size(), tested["tracks"].get<std::size_t>());
  EXPECT_FALSE(all["models"][0]["result"]["test"].contains("predictions"));
  std::map<std::string, double> area;
  std::vector<std::string> problems;
  const std::vector<ReportRun> runs = read_runs(at("all/cnn1d"), problems);
  for (const TagCurve& curve : runs[0].tag_curves) {
    for (std::size_t i = 1; i < curve.roc.size(); ++i) {
      area[curve.tag] +=
          (curve.roc[i].first - curve.roc[i - 1].first) * (curve.roc[i].second + curve.roc[i - 1].second) / 2;
    }
  }
  int compared = 0;
  for (const json& tag : tested["tags"]) {
    if (tag["roc_auc"]["value"].is_null()) continue;
    EXPECT_NEAR(area[tag["tag"]], tag["roc_auc"]["value"].get<double>(), 1e-9) << tag["tag"];
    ++compared;
  }
  EXPECT_GT(compared, 0);
  for (const char* figure :
       {"macro-roc_auc.svg", "roc-16.svg", "precision-recall-1.svg", "pr_auc-3.png", "loss-3.svg"})
    EXPECT_TRUE(fs::exists(at("page-figures/") + figure)) << figure;
}

// What is there is taken over; what is not is done; both give what an undisturbed run gives.
TEST_F(ReproduceMtat, goes_on_where_it_was_interrupted) {
  const NameList models = {"--models", "cnn1d-gru,crnn,musicnn"};
  const auto straight = start("straight", models);
  ASSERT_EQ(straight.exit_code, 0) << straight.err;
  const json expected = result("straight")["models"];

  ASSERT_EQ(start("broken", models).exit_code, 0);
  fs::remove(at("broken/result.json"));
  fs::remove_all(at("broken/musicnn"));
  fs::remove(at("broken/crnn/result.json"));
  fs::remove(at("broken/crnn/checkpoint.h5"));
  const auto marked = fs::last_write_time(at("broken/cnn1d-gru/model.h5"));
  const auto resumed = reproduce({"--resume", at("broken")});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(result("broken")["models"], expected);
  EXPECT_EQ(fs::last_write_time(at("broken/cnn1d-gru/model.h5")), marked);
  EXPECT_EQ(resumed.out.substr(0, resumed.out.find("\nresult:")),
            straight.out.substr(0, straight.out.find("\nresult:")));
}

// The features first, by the commands that the parts name, then each its networks.
TEST_F(ReproduceMtat, parts_are_the_whole) {
  const NameList models = {"--models", "cnn1d-gru,crnn,musicnn"};
  const auto whole = start("one", models);
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const auto part = [&](const std::string& which) {
    return start("parts", {"--models", "cnn1d-gru,crnn,musicnn", "--part", which});
  };
  int extracted = 0;
  for (const char* which : {"0/2", "1/2"}) {
    auto outcome = part(which);
    for (; outcome.exit_code == 2; outcome = part(which)) {
      ASSERT_LE(++extracted, 2);
      const auto from = outcome.err.find("melgrad extract "), to = outcome.err.find(" makes them");
      ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << outcome.err;
      std::istringstream words(outcome.err.substr(from + 8, to - from - 8));
      const NameList line{std::istream_iterator<std::string>(words), {}};
      const auto made = run_command(register_extract, line);
      ASSERT_EQ(made.exit_code, 0) << made.err;
    }
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  EXPECT_EQ(extracted, 2);  // samples, and what the two others share
  for (const auto& entry : fs::directory_iterator(at("one"))) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("features")) {
      EXPECT_EQ(test::read_bytes(at("parts/") + name), test::read_bytes(entry.path().string())) << name;
    }
  }
  const auto collected = reproduce({"--collect", at("parts")});
  ASSERT_EQ(collected.exit_code, 0) << collected.err;
  EXPECT_EQ(test::read_bytes(at("parts/result.json")), test::read_bytes(at("one/result.json")));
  EXPECT_EQ(collected.out.substr(0, collected.out.find("\nresult:")),
            whole.out.substr(0, whole.out.find("\nresult:")));

  fs::remove_all(at("parts/musicnn"));
  const auto incomplete = reproduce({"--collect", at("parts")});
  EXPECT_EQ(incomplete.exit_code, 6);
  EXPECT_TRUE(has(incomplete.err, "parts: missing: musicnn")) << incomplete.err;
  EXPECT_EQ(result("parts")["missing"], json{"musicnn"});
}

TEST_F(ReproduceMtat, says_what_it_cannot_do_before_it_begins) {
  const auto refused = [](const test::Outcome& outcome, int code, const std::string& part) {
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_TRUE(has(outcome.err, part)) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  };
  refused(start("x", {"--models", "cnn1d-gro"}), 2, "no network cnn1d-gro; did you mean cnn1d-gru?");
  refused(start("x", {"--set", "train.epoch=3"}), 2, "train.epochs");
  refused(reproduce({}), 2, "--data");
  refused(reproduce({"--data", at("set/mp3"), "--out", at("x")}), 3, "annotations_final.csv");
  refused(reproduce({"--resume", at("nothing")}), 3, "nothing");
  EXPECT_FALSE(fs::exists(at("x")));
}

}  // namespace
}  // namespace melgrad
