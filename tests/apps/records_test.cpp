// What a run says of itself must be true: a result is of the weights beside it, run.json says where it comes
// from, a run that failed says so, and no option is taken for another number than was written.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <regex>

#include "apps/report/gnuplot.h"
#include "models/metrics/evaluation.h"
#include "models/runs/run_record.h"
#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// One data set and one trained and tested run of two epochs for all tests of this file.
class Records : public test::Program {
 protected:
  static void SetUpTestSuite() { made_ = new Scratch; }
  static void TearDownTestSuite() {
    delete made_;
    made_ = nullptr;
  }
  void SetUp() override {
    if (!fs::exists(of_all("run"))) {
      ASSERT_EQ(run({"synth", "--out", of_all("music"), "--classes", "3", "--tracks-per-class", "8",
                     "--seconds", "4"}),
                0);
      ASSERT_EQ(run({"extract", of_all("music"), "--out", of_all("c.h5")}), 0) << err();
      ASSERT_EQ(train(of_all("c.h5"), of_all("run")), 0) << err();
      ASSERT_EQ(run({"evaluate", of_all("run")}), 0) << err();
    }
    fs::copy(of_all("run"), at("run"));
  }

  static std::string of_all(const std::string& name) { return *made_ / name; }
  int train(const std::string& data, const std::string& out, const Arguments& more = {}) {
    Arguments arguments = {"train",           data,    "--recipe",       "dong2018-fixed", "--set",
                           "model.filters=2", "--set", "train.epochs=2", "--set",          "train.batch=6",
                           "--out",           out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  int resume(const std::string& set) { return run({"train", "--resume", at("run"), "--set", set}); }
  json of(const std::string& file) const { return json::parse(read_bytes(at("run/" + file))); }
  bool there(const std::string& file) const { return fs::exists(at("run/" + file)); }
  // What the command says, with this exit code.
  ::testing::AssertionResult says(const Arguments& arguments, int code, const std::string& part) {
    const int rc = run(arguments);
    const std::string all = out() + err();
    if (rc == code && all.find(part) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "exit " << rc << "\nwanted: " << part << "\ngot: " << all;
  }
  std::string song() const { return of_all("music/genres/ambient/ambient.00000.wav"); }

  static Scratch* made_;
};
Scratch* Records::made_ = nullptr;

TEST_F(Records, ALongerRunVoidsTheResultOfTheShorter) {
  const std::string result = read_bytes(at("run/result.json"));
  const auto steps = of("result.json").at("steps").get<int>();
  const std::string aside = fmt::format("result-{}.json", steps), model = fmt::format("model-{}.h5", steps);
  ASSERT_EQ(resume("train.epochs=4"), 0) << err();
  EXPECT_NE(err().find("run/result.json: is of step"), std::string::npos) << err();
  EXPECT_FALSE(there("result.json"));
  EXPECT_EQ(read_bytes(at("run/" + aside)), result);
  EXPECT_TRUE(there("model.h5") && there(model));
  const std::string said = "was trained further since it was tested (" + aside + "): melgrad evaluate ";
  EXPECT_TRUE(says({"verify", at("run")}, 3, said));
  EXPECT_TRUE(says({"predict", at("run"), song()}, 0, said));
  EXPECT_TRUE(says({"report", at("run"), "--out", at("page.html")}, 0, said));
  ASSERT_EQ(run({"evaluate", at("run")}), 0) << err();
  EXPECT_TRUE(says({"verify", at("run")}, 0, "come out again to the bit"));
  EXPECT_EQ(run({"predict", at("run"), song()}), 0);
  EXPECT_EQ(err().find("further"), std::string::npos) << err();
  // Earlier versions left the shorter run's result where it was.
  write_bytes(at("run/result.json"), result);
  const std::string old =
      fmt::format("was trained further since it was tested, to step {} from {}: ", 2 * steps, steps);
  EXPECT_TRUE(says({"verify", at("run")}, 3, old));
  EXPECT_TRUE(says({"report", at("run"), "--out", at("page.html")}, 0, old));
}

TEST_F(Records, NothingChangesWhereNothingIsTrained) {
  ASSERT_EQ(run({"train", "--resume", at("run")}), 0) << err();
  EXPECT_TRUE(there("result.json"));
  EXPECT_EQ(read_bytes(at("run/run.json")), read_bytes(of_all("run/run.json")));
  const std::string recipe = read_bytes(at("run/recipe.toml"));
  EXPECT_TRUE(says({"train", "--resume", at("run"), "--set", "train.epochs=1"}, 2,
                   "train.epochs: 1 is less than " + at("run") + " has done: "));
  const std::string message = err();
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 1) << message;
  EXPECT_TRUE(there("result.json") && there("model.h5"));
  EXPECT_EQ(read_bytes(at("run/recipe.toml")), recipe);
}

TEST_F(Records, AKillBetweenLosesNothing) {
  const std::string model = read_bytes(at("run/model.h5"));
  RunFolder folder = RunFolder::open(at("run"));
  set_result_aside(folder, of("result.json").at("steps").get<std::int64_t>(),
                   {});  // and killed before it goes on
  EXPECT_TRUE(says({"predict", at("run"), song()}, 3, "training is not finished: melgrad train --resume "));
  EXPECT_TRUE(says({"export", at("run"), "--out", at("m.safetensors")}, 3, "training is not finished"));
  EXPECT_TRUE(says({"report", at("run"), "--out", at("page.html")}, 0, "was trained further"));
  ASSERT_EQ(run({"train", "--resume", at("run")}), 0) << err();
  EXPECT_EQ(read_bytes(at("run/model.h5")), model);
  EXPECT_EQ(run({"evaluate", at("run")}), 0);
  EXPECT_TRUE(says({"verify", at("run")}, 0, "to the bit"));
}

TEST_F(Records, TheResultOfAnUnfinishedRunDoesNotOutliveIt) {
  const Arguments slow = {"train",        of_all("c.h5"),
                          "--recipe",     "dong2018-fixed",
                          "--set",        "model.filters=2",
                          "--set",        "train.epochs=100000",
                          "--save-every", "0",
                          "--out",        at("long")};
  bool asked = false;
  run(slow, std::chrono::minutes(5), {}, [&](pid_t process) {
    if (!asked && fs::exists(at("long/checkpoint.h5"))) asked = ::kill(process, SIGINT) == 0;
  });
  ASSERT_TRUE(fs::exists(at("long/checkpoint.h5"))) << err();
  EXPECT_EQ(json::parse(read_bytes(at("long/run.json"))).at("outcome"), "interrupted");
  EXPECT_TRUE(says({"--json", "evaluate", at("long")}, 0, "this run is not finished"));
  EXPECT_TRUE(says({"predict", at("long"), song()}, 3, "training is not finished"));
  const auto step = json::parse(read_bytes(at("long/result.json"))).at("steps").get<int>();
  EXPECT_EQ(run({"train", "--resume", at("long"), "--set", fmt::format("train.epochs={}", step + 1)}), 0)
      << err();
  EXPECT_FALSE(fs::exists(at("long/result.json")));
  EXPECT_TRUE(fs::exists(at("long/" + fmt::format("result-{}.json", step))));
}

TEST_F(Records, RunJsonSaysWhereTheRunComesFrom) {
  const json run_json = of("run.json");
  EXPECT_EQ(run_json.at("data"), of_all("c.h5"));
  EXPECT_EQ(run_json.at("tracks"), 24);
  EXPECT_EQ(run_json.at("command").at(1), "train");
  EXPECT_EQ(run_json.at("command").back(), of_all("run"));
  EXPECT_TRUE(run_json.at("outcome").get<std::string>().starts_with("finished: "));
  const std::regex time("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z");
  const std::string started = run_json.at("started"), ended = run_json.at("ended");
  EXPECT_TRUE(std::regex_match(started, time)) << started;
  EXPECT_LE(started, ended);
  for (const char* key : {"melgrad", "commit", "host", "processor", "data_digest", "device_description"})
    EXPECT_FALSE(run_json.at(key).get<std::string>().empty()) << key;
  ASSERT_EQ(resume("train.epochs=3"), 0) << err();
  const json resumed = of("run.json");
  ASSERT_EQ(resumed.at("resumed").size(), 1U);
  EXPECT_EQ(resumed.at("started"), started);
  EXPECT_EQ(resumed.at("ended"), ended);
  const json& second = resumed["resumed"][0];
  EXPECT_EQ(second.at("command").at(2), "--resume");
  EXPECT_EQ(second.at("from_step"),
            of(fmt::format("result-{}.json", second["from_step"].get<int>())).at("steps"));
  EXPECT_LE(second.at("started").get<std::string>(), second.at("ended").get<std::string>());
}

TEST_F(Records, TheDigestIsOfTheData) {
  const std::string digest = of("run.json").at("data_digest");
  ASSERT_EQ(train(of_all("music"), at("again"), {"--seed", "7"}), 0) << err();
  const json again = json::parse(read_bytes(at("again/run.json")));
  EXPECT_EQ(again.at("data_digest"), digest);  // from the folder or a cache of it
  EXPECT_EQ(again.at("data"), of_all("music"));
  fs::copy(of_all("music"), at("other"), fs::copy_options::recursive);
  const auto genre = [&](const std::string& file) { return at("other/genres/ambient/" + file); };
  fs::rename(genre("ambient.00000.wav"), genre("renamed.wav"));
  ASSERT_EQ(train(at("other"), at("third")), 0) << err();
  EXPECT_NE(json::parse(read_bytes(at("third/run.json"))).at("data_digest"), digest);
}

TEST_F(Records, RunsOfEarlierVersionsStillServe) {
  const json now = of("run.json");
  json old;
  for (const char* key : {"melgrad", "recipe", "cache", "seed", "device", "precision", "device_description"})
    old[key] = now.at(key);
  write_bytes(at("run/run.json"), old.dump());
  EXPECT_TRUE(says({"verify", at("run")}, 0, "to the bit"));
  // As floats and the ends of intervals were printed.
  json result = of("result.json");
  for (json& p : result["test"]["predictions"][0]["probabilities"])
    p = static_cast<double>(static_cast<float>(p.get<double>()));
  write_bytes(at("run/result.json"), result.dump());
  EXPECT_TRUE(says({"verify", at("run")}, 0, "to the bit"));
  ASSERT_EQ(run({"report", at("run"), "--out", at("page.html")}), 0) << err();
  EXPECT_NE(read_bytes(at("page.html")).find("not recorded"), std::string::npos);
  ASSERT_EQ(resume("train.epochs=3"), 0) << err();
  EXPECT_EQ(of("run.json").at("resumed").size(), 1U);
}

TEST_F(Records, TheReportSaysDataDateVersionCommitAndSeed) {
  ASSERT_EQ(run({"report", at("run"), "--out", at("page.html")}), 0) << err();
  const std::string page = read_bytes(at("page.html"));
  const json origin = of("run.json");
  for (const char* key : {"data", "data_digest", "started", "melgrad", "commit"})
    EXPECT_NE(page.find(origin.at(key).get<std::string>()), std::string::npos) << key;
  for (const char* what : {"Where the runs come from", "seed", "tracks", ">24<"})
    EXPECT_NE(page.find(what), std::string::npos) << what;
}

TEST_F(Records, ARunThatFailedSaysSoInTheReport) {
  const Arguments wild = {"--set", "train.optimizer=sgd", "--set", "train.rate=1e30"};
  ASSERT_EQ(train(of_all("c.h5"), at("failed"), wild), 7) << err();
  EXPECT_TRUE(
      says({"report", at("failed"), at("run"), "--out", at("page.html")}, 0, "training failed: step "));
  EXPECT_NE(read_bytes(at("page.html")).find("training failed: step "), std::string::npos);
  EXPECT_TRUE(says({"report", at("failed"), "--out", at("page.html")}, 0, "training failed: step "));
  EXPECT_TRUE(says({"predict", at("failed"), song()}, 3, "training failed: step "));
  fs::create_directory(at("empty"));
  EXPECT_TRUE(
      says({"report", at("empty"), at("run"), "--out", at("page.html")}, 6, "left out: " + at("empty")));
  EXPECT_TRUE(says({"report", at("empty"), "--out", at("page.html")}, 3, "neither a run folder"));
}

TEST_F(Records, NumbersPrintAtTheirShortest) {
  EXPECT_NE(read_bytes(at("run/recipe.toml")).find("\nvalid = 0.2\n"), std::string::npos);
  ASSERT_EQ(run({"--json", "predict", at("run"), song()}), 0) << err();
  // 17 digits are more than a float has; no digit is shown of what is nothing.
  const std::regex tail(R"([0-9]\.[0-9]{13,}|-0\.0[^0-9]|e-1[6-9])");
  std::smatch found;
  for (const std::string& text : {out(), read_bytes(at("run/recipe.toml")),
                                  json(of("result.json").at("test").at("predictions")).dump()})
    EXPECT_FALSE(std::regex_search(text, found, tail)) << found.str() << " in " << text.substr(0, 2000);
  EXPECT_EQ(wilson_interval(0, 50).first, 0);
  EXPECT_EQ(wilson_interval(1, 50).second, 1);
  EXPECT_NEAR(wilson_interval(0, 50).second, 0.0713, 1e-4);
}

TEST_F(Records, OptionsTakeOnlyTheNumbersThatTheyShow) {
  const std::string c = of_all("c.h5"), x = at("x");
  const std::vector<Arguments> refused = {
      {"train", c, "--out", x, "--seed", "-1"},
      {"train", c, "--out", x, "--seed", "18446744073709551616"},
      {"train", c, "--out", x, "--seed", "1e3"},
      {"train", c, "--out", x, "--split", "-1"},
      {"train", c, "--out", x, "--split", "9223372036854775808"},
      {"train", c, "--out", x, "--save-every", "nan"},
      {"train", c, "--out", x, "--split", "1", "--split-lists", at(".")},
      {"--threads", "1000000000", "info"},
      {"--threads", "-1", "info"},
      {"predict", at("run"), song(), "--top", "99999999999"},
      {"predict", at("run"), song(), "--top", "010"},
      {"analyze", of_all("music"), "--top", "-1"},
      {"check", of_all("music"), "--min-seconds", "inf"},
      {"synth", "--out", x, "--seed", "-5"},
      {"synth", "--out", x, "--tracks-per-class", "0"},
      {"synth", "--layout", "mtat", "--out", x, "--clips", "4294967297"},
      {"reproduce", "dong2018", "--gtzan", c, "--out", x, "--splits", "-1"},
      {"reproduce", "dong2018", "--gtzan", c, "--out", x, "--splits", "2147483648"},
      {"train", c, "--out", x, "--set", "features.hop_length=4294967296"}};
  for (const Arguments& arguments : refused) {
    EXPECT_EQ(run(arguments), 2) << testing::PrintToString(arguments) << out() << err();
    EXPECT_FALSE(fs::exists(x)) << testing::PrintToString(arguments);
  }
}

TEST_F(Records, SettingsThatPlayNoPartAreRefused) {
  const std::string c = of_all("c.h5"), x = at("x");
  EXPECT_TRUE(says({"train", c, "--recipe", "dong2018-fixed", "--out", x, "--set", "train.momentum=0.5"}, 2,
                   "train.momentum: plays no part here, it belongs to train.optimizer = sgd"));
  EXPECT_TRUE(says({"extract", of_all("music"), "--out", x, "--set", "train.epochs=3"}, 2, "train.epochs"));
  EXPECT_TRUE(
      says({"extract", of_all("music"), "--out", x, "--set", "features.top_db=3"}, 2, "features.log = db"));
  EXPECT_TRUE(says({"reproduce", "dong2018", "--gtzan", c, "--out", x, "--set", "train.momentum=0.5"}, 2,
                   "belongs to train.optimizer = sgd"));
  EXPECT_TRUE(
      says({"train", c, "--out", x, "--set", "name=../../x"}, 2, "name: '../../x' cannot name a run folder"));
  EXPECT_FALSE(fs::exists(x));
}

TEST_F(Records, EmptyMelFiltersAreTold) {
  const std::string note = "mel filters are empty: fewer features.n_mels, or a larger features.n_fft\n";
  const auto extract = [&](const Arguments& set) {
    Arguments arguments = {"--json", "extract", of_all("music"), "--out", at("f.h5")};
    for (const std::string& one : set) arguments.insert(arguments.end(), {"--set", one});
    fs::remove(at("f.h5"));
    return run(arguments);
  };
  ASSERT_EQ(extract({"features.n_mels=300"}), 0) << err();
  EXPECT_NE(err().find(" of 300 " + note), std::string::npos) << err();
  EXPECT_EQ(err().find(note), err().rfind(note)) << err();
  EXPECT_EQ(json::parse(out()).at("notes").size(), 1U);
  ASSERT_EQ(train(at("f.h5"), at("many"), {"--set", "features.n_mels=300"}), 0) << err();
  EXPECT_NE(err().find(" of 300 " + note), std::string::npos) << err();
  ASSERT_EQ(run({"predict", at("many"), song()}), 0) << err();
  EXPECT_NE(err().find(" of 300 " + note), std::string::npos) << err();
  ASSERT_EQ(extract({"features.fmin=1000", "features.fmax=1001", "features.n_mels=1"}), 0) << err();
  EXPECT_NE(err().find("1 of 1 " + note), std::string::npos) << err();
  ASSERT_EQ(extract({"features.n_mels=1"}), 0) << err();
  EXPECT_EQ(err().find(note), std::string::npos) << err();
  EXPECT_EQ(json::parse(out()).at("notes").size(), 0U);
  EXPECT_EQ(extract({"features.fmax=20000"}), 2);
  EXPECT_EQ(extract({"features.win_length=1024"}), 2);
}

TEST(ReportTables, StartNoFormula) {
  EXPECT_EQ(
      as_csv({{"tag", "p"}, {"=1+2", "-0.25"}, {"@sum", "1e-05"}, {"-x", "-3"}, {"+4", ""}, {"a\nb", "nan"}}),
      "tag,p\n'=1+2,-0.25\n'@sum,1e-05\n'-x,-3\n'+4,\na\\nb,nan\n");
}

}  // namespace
}  // namespace melgrad
