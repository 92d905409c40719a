// What a newcomer meets in the first hour: help, mistyped words, other programs' names, training without a
// recipe, tables of answers and of mistakes.
#include <fstream>
#include <sstream>

#include "apps/terminal/usage.h"
#include "io/datasets/csv.h"
#include "models/recipes/recipe.h"
#include "tests/apps/program.h"

namespace melgrad::test {
namespace {

class FirstHour : public Program {
 protected:
  void expect(int code, const Arguments& arguments, const std::string& said) {
    SCOPED_TRACE(arguments.empty() ? "" : arguments.back());
    EXPECT_EQ(run(arguments), code) << err();
    EXPECT_NE((out() + err()).find(said), std::string::npos) << out() << err();
  }
  void make_music(int tracks = 4, const std::string& seconds = "4") {
    ASSERT_EQ(run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class",
                   std::to_string(tracks), "--seconds", seconds}),
              0);
  }
  // Short segments and few filters, so that it takes a second.
  Arguments train(const Arguments& more) {
    Arguments all = {"--threads", "1", "train", at("music/genres"), "--out", at("run"), "--set", "filters=4"};
    all.insert(all.end(), {"--set", "train.epochs=2", "--set", "segment.frames=40"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(FirstHour, HelpAndVersion) {
  expect(0, {}, "A first hour");
  expect(0, {"help"}, "A first hour");
  expect(0, {"-h"}, "A first hour");
  expect(0, {"help", "train"}, "--recipe");
  expect(0, {"version"}, "melgrad ");
  expect(0, {"--version"}, "melgrad ");
  expect(0, {"recipes"}, "dong2018-fixed");
  expect(0, {"recipes", "mtat-fcn"}, "architecture");
  expect(0, {"recipe", "mtat-fcn"}, "share that is tested on");
  expect(0, {"recipe", "--keys"}, "train.clip_norm");
  expect(0, {"recipes", "--keys", "--json"}, "\"unit\": \"tracks\"");
  expect(2, {"recipe", "mtat-fcn", "--keys"}, "excludes");
}

TEST_F(FirstHour, WhatIsMistypedNamesTheNearest) {
  expect(2, {"trian", "music"}, "trian: no such command; did you mean train?");
  expect(2, {"eval", "run"}, "did you mean evaluate?");
  expect(2, {"help", "trian"}, "did you mean train?");
  expect(2, {"--threads", "1", "perdict", "x"}, "did you mean predict?");
  expect(2, {"zzzzzz"}, "zzzzzz: no such command; melgrad help lists them");
  expect(2, {"train", "music", "--recpie", "x"}, "--recpie: no such option; did you mean --recipe?");
  expect(2, {"evaluate", "run", "--mistake=x.csv"}, "did you mean --mistakes?");
  expect(2, {"--jsn", "info"}, "did you mean --json?");
  make_music();
  expect(2, train({"--recipe", "dong2018-fixd"}), "did you mean dong2018-fixed?");
  expect(2, train({"--set", "learning_rat=1"}), "did you mean train.rate?");
}

TEST(RecipeKeys, AreUnderstoodAsOthersCallThem) {
  Recipe r = load_recipe("dong2018-fixed");
  const auto notes = set_recipe_fields(
      r, {"lr=0.02", "batch_size=7", "weight_decay=0.1", "early_stopping=3", "optimizer=adamw", "epochs=9",
          "f_max=8000", "n_mels=40", "sr=16000", "hop_length=160", "dropout=0.4", "optimizer.beta_1=0.8",
          "frames=99", "train.num_epochs=8"});
  EXPECT_EQ(r.train.rate, 0.02);
  EXPECT_EQ(r.train.batch, 7);
  EXPECT_EQ(r.train.weight_decay, 0.1);
  EXPECT_EQ(r.train.patience, 3);
  EXPECT_EQ(r.train.optimizer, OptimizerKind::adam);
  EXPECT_EQ(r.train.epochs, 8);
  EXPECT_EQ(r.features.n_mels, 40);
  EXPECT_EQ(r.features.sample_rate, 16000);
  EXPECT_EQ(r.features.hop_length, 160);
  EXPECT_EQ(r.model.dropout, 0.4);
  EXPECT_EQ(r.train.beta1, 0.8);
  EXPECT_EQ(r.segment.frames, 99);
  EXPECT_EQ(notes[0], "lr is train.rate");
  EXPECT_NE(notes.back().find("train.weight_decay, which is 0.1"), std::string::npos) << notes.back();
  EXPECT_NE(as_toml(r).find("rate = 0.02"), std::string::npos);
  EXPECT_EQ(parse_recipe("[optimizer]\nlr = 0.5\n", "text").train.rate, 0.5);
}

TEST(RecipeKeys, WhatIsNoKeySaysWhatComesNearest) {
  const auto refused = [](const std::string& assignment) -> std::string {
    Recipe r = load_recipe("dong2018-fixed");
    try {
      set_recipe_fields(r, {assignment});
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused("seed=3"), "seed: is an option of train: --seed N");
  EXPECT_NE(refused("duration=3").find("segment.frames counts frames"), std::string::npos);
  EXPECT_EQ(refused("label_smoothing=0.1"), "accepted");
  EXPECT_EQ(refused("ema_decay=0.99"), "accepted");
  EXPECT_NE(refused("batchsize=3").find("did you mean train.batch?"), std::string::npos);
  EXPECT_NE(refused("features.lr=3").find("did you mean train.rate?"), std::string::npos);
  EXPECT_NE(refused("train.frames=3").find("did you mean segment.frames?"), std::string::npos);
}

TEST(Phases, AdaptToTheEpochs) {
  Recipe r = load_recipe("mtat-musicnn");
  const auto notes = set_recipe_fields(r, {"epochs=20"});
  EXPECT_EQ(r.train.phases, "8 adam 0.0001, 2 sgd 0.001, 2 sgd 0.0001, 8 sgd 1e-05");
  EXPECT_NE(notes.back().find("8 adam"), std::string::npos);
  set_recipe_fields(r, {"train.epochs=1"});
  EXPECT_EQ(r.train.phases, "1 sgd 0.001");
  EXPECT_EQ(parse_recipe("base = \"mtat-fcn\"\n[train]\nepochs = 100\n", "t").train.phases,
            "40 adam 0.0001, 10 sgd 0.001, 10 sgd 0.0001, 40 sgd 1e-05");
  TrainOptions t;
  t.phases = "8 adam 0.001, 2 sgd 0.01";
  t.epochs = 30;
  EXPECT_EQ(ending_phases(t), "8 adam 0.001, 22 sgd 0.01");
  t.epochs = 5;
  EXPECT_EQ(ending_phases(t), "5 adam 0.001");
}

// From a folder to tables, by what --help says, with all that counts for genres of unlike size.
TEST_F(FirstHour, FromAFolderToTables) {
  make_music();
  expect(0, train({"--set", "mixup=0.3", "--set", "partial_batch=false", "--set", "sampling=balanced"}),
         "recipe dong2018-fixed, as each track has one genre");
  EXPECT_NE(read_bytes(at("run/recipe.toml")).find("balanced"), std::string::npos);
  expect(0, {"evaluate", at("run"), "--mistakes", at("m.csv")}, "mistakes: " + at("m.csv"));
  const auto mistakes = read_csv(at("m.csv"));
  ASSERT_FALSE(mistakes.empty());
  EXPECT_EQ(mistakes[0].fields[0], "file");
  const std::string told = out().substr(out().find(": all ") + 6);
  EXPECT_EQ(std::stoul(told), mistakes.size() - 1);
  for (std::size_t i = 1; i < mistakes.size(); ++i) EXPECT_NE(mistakes[i].fields[1], mistakes[i].fields[2]);

  std::ofstream(at("music/broken, \"1\".wav")) << "no sound";
  EXPECT_EQ(run({"predict", at("run"), at("music"), "--csv"}), 6);
  std::ofstream(at("answers.csv")) << out();
  const auto rows = read_csv(at("answers.csv"));
  ASSERT_EQ(rows.size(), 10U);  // a header, 8 tracks, the broken one
  EXPECT_EQ(rows[0].fields.size(), 6U);
  for (const auto& row : rows) EXPECT_EQ(row.fields.size(), rows[0].fields.size());
  EXPECT_NE(rows[1].fields[0].find("broken, \"1\".wav"), std::string::npos);
  EXPECT_EQ(rows[1].fields[1], "");
  EXPECT_NE(rows[1].fields.back(), "");
  EXPECT_EQ(run({"predict", at("run"), at("music/genres"), "--csv", "--segments"}), 0);
  std::ofstream(at("segments.csv")) << out();
  const auto segments = read_csv(at("segments.csv"));
  EXPECT_EQ(segments[0].fields[1], "start");
  EXPECT_GT(segments.size(), 20U);
  expect(2, {"--json", "predict", at("run"), at("music"), "--csv"}, "choose one");
  expect(0, {"train", "--resume", at("run"), "--set", "train.epochs=3"}, "all 3 epochs done");
}

TEST_F(FirstHour, ClassWeightsTrain) {
  make_music();
  expect(0, train({"--set", "class_weight=balanced"}), "class_weight is train.class_weights");
  expect(
      2,
      train({"--set", "train.class_weights=balanced", "--set", "mixup=0.3", "--set", "partial_batch=false"}),
      "train.sampling=balanced");
  expect(2, train({"--set", "mixup=0.3"}), "set train.partial_batch=false");
  expect(2, train({"--recipe", "mtat-musicnn", "--set", "train.sampling=balanced"}), "train.tag_weights");
}

TEST_F(FirstHour, TagsTakeARecipeOfTheirOwnAndSayHowShortClipsAre) {
  make_music(4, "2");
  std::ofstream list(at("tags.csv"));
  list << "path,label,split\n";
  int n = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(at("music/genres")))
    if (entry.path().extension() == ".wav") {
      const char* split = n % 4 == 3 ? "test" : n % 4 == 2 ? "valid" : "train";
      list << entry.path().string() << "," << (n % 2 == 0 ? "slow;piano" : "slow") << "," << split << "\n";
      ++n;
    }
  list.close();
  const Arguments start = {"--threads", "1",        "train", at("tags.csv"),
                           "--out",     at("tags"), "--set", "width=0.1"};
  expect(3, start, "set segment.frames=12");  // 2 s are 126 or so
  EXPECT_NE(err().find("recipe mtat-musicnn, as the tracks have tags"), std::string::npos) << err();
  Arguments fits = start;
  fits[5] = at("fits");
  fits.insert(fits.end(), {"--set", "segment.frames=100", "--set", "epochs=2", "--set", "test_crops=2"});
  expect(0, fits, "train.epochs=2: train.phases is \"1 adam 0.0001, 1 sgd 1e-05\"");
  expect(0, {"evaluate", at("fits"), "--mistakes", at("m.csv")}, "mistakes:");
  EXPECT_EQ(read_csv(at("m.csv"))[0].fields[1], "tag");
  EXPECT_EQ(run({"predict", at("fits"), at("music"), "--csv"}), 0);
  EXPECT_EQ(out().substr(0, out().find('\n')), "file,piano,slow,note");
}

}  // namespace
}  // namespace melgrad::test
