// Sweeps and reproductions by one process, by several that share the folder, by several threads of one, and
// by processes that were killed: always the same files.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ManyRuns : public test::Program {
 protected:
  // A cache, and what one process makes of it.
  static void SetUpTestSuite() {
    made_ = std::make_unique<Scratch>();
    Maker maker;
    maker.make();
  }
  static void TearDownTestSuite() { made_.reset(); }
  static std::string made(const std::string& name) { return *made_ / name; }

  // Eight runs: four points, two seeds.
  static Arguments sweep(const std::string& out, const Arguments& more = {}) {
    return with({"--threads", "1",
                 "sweep",     "dong2018-fixed",
                 "--data",    made("c.h5"),
                 "--set",     "train.rate=1e-3,1e-2",
                 "--set",     "model.dropout=0.1,0.3",
                 "--set",     "train.epochs=2",
                 "--set",     "train.batch=8",
                 "--set",     "model.filters=2",
                 "--seeds",   "2",
                 "--out",     out},
                more);
  }
  static Arguments reproduce(const std::string& out, const Arguments& more = {}) {
    return with({"--threads",     "1",           "reproduce",       "dong2018",       "--gtzan",
                 made("c.h5"),    "--recipe",    "dong2018-fixed",  "--splits",       "3",
                 "--split-lists", made("lists"), "--set",           "train.epochs=2", "--set",
                 "train.batch=8", "--set",       "model.filters=2", "--out",          out},
                more);
  }

  // Each in a process of its own, at once.
  void at_once(const std::vector<Arguments>& lines) {
    std::string script;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (const std::string& word : with({MELGRAD_BIN}, lines[i])) script += "'" + word + "' ";
      script += "> " + at("log" + std::to_string(i)) + " 2>&1 & jobs=\"$jobs $!\"\n";
    }
    write_bytes(at("at_once.sh"), script + "for job in $jobs; do wait $job || exit 1; done\n");
    EXPECT_EQ(std::system(("sh " + at("at_once.sh")).c_str()), 0) << logs(lines.size());
  }
  std::string logs(std::size_t count) const {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += read_bytes(at("log" + std::to_string(i)));
    return text;
  }

  // Every file of the runs that says what came of them.
  static void expect_same(const std::string& one, const std::string& other,
                          const std::vector<std::string>& names, std::size_t least) {
    std::size_t compared = 0;
    for (const auto& entry : fs::recursive_directory_iterator(one)) {
      const std::string name = entry.path().filename().string();
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      const fs::path twin = other / fs::relative(entry.path(), one);
      ASSERT_TRUE(fs::exists(twin)) << twin;
      EXPECT_EQ(read_bytes(entry.path()), read_bytes(twin)) << twin;
      ++compared;
    }
    EXPECT_GE(compared, least) << one;
  }
  static void expect_same_sweep(const std::string& out) {
    expect_same(made("sweep"), out, {"sweep.csv", "result.json", "trained.json", "model.h5", "splits.json"},
                1 + 3 + 8 + 8 + 8);
  }
  static void expect_same_reproduction(const std::string& out) {
    expect_same(made("repro"), out, {"result.json", "model.h5", "splits.json"}, 5 + 4 + 4);
  }

  void refused(const Arguments& line, int code, const std::string& part) {
    EXPECT_EQ(run(line), code) << err();
    EXPECT_NE(err().find(part), std::string::npos) << part << "\n" << err();
  }

 private:
  struct Maker : test::Program {
    void TestBody() override {}
    void make() {
      const auto done = [&](const Arguments& line) { ASSERT_EQ(run(line), 0) << err(); };
      done({"synth", "--out", made("music"), "--classes", "3", "--tracks-per-class", "8", "--seconds", "4"});
      done({"extract", made("music"), "--out", made("c.h5")});
      fs::create_directory(made("lists"));
      for (const auto& [part, from, to] : {std::tuple{"train", 0, 4}, {"valid", 4, 6}, {"test", 6, 8}}) {
        std::string list;
        for (const auto& genre : fs::directory_iterator(made("music/genres")))
          for (int k = from; k < to; ++k)
            list += genre.path().filename().string() + ".0000" + std::to_string(k) + ".wav\n";
        write_bytes(made("lists/") + part + "_filtered.txt", list);
      }
      done(sweep(made("sweep")));
      done(reproduce(made("repro")));
    }
  };
  static std::unique_ptr<Scratch> made_;
};
std::unique_ptr<Scratch> ManyRuns::made_;

TEST_F(ManyRuns, ASweepTestsItsBestPointAlone) {
  const std::string csv = read_bytes(made("sweep/sweep.csv"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 9) << csv;
  EXPECT_TRUE(
      csv.starts_with("point,seed,train.rate,model.dropout,train.epochs,train.batch,model.filters,outcome,"
                      "valid_accuracy,best_epoch,steps,weights,test_accuracy\n0,0,0.001,0.1,2,8,2,finished,"))
      << csv;
  const json result = json::parse(read_bytes(made("sweep/result.json")));
  const auto best = result["best"].get<int>();
  EXPECT_EQ(result["points"][0]["point"], best);
  double last = 2;
  for (const json& point : result["points"]) {
    double sum = 0;
    for (const json& one : point["runs"]) {
      sum += one["valid"].get<double>();
      EXPECT_EQ(one["test"].is_null(), point["point"] != best) << one;
      EXPECT_EQ(fs::exists(made("sweep/" + one["run"].get<std::string>() + "/result.json")),
                point["point"] == best);
    }
    EXPECT_DOUBLE_EQ(point["valid"], sum / 2);
    EXPECT_LE(point["valid"], last);
    last = point["valid"];
  }
}

TEST_F(ManyRuns, TwoPartsOfASweepAtOnceAreTheWhole) {
  at_once({sweep(at("s"), {"--part", "0/2"}), sweep(at("s"), {"--part", "1/2"})});
  EXPECT_FALSE(fs::exists(at("s/sweep.csv")));
  ASSERT_EQ(run({"--threads", "1", "sweep", "--collect", at("s")}), 0) << err();
  expect_same_sweep(at("s"));
  for (const char* file : {"part-0-of-2.json", "part-1-of-2.json"})
    EXPECT_EQ(json::parse(read_bytes(at("s/") + file))["outcome"], "finished") << file;
}

TEST_F(ManyRuns, APartThatWasKilledGoesOnByItsCommand) {
  const Arguments first = sweep(at("s"), {"--part", "0/2"});
  const auto kill = [&](pid_t process) {
    if (fs::exists(at("s/point-002-seed-0/run.json"))) ::kill(process, SIGKILL);
  };
  EXPECT_EQ(run(first, std::chrono::hours(1), {}, kill), -1);
  EXPECT_TRUE(fs::exists(at("s/point-000-seed-0/trained.json")));
  EXPECT_EQ(run({"sweep", "--collect", at("s")}), 6) << err();
  EXPECT_NE(err().find("point-003-seed-1"), std::string::npos) << err();
  EXPECT_NE(read_bytes(at("s/sweep.csv")).find("missing"), std::string::npos);
  EXPECT_FALSE(fs::exists(at("s/point-000-seed-0/result.json")));
  const auto before = fs::last_write_time(at("s/point-000-seed-0/model.h5"));
  ASSERT_EQ(run(first), 0) << err();
  EXPECT_EQ(fs::last_write_time(at("s/point-000-seed-0/model.h5")), before);
  EXPECT_NE(out().find("part 0 of 2 is done, 4 runs; 4 of all 8 are there"), std::string::npos) << out();
  ASSERT_EQ(run(sweep(at("s"), {"--part", "1/2"})), 0) << err();
  EXPECT_NE(out().find("melgrad sweep --collect"), std::string::npos) << out();
  ASSERT_EQ(run({"--threads", "1", "sweep", "--collect", at("s")}), 0) << err();
  expect_same_sweep(at("s"));
  EXPECT_EQ(json::parse(read_bytes(at("s/part-0-of-2.json")))["resumed"].size(), 1U);
}

// The path is the same, what lies there is not.
TEST_F(ManyRuns, DataThatChangedAreRefused) {
  const std::string data = at("changing.h5");
  const auto line = [&](const Arguments& more) {
    Arguments words = sweep(at("s"), more);
    words[5] = data;
    return words;
  };
  fs::copy_file(made("c.h5"), data);
  ASSERT_EQ(run(line({"--part", "0/2"})), 0) << err();
  ASSERT_EQ(run({"synth", "--out", at("others"), "--classes", "3", "--tracks-per-class", "8", "--seconds",
                 "4", "--seed", "9"}),
            0);
  fs::remove(data);
  ASSERT_EQ(run({"extract", at("others"), "--out", data}), 0);
  refused(line({"--part", "1/2"}), 3, "was trained on other data than what is there now");
  refused({"train", "--resume", at("s/point-000-seed-0"), "--set", "train.epochs=3"}, 3,
          "is other data than");
}

TEST_F(ManyRuns, JobsAtOnceAreTheWhole) {
  Arguments line = sweep(at("s"), {"--jobs", "2"});
  line[1] = "2";
  ASSERT_EQ(run(line), 0) << err();
  expect_same_sweep(at("s"));
  EXPECT_NE(err().find("train 8/8 runs"), std::string::npos) << err();
  // One run that is left has its share of the threads, not all of them, on which the bits depend.
  fs::remove_all(at("s/point-002-seed-1"));
  ASSERT_EQ(run(line), 0) << err();
  expect_same_sweep(at("s"));
}

TEST_F(ManyRuns, AStoppedSweepGoesOnByItsCommand) {
  bool sent = false;
  const auto stop = [&](pid_t process) {
    if (sent || !fs::exists(at("s/point-001-seed-0/run.json"))) return;
    sent = ::kill(process, SIGINT) == 0;
  };
  Arguments two = sweep(at("s"), {"--jobs", "2"});
  two[1] = "2";
  EXPECT_EQ(run(two, std::chrono::hours(1), {}, stop), 130) << err();
  EXPECT_NE(err().find("the same command goes on"), std::string::npos) << err();
  ASSERT_EQ(run(sweep(at("s"))), 0) << err();
  expect_same_sweep(at("s"));
}

TEST_F(ManyRuns, PartsOfAReproductionAreTheWhole) {
  for (const int parts : {1, 2, 3}) {
    const std::string folder = at("r" + std::to_string(parts));
    std::vector<Arguments> lines;
    for (int i = 0; i < parts; ++i)
      lines.push_back(reproduce(folder, {"--part", std::to_string(i) + "/" + std::to_string(parts)}));
    at_once(lines);
    ASSERT_EQ(run({"reproduce", "dong2018", "--collect", folder}), 0) << err();
    expect_same_reproduction(folder);
  }
  fs::remove_all(at("r3/split-01"));
  EXPECT_EQ(run({"reproduce", "dong2018", "--collect", at("r3")}), 6) << err();
  EXPECT_NE(err().find("r3: missing: split-01"), std::string::npos) << err();
  ASSERT_EQ(run({"--threads", "1", "reproduce", "dong2018", "--resume", at("r3")}), 0) << err();
  expect_same_reproduction(at("r3"));
}

TEST_F(ManyRuns, JobsOfAReproductionAreTheWhole) {
  Arguments line = reproduce(at("r"), {"--jobs", "2"});
  line[1] = "2";
  ASSERT_EQ(run(line), 0) << err();
  expect_same_reproduction(at("r"));
}

// Without features that are there, no part waits for another; by the command that it names they are.
TEST_F(ManyRuns, PartsOfAudioNameTheCommandForItsFeatures) {
  Arguments line = reproduce(at("r"), {"--part", "1/2"});
  line[5] = made("music");
  refused(line, 2, "melgrad extract " + made("music"));
  ASSERT_EQ(run({"extract", made("music"), "--recipe", at("r/recipe.toml"), "--out", at("r/features.h5")}), 0)
      << err();
  ASSERT_EQ(run(line), 0) << err();
  EXPECT_EQ(read_bytes(at("r/split-01/model.h5")), read_bytes(made("repro/split-01/model.h5")));
}

TEST_F(ManyRuns, APointThatDivergesIsARow) {
  const Arguments line = {"--threads", "1",
                          "sweep",     "dong2018-fixed",
                          "--data",    made("c.h5"),
                          "--set",     "train.rate=1e30,1e-3",
                          "--set",     "train.batch=8",
                          "--set",     "model.filters=2",
                          "--set",     "train.epochs=2",
                          "--out",     at("s")};
  for (int again = 0; again < 2; ++again) {
    ASSERT_EQ(run(line), 0) << err();
    const std::string csv = read_bytes(at("s/sweep.csv"));
    EXPECT_NE(csv.find("\n0,0,1e+30,8,2,2,diverged,,,,,\n1,0,0.001,8,2,2,finished,"), std::string::npos)
        << csv;
    EXPECT_EQ(json::parse(read_bytes(at("s/result.json")))["best"], 1);
  }
  Arguments worse = line;
  worse[7] = "train.rate=1e30";
  worse.insert(worse.end(), {"--seeds", "2"});
  worse[15] = at("t");
  refused(worse, 7, "every point has diverged");
}

TEST_F(ManyRuns, ReportShowsASweepAsATable) {
  ASSERT_EQ(run({"report", made("sweep"), "-o", at("page.html")}), 0) << err();
  const std::string page = read_bytes(at("page.html"));
  for (const char* part : {"Sweep of dong2018-fixed", "validation accuracy", "train.rate"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(err().find("not tested"), std::string::npos) << err();
}

TEST_F(ManyRuns, WhatIsRefused) {
  for (const char* part : {"2/2", "-1/2", "1", "1/0", "a/b"})
    refused(sweep(at("s"), {"--part", part}), 2, "--part");
  refused({"sweep", "dong2018-fixed", "--set", "train.rate=1e-3,1e-2"}, 2, "--data");
  refused({"sweep", "--data", made("c.h5")}, 2, "name a recipe");
  refused({"sweep", "dong2018-fixed", "--data", made("c.h5")}, 2, "nothing to compare");
  refused(sweep(at("s"), {"--set", "train.rate=1"}), 2, "comes twice");
  refused(sweep(at("s"), {"--set", "train.patience=3,3"}), 2, "comes twice");
  refused(sweep(at("s"), {"--set", "train.patience="}), 2, "a value is missing");
  refused(sweep(at("s"), {"--set", "train.patienec=3"}), 2, "train.patience");
  refused(sweep(at("s"), {"--set", "train.momentum=0.9,0.5"}), 2, "plays no part");
  refused(sweep(at("s"), {"--set", "train.shards=2,3"}), 2, "no power of two");
  refused(sweep(at("s"), {"--random", "5"}), 2, "not so many different points");
  refused(sweep(at("s"), {"--jobs", "0"}), 2, "--jobs");
  refused(sweep(at("s"), {"--set", "segment.frames=1000,2000"}), 3, "no track is as long as a segment");
  fs::remove_all(at("s"));
  refused({"sweep", "--collect", made("sweep"), "--seeds", "2"}, 2, "--collect");
  refused({"sweep", "--collect", made("repro")}, 3, "is no sweep");
  refused({"sweep", "--collect", at("nothing")}, 3, "not a run folder");
  refused({"reproduce", "dong2018", "--collect", made("repro"), "--splits", "2"}, 2, "--collect");
  refused({"reproduce", "dong2018", "--collect", made("repro"), "--resume", made("repro")}, 2, "excludes");
  refused({"reproduce", "dong2018", "--resume", made("repro"), "--part", "0/2"}, 2, "excludes");
  refused({"reproduce", "dong2018", "--gtzan", made("c.h5"), "--part", "0/2"}, 2, "--out");
  EXPECT_FALSE(fs::exists(at("s")));
}

// What was asked for in a folder is asked for again, or another folder is.
TEST_F(ManyRuns, PartsThatAreAskedForOtherwiseAreRefused) {
  Arguments line = sweep(made("sweep"), {"--part", "0/2"});
  line[7] = "train.rate=1e-3,1e-1";
  refused(line, 2, "set is {\"train.rate\":[\"0.001\",\"0.01\"]");
  line = sweep(made("sweep"), {"--seed", "4"});
  refused(line, 2, "run.json: seed is 0 there and 4 now; choose another --out");
  refused(reproduce(made("repro"), {"--part", "0/2", "--set", "train.rate=0.5"}), 2,
          "recipe.toml: train.rate is '0.001' there and '0.5' now");
  line = reproduce(made("repro"), {"--part", "0/2"});
  line[9] = "2";
  refused(line, 2, "run.json: splits is 3 there and 2 now");
  write_bytes(at("file"), "mine");
  fs::create_directory(at("other"));
  write_bytes(at("other/file"), "mine");
  refused(sweep(at("other")), 4, "exists already and is no run folder");
}

}  // namespace
}  // namespace melgrad
