// The folders and tables that people have: read as what they are, or refused in one line, by every command.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/reproduce/reproduce.h"
#include "io/arrays/cache.h"
#include "io/audio/audio.h"
#include "tests/apps/command.h"
#include "tests/io/fixtures.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using test::Outcome;
using test::run_command;
using test::TempFolder;
using Arguments = std::vector<std::string>;

class Layouts : public ::testing::Test {
 protected:
  // A short sound of its own.
  void sound(const std::string& name) {
    write_audio(folder_ / name, test::tone(200 + 40 * ++sounds_, 8000, 1), 8000, AudioFormat::wav);
  }
  void text(const std::string& name, const std::string& content) {
    test::write_bytes(folder_ / name, content);
  }
  std::string at(const std::string& name) const { return folder_ / name; }

  Outcome check(const std::string& data, const Arguments& more = {}) {
    return run_command(register_check, with({"check", at(data), "--min-seconds", "0.1"}, more));
  }
  Outcome analyze(const std::string& data, const Arguments& more = {}) {
    return run_command(register_analyze, with({"analyze", at(data), "--labels-only"}, more));
  }
  Outcome extract(const std::string& data, const Arguments& more = {}) {
    return run_command(register_extract, with({"extract", at(data), "--out", at("out/c.h5")}, more));
  }
  Outcome train(const std::string& data, const Arguments& more = {}) {
    fs::remove_all(at("run"));
    return run_command(register_train,
                       with({"train", at(data), "--recipe", "dong2018-fixed", "--set", "train.epochs=1",
                             "--set", "train.batch=2", "--set", "segment.frames=34", "--out", at("run")},
                            more));
  }
  Outcome reproduce(const std::string& data) {
    fs::remove_all(at("again"));
    return run_command(
        register_reproduce,
        {"reproduce", "dong2018", "--gtzan", at(data), "--splits", "1", "--recipe", "dong2018-fixed", "--set",
         "train.epochs=1", "--set", "train.batch=2", "--set", "segment.frames=34", "--out", at("again")});
  }

  // Every command reads `data` with these classes, or refuses it with `refusal` in its line.
  void all_read(const std::string& data, const std::vector<std::string>& classes,
                const std::string& refusal = "") {
    const Outcome checked = check(data, {"--json"}), analyzed = analyze(data), extracted = extract(data),
                  trained = train(data), reproduced = reproduce(data);
    for (const Outcome* outcome : {&checked, &analyzed, &extracted, &trained, &reproduced}) {
      if (!refusal.empty()) {
        EXPECT_EQ(outcome->exit_code, 3) << outcome->err;
        EXPECT_TRUE(has(outcome->err, refusal)) << outcome->err;
      } else {
        EXPECT_EQ(outcome->exit_code, 0) << outcome->err;
      }
    }
    if (!refusal.empty()) {
      EXPECT_FALSE(fs::exists(at("run"))) << "a refused data set leaves no run";
      return;
    }
    std::vector<std::string> found;
    const auto json = nlohmann::json::parse(checked.out);
    for (const auto& [name, counts] : json["classes"].items()) found.push_back(name);
    EXPECT_EQ(found, classes);
    EXPECT_EQ(read_cache(at("out/c.h5"), {.features = false}).classes, classes);
  }
  Cache cache() { return read_cache(at("out/c.h5"), {.features = false}); }

  static Arguments with(Arguments all, const Arguments& more) {
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  const TempFolder folder_{};
  int sounds_ = 0;
};

const std::vector<std::string> kTwo = {"blues", "metal"};

TEST_F(Layouts, gtzan_as_kaggle_packs_it) {
  for (const std::string& genre : kTwo) {
    for (int i = 0; i < 6; ++i)
      sound("kaggle/Data/genres_original/" + genre + "/" + std::to_string(i) + ".wav");
    text("kaggle/Data/images_original/" + genre + "/" + genre + "00000.png", "");
  }
  text("kaggle/Data/features_30_sec.csv", "filename,length,label\nblues.00000.wav,661794,blues\n");
  text("kaggle/__MACOSX/Data/._x.wav", "no sound");
  all_read("kaggle", kTwo);
  EXPECT_EQ(check("kaggle/Data").exit_code, 0);
  EXPECT_EQ(check("kaggle/Data/genres_original").exit_code, 0);
  text("packed/all/in/one/README", "");
  fs::rename(at("kaggle"), at("packed/all/in/kaggle"));
  fs::remove_all(at("packed/all/in/one"));
  EXPECT_EQ(check("packed").exit_code, 0) << "a folder that holds but one folder, as archives make them";
}

TEST_F(Layouts, fma) {
  std::string tracks =
      ",album,artist,set,set,track,track\n,id,id,split,subset,genre_top,title\ntrack_id,,,,,,\n";
  const char* splits[] = {"training", "training", "validation", "test"};
  for (int i = 0; i < 8; ++i) {
    const std::string id = std::to_string(140 + i);
    sound("fma_small/000/000" + id + ".wav");
    tracks += id + "," + std::to_string(i / 2) + ",7," + splits[i % 4] + ",small," +
              (i < 4 ? "Rock" : "Folk") + ",\"two\nlines, \"\"quoted\"\"\"\n";
  }
  sound("fma_small/155/155000.wav");
  all_read("fma_small", {}, "FMA's genres are in tracks.csv");
  text("fma_metadata/tracks.csv", tracks + "155000,1,1,test,small,,no genre\n");
  all_read("fma_small", {"Folk", "Rock"});
  const Cache c = cache();
  EXPECT_EQ(c.items.size(), 8U);
  EXPECT_EQ(c.items[2].split, "valid");
  EXPECT_EQ(c.columns, (std::vector<std::string>{"artist", "album"}));
  EXPECT_TRUE(has(check("fma_small").err, "1 files have no label in tracks.csv"));
}

TEST_F(Layouts, urbansound8k_and_its_folds) {
  std::string table = "slice_file_name,fsID,start,end,salience,fold,classID,class\n";
  for (int i = 0; i < 12; ++i) {
    const std::string name = std::to_string(100 + i) + "-0-0-" + std::to_string(i) + ".wav",
                      fold = std::to_string(1 + i % 3);
    sound("us/audio/fold" + fold + "/" + name);
    table += name + "," + std::to_string(100 + i) + ",0,1,1," + fold + ",0," +
             (i < 6 ? "siren" : "drilling") + "\n";
  }
  text("us/metadata/UrbanSound8K.csv", table);
  all_read("us", {"drilling", "siren"});
  all_read("us/audio", {}, "it is a part of UrbanSound8K: give " + at("us"));
  EXPECT_EQ(check("us/metadata/UrbanSound8K.csv").exit_code, 0);
  EXPECT_TRUE(has(check("us").err, "not used here: fold, group"));
  EXPECT_TRUE(
      has(train("us").err, "not used for the split: fold (--fold N tests on one), group (--group group)"));
  const Outcome fold = train("us", {"--fold", "3"});
  ASSERT_EQ(fold.exit_code, 0) << fold.err;
  EXPECT_TRUE(has(fold.err, "4 train, 4 valid, 4 test")) << fold.err;
  EXPECT_TRUE(has(test::read_bytes(at("run/run.json")), "\"fold 3\""));
  const auto split = nlohmann::json::parse(test::read_bytes(at("run/splits.json")));
  for (const auto& name : split.at("test")) EXPECT_TRUE(has(name, "fold3/")) << name;
  EXPECT_EQ(train("us", {"--fold", "4"}).exit_code, 3);
}

TEST_F(Layouts, esc50) {
  std::string table = "filename,fold,target,category,esc10,src_file,take\n";
  for (int i = 0; i < 9; ++i) {
    const std::string name = "1-" + std::to_string(i) + "-A-0.wav";
    sound("ESC-50-master/audio/" + name);
    table += name + "," + std::to_string(1 + i % 3) + ",0," + (i < 5 ? "dog" : "rain") + ",True,1,A\n";
  }
  text("ESC-50-master/meta/esc50.csv", table);
  all_read("ESC-50-master", {"dog", "rain"});
  EXPECT_EQ(check("ESC-50-master/meta/esc50.csv").exit_code, 0);
  EXPECT_TRUE(has(check("ESC-50-master/audio").err, "it is a part of ESC-50: give"));
}

TEST_F(Layouts, split_folders_over_classes) {
  const std::pair<const char*, int> parts[] = {{"Train", 3}, {"val", 1}, {"test", 1}};
  for (const auto& [part, tracks] : parts)
    for (const std::string& genre : kTwo)
      for (int i = 0; i < tracks; ++i)
        sound(std::string("d/") + part + "/" + genre + "/" + std::to_string(i) + ".wav");
  all_read("d", kTwo);
  EXPECT_TRUE(has(train("d").err, "6 train, 2 valid, 2 test tracks of 2 classes"));
}

TEST_F(Layouts, mtg_jamendo) {
  std::string table = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n";
  for (int i = 0; i < 6; ++i) {
    const std::string id = std::to_string(10 + i);
    sound("j/" + id + "/9" + id + ".low.wav");
    table += "track_" + id + "\tartist_" + std::to_string(i / 2) + "\talbum_1\t" + id + "/9" + id +
             ".mp3\t200.0\tgenre---rock" + (i % 2 ? "\tmood/theme---happy\n" : "\n");
  }
  EXPECT_TRUE(has(check("j").err, "are no classes by their names (numbers)"));
  text("j/data/autotagging.tsv", table);
  for (const std::string data : {"j", "j/data/autotagging.tsv"}) {
    const Outcome checked = check(data, {"--json"});
    EXPECT_EQ(checked.exit_code, 0) << checked.err;
    EXPECT_EQ(nlohmann::json::parse(checked.out)["classes"]["mood/theme---happy"]["tracks"], 3);
  }
  EXPECT_EQ(extract("j").exit_code, 0);
  EXPECT_EQ(cache().items[5].columns[0], "artist_2");
  EXPECT_EQ(analyze("j").exit_code, 0);
  EXPECT_TRUE(has(train("j").err, "needs exactly one (for tags")) << "a recipe for genres";
  for (const std::string part : {"train", "validation", "test"})
    text("j/data/autotagging_genre-" + part + ".tsv", table);
  EXPECT_TRUE(has(check("j").err, "several tables here")) << check("j").err;
}

TEST_F(Layouts, nsynth) {
  for (const std::string part : {"train", "valid", "test"}) {
    nlohmann::json notes;
    for (const std::string family : {"bass", "organ"}) {
      for (int i = 0; i < 2; ++i) {
        const std::string note = family + "_" + part + "_" + std::to_string(i);
        sound("n/nsynth-" + part + "/audio/" + note + ".wav");
        notes[note] = {{"instrument_family_str", family},
                       {"instrument_str", family + "_" + part},
                       {"qualities", {0, 1}}};
      }
    }
    text("n/nsynth-" + part + "/examples.json", notes.dump());
  }
  all_read("n", {"bass", "organ"});
  EXPECT_TRUE(has(train("n").err, "4 train, 4 valid, 4 test"));
  EXPECT_EQ(check("n/nsynth-test").exit_code, 0);
  text("n/nsynth-test/examples.json", R"({"a": {"instrument_family_str": 3}})");
  EXPECT_EQ(check("n/nsynth-test").exit_code, 3);
}

TEST_F(Layouts, folders_that_are_no_classes_need_a_flag) {
  for (const Arguments& names :
       {Arguments{"1", "2"}, {"fold1", "fold2"}, {"audio", "songs"}, {"CD 1", "rock"}}) {
    for (const std::string& name : names)
      for (int i = 0; i < 4; ++i) sound("x/" + name + "/" + std::to_string(i) + ".wav");
    all_read("x", {}, "--classes-are-folders");
    EXPECT_TRUE(has(check("x").err, "\"" + names[0] + "\""));
    const Outcome flagged = check("x", {"--classes-are-folders", "--json"});
    EXPECT_EQ(flagged.exit_code, 0) << flagged.err;
    EXPECT_EQ(nlohmann::json::parse(flagged.out)["classes"].size(), 2U);
    if (names[0] == "1") {
      EXPECT_EQ(train("x", {"--classes-are-folders"}).exit_code, 0);
    }
    fs::remove_all(at("x"));
  }
}

TEST_F(Layouts, of_one_class_nothing_is_learned) {
  for (int i = 0; i < 4; ++i) sound("o/rock/" + std::to_string(i) + ".wav");
  EXPECT_EQ(check("o").exit_code, 0);
  EXPECT_EQ(extract("o").exit_code, 0);
  for (const Outcome& outcome : {train("o"), train("out/c.h5"), reproduce("o")}) {
    EXPECT_EQ(outcome.exit_code, 3);
    EXPECT_TRUE(has(outcome.err, "one class, \"rock\"")) << outcome.err;
  }
}

TEST_F(Layouts, audio_that_is_not_read_is_counted) {
  for (const std::string& genre : kTwo) {
    for (int i = 0; i < 4; ++i) sound("m/" + genre + "/" + std::to_string(i) + ".wav");
    for (const char* other : {"x.m4a", "y.M4A", "z.wma"})
      text("m/" + genre + "/" + other, "sound of another kind");
    for (const char* hidden : {"._0.wav", ".DS_Store", "Thumbs.db"})
      text("m/" + genre + "/" + hidden, "nothing");
  }
  const std::string line = "4 m4a and 2 wma files are not read: --ffmpeg, or convert them\n";
  for (const Outcome& outcome : {check("m"), analyze("m"), extract("m"), train("m"), reproduce("m")}) {
    EXPECT_EQ(outcome.exit_code, kExitProblemsFound) << outcome.err;
    EXPECT_TRUE(has(outcome.err, line)) << outcome.err;
    EXPECT_FALSE(has(outcome.err + outcome.out, "._0")) << outcome.out;
  }
  ASSERT_EQ(train("m").exit_code, kExitProblemsFound);
  EXPECT_EQ(nlohmann::json::parse(check("m", {"--json"}).out)["not_read"]["m4a"], 4);
  const Outcome predicted = run_command(register_predict, {"predict", at("run"), at("m"), "--json"});
  EXPECT_EQ(predicted.exit_code, kExitProblemsFound);
  EXPECT_TRUE(has(predicted.err, line)) << predicted.err;
  EXPECT_EQ(nlohmann::json::parse(predicted.out).size(), 14U) << "8 answers, 6 files that are not read";
  for (const std::string& genre : kTwo)
    for (const char* other : {"x.m4a", "y.M4A", "z.wma"}) fs::remove(at("m/" + genre + "/" + other));
  EXPECT_EQ(run_command(register_predict, {"predict", at("run"), at("m")}).exit_code, 0);
}

TEST_F(Layouts, names_that_are_no_utf8_end_no_batch) {
  for (const std::string genre : {"caf\xE9", "a\nb\x1b[31m"})
    for (int i = 0; i < 4; ++i) sound("b/" + genre + "/\xFF" + std::to_string(i) + ".wav");
  const Outcome trained = train("b");
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_EQ(extract("b").exit_code, 0);
  EXPECT_EQ(cache().classes, (std::vector<std::string>{"a\nb\x1b[31m", "caf\\xe9"}));
  EXPECT_EQ(cache().items[7].name, "caf\\xe9/\\xff3.wav");
}

TEST_F(Layouts, what_a_group_holds_stays_on_one_side) {
  std::string table = "file;Genre;speaker;bpm\n";
  for (int i = 0; i < 24; ++i) {
    sound("g/" + std::to_string(i) + ".wav");
    table +=
        std::to_string(i) + ".wav;" + (i < 12 ? "rock" : "folk") + ";s" + std::to_string(i % 8) + ";120\n";
  }
  text("g/m.csv", table);
  const Outcome trained = train("g/m.csv", {"--group", "Speaker"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_TRUE(has(trained.err, "\"file\" is read as the path, \"genre\" as the label")) << trained.err;
  EXPECT_TRUE(has(trained.err, "not used: column \"bpm\"")) << trained.err;
  std::map<int, std::set<std::string>> sides;
  const auto splits = nlohmann::json::parse(test::read_bytes(at("run/splits.json")));
  for (const auto& [part, names] : splits.items())
    for (const std::string name : names) sides[std::stoi(name) % 8].insert(part);
  for (const auto& [speaker, parts] : sides) EXPECT_EQ(parts.size(), 1U) << speaker;
  EXPECT_TRUE(has(train("g/m.csv", {"--group", "artist"}).err, "no column \"artist\""));
  EXPECT_TRUE(has(check("g/m.csv").err, "not used: column \"bpm\", column \"speaker\""));
}

}  // namespace
}  // namespace melgrad
