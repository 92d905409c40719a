// Recipes by protocols by seeds (reproduce gtzan, crossval), columns that come from a table, and what several
// networks answer together.
#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Experiments : public test::Program {
 protected:
  // Three genres of eight tracks, of which two in a row are one recording; twice as tags.
  static void SetUpTestSuite() {
    made_ = std::make_unique<Scratch>();
    Maker maker;
    maker.make();
  }
  static void TearDownTestSuite() { made_.reset(); }
  static std::string made(const std::string& name) { return *made_ / name; }

  static Arguments small(Arguments line, const Arguments& more = {}) {
    line.insert(line.begin(), {"--threads", "1"});
    return with(with(line, {"--set", "train.epochs=2", "--set", "train.batch=8", "--set", "model.filters=2"}),
                more);
  }
  static Arguments tagging(Arguments line) {
    line.insert(line.begin(), {"--threads", "1"});
    return with(line, {"--recipe", "mtat-cnn2d-gru", "--set", "train.epochs=1", "--set", "train.batch=8",
                       "--set", "model.width=0.1", "--set", "segment.frames=200"});
  }
  static Arguments gtzan(const std::string& out, const Arguments& more = {}) {
    return small({"reproduce", "gtzan", "--data", made("plain.h5"), "--recipe", "dong2018-fixed,dong2018",
                  "--split-lists", made("lists"), "--splits", "2", "--folds", "3", "--group", "recording",
                  "--out", out},
                 more);
  }
  static Arguments crossval(const std::string& data, const std::string& out, const Arguments& more = {}) {
    return small({"crossval", data, "--recipe", "dong2018-fixed", "--out", out}, more);
  }
  static Arguments train(const std::string& out, const Arguments& more = {}) {
    return small({"train", made("plain.h5"), "--recipe", "dong2018-fixed", "--out", out}, more);
  }

  void done(const Arguments& line) { ASSERT_EQ(run(line), 0) << err(); }
  void refused(const Arguments& line, int code, const std::string& part) {
    EXPECT_EQ(run(line), code) << err();
    const std::string text = "\n" + err(), last = text.substr(text.rfind("\nmelgrad") + 1);
    EXPECT_NE(last.find(part), std::string::npos) << part << "\n" << text;
    EXPECT_EQ(std::count(last.begin(), last.end(), '\n'), 1) << text;
  }
  static json result(const std::string& folder) { return json::parse(read_bytes(folder + "/result.json")); }
  static std::set<std::string> tracks(const std::string& run, const char* part) {
    return json::parse(read_bytes(run + "/splits.json")).at(part).get<std::set<std::string>>();
  }

 private:
  struct Maker : test::Program {
    void TestBody() override {}
    void make() {
      const auto done = [&](const Arguments& line) { ASSERT_EQ(run(line), 0) << err(); };
      done({"synth", "--out", made("music"), "--classes", "3", "--tracks-per-class", "8", "--seconds", "4"});
      fs::create_directory(made("lists"));
      std::map<std::string, std::string> lists;
      std::string recordings = "track,recording\n", folds = "track,recording,fold\n",
                  tags = "path,tags,fold\n", split = "path,label,split\n";
      for (const auto& entry : fs::directory_iterator(made("music/genres")))
        for (int k = 0; k < 8; ++k) {
          const std::string genre = entry.path().filename().string(),
                            name = genre + ".0000" + std::to_string(k),
                            file = "music/genres/" + genre + "/" + name + ".wav";
          lists[k < 4 ? "train" : k < 6 ? "valid" : "test"] += name + ".wav\n";
          recordings += name + "," + genre + std::to_string(k / 2) + "\n";
          folds += name + "," + genre + std::to_string(k / 2) + "," + std::to_string(k / 2) + "\n";
          tags += file + "," + genre + (k % 2 == 0 ? ";even" : ";odd") + "," + std::to_string(k / 2) + "\n";
          split += file + "," + genre + "," + (k < 4 ? "test" : k < 6 ? "valid" : "train") + "\n";
        }
      for (const auto& [part, list] : lists) write_bytes(made("lists/") + part + "_filtered.txt", list);
      write_bytes(made("recordings.csv"), recordings);
      write_bytes(made("folds.csv"), folds);
      write_bytes(made("tags.csv"), tags);
      write_bytes(made("split.csv"), split);
      const auto extract = [&](const std::string& data, const std::string& out, const Arguments& more = {}) {
        done(with({"extract", made(data), "--out", made(out)}, more));
      };
      extract("music", "plain.h5", {"--columns", made("recordings.csv")});
      extract("music", "folds.h5", {"--columns", made("folds.csv")});
      extract("tags.csv", "tags.h5", {"--recipe", "mtat-cnn2d-gru"});
      extract("split.csv", "split.h5");
      done(gtzan(made("gtzan")));
      done(train(made("a")));
      done(train(made("b"), {"--seed", "5"}));
      done(train(made("c"), {"--split", "3"}));
      done(tagging({"train", made("tags.h5"), "--fold", "1", "--out", made("t")}));
    }
  };
  static std::unique_ptr<Scratch> made_;
};
std::unique_ptr<Scratch> Experiments::made_;

TEST_F(Experiments, GtzanIsEveryRecipeByEveryProtocolInOneTable) {
  const json all = result(made("gtzan"));
  const std::map<std::string, std::size_t> runs = {
      {"dong", 2}, {"repeat-free", 2}, {"fault-filtered", 5}, {"folds", 3}};
  ASSERT_EQ(all["table"].size(), 8U);
  ASSERT_EQ(all["runs"].size(), 24U);
  ASSERT_EQ(all["comparisons"].size(), 4U);
  for (const json& cell : all["table"]) {
    EXPECT_EQ(cell["runs"], runs.at(cell["protocol"])) << cell;
    double sum = 0;
    for (const json& one : all["runs"])
      if (one["recipe"] == cell["recipe"] && one["protocol"] == cell["protocol"])
        sum += one["accuracy"].get<double>();
    EXPECT_NEAR(cell["accuracy"]["mean"].get<double>(), sum / cell["runs"].get<double>(), 1e-12);
    EXPECT_LE(cell["accuracy"]["interval"][0], cell["accuracy"]["interval"][1]);
    if (cell["protocol"] == "folds") {
      EXPECT_EQ(cell["tracks"], 24);
    }
  }
  for (const json& one : all["comparisons"]) {
    EXPECT_EQ(one["a"], "dong2018-fixed");
    EXPECT_EQ(one["b"], "dong2018");
    EXPECT_GT(one["p"].get<double>(), 0);
    EXPECT_LE(one["p"].get<double>(), 1);
  }
}

TEST_F(Experiments, RecipesOfAProtocolHaveTheSameSplitsAndSeeds) {
  const json all = result(made("gtzan"));
  for (const json& one : all["runs"]) {
    const std::string name = one["run"], folder = made("gtzan/" + name);
    const json about = json::parse(read_bytes(folder + "/run.json"));
    EXPECT_EQ(about["seed"], one["seed"]);
    EXPECT_EQ(about["protocol"], one["protocol"]);
    std::string other = name;
    if (other.starts_with("dong2018-fixed-")) other.erase(8, 6);
    EXPECT_EQ(read_bytes(folder + "/splits.json"), read_bytes(made("gtzan/" + other) + "/splits.json"))
        << name;
    const auto recording = [](const std::string& track) {  // genre and pair
      const auto dot = track.rfind('.');
      return track.substr(0, dot - 1) + std::to_string((track[dot - 1] - '0') / 2);
    };
    if (one["protocol"] != "repeat-free" && one["protocol"] != "folds") continue;
    std::set<std::string> trained;
    for (const std::string& track : tracks(folder, "train")) trained.insert(recording(track));
    for (const std::string& track : tracks(folder, "test")) EXPECT_FALSE(trained.contains(recording(track)));
  }
  EXPECT_EQ(tracks(made("gtzan/dong2018-fault-filtered-00-seed-0"), "test").size(), 6U);
}

// The difference of the table, computed anew from the runs' own answers.
TEST_F(Experiments, ComparisonsAreOfTheRunsAnswers) {
  const json all = result(made("gtzan"));
  for (const json& one : all["comparisons"]) {
    std::map<std::string, std::pair<double, int>> differences;
    for (const json& a : all["runs"]) {
      if (a["recipe"] != one["a"] || a["protocol"] != one["protocol"]) continue;
      std::string other = a["run"];
      other.erase(8, 6);
      const auto right = [](const json& track) { return track["label"] == track["answer"] ? 1.0 : 0.0; };
      const json mine = result(made("gtzan/" + a["run"].get<std::string>()))["test"]["predictions"],
                 theirs = result(made("gtzan/" + other))["test"]["predictions"];
      for (std::size_t i = 0; i < mine.size(); ++i) {
        ASSERT_EQ(mine[i]["track"], theirs[i]["track"]);
        auto& [sum, count] = differences[mine[i]["track"]];
        sum += right(mine[i]) - right(theirs[i]);
        ++count;
      }
    }
    double sum = 0;
    for (const auto& [track, d] : differences) sum += d.first / d.second;
    EXPECT_EQ(one["tracks"], differences.size());
    EXPECT_NEAR(one["difference"].get<double>(), sum / static_cast<double>(differences.size()), 1e-12);
  }
}

TEST_F(Experiments, PartsJobsAndWhatGoesOnAreTheWhole) {
  for (const char* part : {"0/2", "1/2"}) done(gtzan(at("g"), {"--part", part}));
  done({"reproduce", "gtzan", "--collect", at("g")});
  EXPECT_EQ(read_bytes(at("g/result.json")), read_bytes(made("gtzan/result.json")));
  EXPECT_NE(out().find("p: sign-flip permutation test over tracks"), std::string::npos) << out();
  fs::remove_all(at("g/dong2018-folds-01"));
  EXPECT_EQ(run({"--json", "reproduce", "gtzan", "--collect", at("g")}), 6);
  EXPECT_EQ(json::parse(out())["missing"], json({"dong2018-folds-01"}));
  EXPECT_EQ(json::parse(out())["comparisons"][3]["runs"], 2);
  done({"--threads", "1", "reproduce", "gtzan", "--resume", at("g")});
  EXPECT_EQ(read_bytes(at("g/result.json")), read_bytes(made("gtzan/result.json")));
  Arguments jobs = gtzan(at("j"), {"--jobs", "2"});
  jobs[1] = "2";
  done(jobs);
  EXPECT_EQ(read_bytes(at("j/result.json")), read_bytes(made("gtzan/result.json")));
  refused(gtzan(at("g"), {"--part", "0/2", "--seeds", "2"}), 2, "run.json: protocols is [");
}

TEST_F(Experiments, WhatTheDataDoNotAllowIsLeftOutAndSaid) {
  Arguments line = small({"reproduce", "gtzan", "--data", made("plain.h5"), "--recipe", "dong2018-fixed",
                          "--splits", "1", "--folds", "2", "--out", at("g")});
  done(line);
  EXPECT_NE(err().find("repeat-free: left out: no two tracks"), std::string::npos) << err();
  EXPECT_NE(err().find("fault-filtered split: no lists found"), std::string::npos) << err();
  EXPECT_EQ(result(at("g"))["runs"].size(), 3U);
  EXPECT_TRUE(result(at("g"))["comparisons"].empty());
  refused(with(line, {"--protocol", "fault-filtered"}), 2,
          "--splits: plays no part in --protocol fault-filtered");
  const auto asked = [&](const Arguments& more) {
    return with(small({"reproduce", "gtzan", "--data", made("plain.h5"), "--out", at("x")}), more);
  };
  refused(asked({"--protocol", "fault-filtered"}), 2, "no lists found");
  refused(asked({"--protocol", "dong", "--group", "recording"}), 2, "--group: plays no part");
  refused(asked({"--protocol", "dongg"}), 2, "--protocol");
  refused(asked({"--set", "split.train=0.4"}), 2, "the protocol says how tracks are divided");
  refused(asked({"--recipe", "dong2018,dong2018"}), 2, "two are called dong2018");
  refused({"reproduce", "gtzan", "--data", made("plain.h5"), "--recipe", "dong2018-fixed,mtat-musicnn",
           "--out", at("x")},
          2, "runs of one task can be compared");
  EXPECT_FALSE(fs::exists(at("x")));
}

TEST_F(Experiments, ACrossValidationObeysTheDataSetsFolds) {
  done(crossval(made("folds.h5"), at("cv"), {"--group", "recording", "--seeds", "2"}));
  const json all = result(at("cv"));
  ASSERT_EQ(all["runs"].size(), 8U);
  EXPECT_EQ(all["table"][0]["tracks"], 24);
  for (int fold = 0; fold < 4; ++fold) {
    const std::string name = "fold-0" + std::to_string(fold) + "-seed-";
    const auto tested = tracks(at("cv/" + name + "0"), "test");
    EXPECT_EQ(tested.size(), 6U);
    for (const std::string& track : tested) EXPECT_EQ((track[track.rfind('.') - 1] - '0') / 2, fold);
    EXPECT_EQ(tested, tracks(at("cv/" + name + "1"), "test"));
    EXPECT_NE(read_bytes(at("cv/" + name + "0/model.h5")), read_bytes(at("cv/" + name + "1/model.h5")));
  }
  const auto confusion = all["table"][0]["confusion"].get<std::vector<std::vector<int>>>();
  for (const auto& row : confusion) EXPECT_EQ(row[0] + row[1] + row[2], 16);
  EXPECT_NE(out().find("confusion of all folds"), std::string::npos) << out();
  done({"report", at("cv"), "-o", at("page.html")});
}

TEST_F(Experiments, FoldsAreDrawnWhereTheDataSetHasNone) {
  done(crossval(made("plain.h5"), at("cv"), {"--folds", "3", "--group", "recording"}));
  std::multiset<std::string> tested;
  for (int fold = 0; fold < 3; ++fold)
    tested.merge([&] {
      const auto own = tracks(at("cv/fold-0" + std::to_string(fold)), "test");
      return std::multiset<std::string>(own.begin(), own.end());
    }());
  EXPECT_EQ(tested.size(), 24U);
  EXPECT_EQ(std::set(tested.begin(), tested.end()).size(), 24U);
}

TEST_F(Experiments, TagsAreCrossValidatedToo) {
  done(tagging({"crossval", made("tags.h5"), "--out", at("cv")}));
  const json all = result(at("cv"));
  ASSERT_EQ(all["table"].size(), 1U);
  EXPECT_EQ(all["runs"].size(), 4U);
  EXPECT_EQ(all["table"][0]["pooled"]["macro"]["roc_auc"]["interval"].size(), 2U);
  EXPECT_NE(out().find("24"), std::string::npos);
  done({"crossval", "--collect", at("cv")});
}

TEST_F(Experiments, FoldsThatCannotBeAreRefused) {
  refused(crossval(made("folds.h5"), at("x"), {"--folds", "5"}), 2,
          "--folds 5: the column \"fold\" of " + made("folds.h5") + " has 4 folds, which are obeyed");
  refused(crossval(made("plain.h5"), at("x"), {"--group", "artist"}), 3,
          "--group artist: no such column in the data set; it has recording");
  refused(crossval(made("plain.h5"), at("x"), {"--folds", "25"}), 3, "25 folds of 24 tracks");
  refused(crossval(made("plain.h5"), at("x"), {"--folds", "13", "--group", "recording"}), 3, "fewer folds");
  refused(crossval(made("plain.h5"), at("x"), {"--folds", "1"}), 2, "--folds");
  refused(crossval(at("none"), at("x")), 3, "no such file or folder");
  refused(crossval("-", at("x")), 2, "standard input cannot be read again");
  refused({"crossval"}, 2, "name the data");
  EXPECT_FALSE(fs::exists(at("x")));
}

TEST_F(Experiments, TrainObeysTheSplitOfATable) {
  done(small({"train", made("split.h5"), "--recipe", "dong2018-fixed", "--out", at("run")}));
  EXPECT_EQ(tracks(at("run"), "test").size(), 12U);
  for (const std::string& track : tracks(at("run"), "train")) EXPECT_GE(track[track.rfind('.') - 1], '6');
}

// ---- evaluate

TEST_F(Experiments, AnEnsembleIsTheMeanOfItsMembers) {
  for (const char* model : {"a", "b"})
    done({"evaluate", made(model), "--scores", at(std::string(model) + ".csv")});
  done({"--json", "evaluate", made("a"), made("b"), "--scores", at("ab.csv"), "--mistakes", at("m.csv")});
  const json both = json::parse(out());
  const json a = result(made("a"))["test"]["predictions"], b = result(made("b"))["test"]["predictions"];
  ASSERT_EQ(both["test"]["predictions"].size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const json& track = both["test"]["predictions"][i];
    EXPECT_EQ(track["track"], a[i]["track"]);
    for (std::size_t k = 0; k < 3; ++k)
      EXPECT_NEAR(track["probabilities"][k].get<double>(),
                  (a[i]["probabilities"][k].get<double>() + b[i]["probabilities"][k].get<double>()) / 2,
                  1e-6);
  }
  EXPECT_TRUE(both["test"]["segment_accuracy"].is_null());
  const std::string csv = read_bytes(at("ab.csv"));
  EXPECT_TRUE(csv.starts_with("track,ambient,arpeggio,march\n")) << csv;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + std::ssize(a));
  // With itself it is itself.
  done({"--json", "evaluate", made("a"), made("a")});
  EXPECT_EQ(json::parse(out())["test"]["accuracy"], result(made("a"))["test"]["accuracy"]);
  done({"evaluate", made("a"), made("b")});
  EXPECT_NE(out().find("test tracks right"), std::string::npos);
}

TEST_F(Experiments, ProbabilitiesOfAnyPartOfTheSplit) {
  for (const char* part : {"train", "valid", "test"}) {
    done({"evaluate", made("a"), made("b"), "--tracks", part, "--scores", at("s.csv")});
    std::string csv = read_bytes(at("s.csv"));
    const auto wanted = tracks(made("a"), part);
    EXPECT_EQ(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')), 1 + wanted.size());
    for (const std::string& track : wanted) EXPECT_NE(csv.find(track + ","), std::string::npos);
  }
  const auto before = fs::last_write_time(made("a/result.json"));
  done({"evaluate", made("a"), "--tracks", "all", "--data", made("folds.h5"), "--scores", at("s.csv")});
  EXPECT_EQ(fs::last_write_time(made("a/result.json")), before);
  EXPECT_NE(out().find("of 24 tracks right"), std::string::npos) << out();
  done({"evaluate", made("a"), made("b"), "--data", made("split.h5")});  // its own 12
  EXPECT_NE(out().find("of 12 test tracks right"), std::string::npos) << out();
  EXPECT_NE(err().find("has names of"), std::string::npos) << err();  // some were trained on
  done({"evaluate", made("a"), made("b"), "--tracks", "all", "--data", made("music")});
  EXPECT_NE(out().find("of 24 tracks right"), std::string::npos) << out();
  done({"evaluate", made("t"), "--scores", at("t.csv")});
  EXPECT_TRUE(read_bytes(at("t.csv")).starts_with("track,"));
}

// What a network answers to its training tracks, for the next one to learn from.
TEST_F(Experiments, ANetworkTeachesAnother) {
  done({"evaluate", made("a"), "--tracks", "train", "--scores", at("teacher.csv")});
  done(train(at("taught"), {"--set", "train.teacher=" + at("teacher.csv")}));
  done({"evaluate", at("taught")});
  refused(train(at("other"), {"--split", "1", "--set", "train.teacher=" + at("teacher.csv")}), 3,
          "teacher.csv: train.teacher lacks ");
  refused(train(at("none"), {"--set", "train.teacher=" + at("no.csv")}), 3,
          "no.csv: train.teacher is not there");
}

TEST_F(Experiments, ModelsThatDoNotGoTogetherAreRefused) {
  refused({"evaluate", made("a"), made("c")}, 3, "its test tracks are not those of " + made("a"));
  refused({"evaluate", made("a"), made("t")}, 3, "average models of one task");
  done({"synth", "--out", at("others"), "--classes", "4", "--tracks-per-class", "4", "--seconds", "4"});
  done(small({"train", at("others"), "--recipe", "dong2018-fixed", "--out", at("four")}));
  refused({"evaluate", made("a"), at("four")}, 3, "average models of the same classes");
  refused({"evaluate", made("a"), made("a/model.h5")}, 2, "--data names them");
  refused({"evaluate", made("a"), at("none")}, 3, "neither a run folder nor a model file");
  refused({"evaluate", made("a/model.h5"), "--tracks", "train", "--data", made("plain.h5")}, 2,
          "has no split; --tracks all takes all");
}

}  // namespace
}  // namespace melgrad
