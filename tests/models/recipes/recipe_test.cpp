// Recipes as people write them: numbers out of range, names that lead elsewhere, settings that play no part.
#include <gtest/gtest.h>

#include "kernels/error.h"
#include "kernels/text.h"
#include "models/embedded.h"
#include "models/recipes/recipe_use.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

// What `work` is refused for.
template <class Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage) << e.what();
    return e.what();
  }
  return "accepted";
}

std::string refusal_of(const std::string& recipe, const std::vector<std::string>& set) {
  return refusal([&] { chosen_recipe(recipe, set); });
}

::testing::AssertionResult says(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "wanted: " << part << "\ngot: " << message;
}

TEST(Recipe, NumbersOutOfRangeAreRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"train.epochs=9223372036854775807", "train.epochs: 9223372036854775807 must be at most 1e+09"},
      {"train.epochs=9223372036854775808", "train.epochs: '9223372036854775808' is not a whole number"},
      {"train.epochs=0", "train.epochs: 0 must be at least 1"},
      {"train.epochs=-3", "train.epochs: -3 must be at least 1"},
      {"train.batch=0", "train.batch: 0 must be at least 1"},
      {"train.batch=1e3", "train.batch: '1e3' is not a whole number"},
      {"train.batch= 3", "train.batch: ' 3' is not a whole number"},
      {"train.rate=nan", "train.rate: 'nan' is not a number"},
      {"train.rate=inf", "train.rate: 'inf' is not a number"},
      {"train.warmup=-1", "train.warmup: -1 must be at least 0"},
      {"train.validate_every=0", "train.validate_every: 0 must be at least 1"},
      {"train.clip_norm=-1", "train.clip_norm: -1 must be at least 0"},
      {"train.stop_window=0", "train.stop_window: 0 must be at least 1"},
      {"model.filters=4611686018427387904", "model.filters: 4611686018427387904 must be at most 4096"},
      {"model.dropout=1", "model.dropout: 1 must be in 0 ... 1"},
      {"model.dropout=-0.1", "model.dropout: -0.1 must be at least 0"},
      {"segment.frames=0", "segment.frames: 0 must be at least 1"},
      {"segment.overlap=1", "segment.overlap: 1 must be in 0 ... 1"},
      {"split.train=1.5", "split.train: 1.5 must be at most 1"},
      {"augment.time_masks=1000000000000", "augment.time_masks: 1000000000000 must be at most 1000"},
      {"features.n_mels=99999999999", "n_mels: '99999999999' is not a whole number of 32 bits"},
      {"features.fmax=20000", "fmax: 20000 does not work"},
  };
  for (const auto& [set, message] : cases) EXPECT_TRUE(says(refusal_of("dong2018", {set}), message));
  EXPECT_TRUE(
      says(refusal([] { parse_recipe("[train]\nphases = \"9999999999999999999 adam 1e-3\"", "text"); }),
           "train.phases"));
  EXPECT_TRUE(
      says(refusal([] { parse_recipe("[train]\nmomentum = nan", "text"); }), "line 2: train.momentum"));
}

TEST(Recipe, NamesStayInTheirFolder) {
  const std::string too_long(300, 'a');
  for (const std::string name :
       {"../../x", "/etc/x", "a/b", "", ".", "..", ".hidden", "a\nb", "\033[31m", too_long.c_str()}) {
    EXPECT_TRUE(says(refusal_of("dong2018", {"name=" + name}), "name: '")) << printable(name);
  }
  EXPECT_TRUE(says(refusal_of("dong2018", {"name=\xff"}), "name: '\\xff' is not UTF-8"));
  EXPECT_EQ(chosen_recipe("dong2018", {"name=früh 2.b"}).name, "früh 2.b");
  const Scratch scratch;
  write_bytes(scratch / "mine.toml", "title = \"no name of its own\"\n");
  EXPECT_EQ(chosen_recipe(scratch / "mine.toml", {}).name, "mine");
  write_bytes(scratch / "evil.toml", "name = \"../../x\"\n");
  EXPECT_TRUE(says(refusal_of(scratch / "evil.toml", {}), "evil.toml: name: '../../x'"));
  EXPECT_EQ(load_recipe(scratch / "evil.toml").name, "../../x");  // what an old run left can still be read
}

TEST(Recipe, SettingsThatPlayNoPartAreRefused) {
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"dong2018-fixed", {"train.momentum=0.5"}},
      {"dong2018-fixed", {"train.momentum=0.9"}},  // as it is already
      {"dong2018-fixed", {"train.nesterov=true"}},
      {"dong2018-fixed", {"train.rho=0.9"}},
      {"dong2018-fixed", {"train.optimizer=sgd", "train.beta1=0.8"}},
      {"dong2018-fixed", {"train.optimizer=sgd", "train.weight_decay=0.1"}},
      {"dong2018-fixed", {"train.optimizer=sgd", "train.momentum=0", "train.nesterov=true"}},
      {"dong2018", {"train.l2=1e-4"}},
      {"dong2018-fixed", {"train.decay=0.1"}},
      {"dong2018-fixed", {"train.period=3"}},
      {"dong2018-fixed", {"train.schedule=constant", "train.final_fraction=0.1"}},
      {"dong2018-fixed", {"train.stop_change=0.1"}},
      {"dong2018-fixed", {"train.plateau_factor=0.5"}},
      {"dong2018-fixed", {"train.plateau_patience=5"}},
      {"dong2018-fixed", {"train.tag_weights=balanced"}},
      {"dong2018-fixed", {"model.width=0.5"}},
      {"dong2018-fixed", {"augment.time_masks=2"}},
      {"dong2018-fixed", {"augment.band_mask=8"}},
      {"dong2018-fixed", {"augment.mask_value=1"}},
      {"dong2018-fixed",
       {"augment.time_masks=2", "augment.time_mask=8", "augment.mask_with=mean", "augment.mask_value=1"}},
      {"dong2018-fixed", {"augment.equalise_knots=4"}},
      {"mtat-sample-cnn", {"augment.equalise=2"}},
      {"mtat-sample-cnn", {"augment.band_shift=2"}},
      {"dong2018-fixed", {"model.pooling=attention"}},
      {"mtat-crnn", {"model.pooling=attention"}},
      {"dong2018-fixed", {"train.average_last=3"}},
      {"dong2018-fixed", {"train.teacher_share=0.3"}},
      {"dong2018-fixed", {"features.top_db=80"}},
      {"dong2018-fixed", {"features.log_floor=1e-5"}},
      {"dong2018-fixed", {"features.n_mels=0", "features.fmin=20"}},
      {"dong2018-fixed", {"features.window=rectangular", "features.periodic_window=false"}},
      {"mtat-musicnn", {"model.filters=8"}},
      {"mtat-musicnn", {"model.dropout=0.5"}},
      {"mtat-musicnn", {"segment.overlap=0.25"}},
      {"mtat-musicnn", {"train.rate=1e-4"}},
  };
  for (const auto& [recipe, set] : cases) {
    const std::string key = keys_of({set.back()})[0];
    EXPECT_TRUE(says(refusal_of(recipe, set), "--set " + key + ": plays no part here, it belongs to "));
  }
  for (const std::vector<std::string>& good :
       {std::vector<std::string>{"train.optimizer=sgd", "train.momentum=0.5", "train.nesterov=true"},
        {"train.schedule=step", "train.decay=0.5", "train.period=3"},
        {"augment.time_masks=2", "augment.time_mask=8", "augment.mask_value=1"},
        {"train.plateau_factor=0.5", "train.plateau_patience=5"}})
    EXPECT_EQ(refusal_of("dong2018-fixed", good), "accepted");
}

TEST(Recipe, AFilesOwnSettingsPlayAPartToo) {
  const Scratch scratch;
  const auto with = [&](const std::string& text) {
    write_bytes(scratch / "own.toml", text);
    return refusal([&] { chosen_recipe(scratch / "own.toml", {}); });
  };
  EXPECT_TRUE(says(with("base = \"dong2018-fixed\"\n[train]\nmomentum = 0.5\n"),
                   "own.toml: train.momentum: plays no part here, it belongs to train.optimizer = sgd"));
  EXPECT_TRUE(says(with("base = \"mtat\"\n[model]\nl2_conv = 0.5\n"), "own.toml: model.l2_conv: "));
  EXPECT_EQ(with("base = \"mtat\"\n[train]\nmomentum = 0.5\noptimizer = \"sgd\"\n"), "accepted");
  // The recipe of a run states every key: those that play no part as they are without it.
  for (const EmbeddedFile& recipe : embedded_recipes()) {
    EXPECT_EQ(with(as_toml(load_recipe(recipe.name))), "accepted") << recipe.name;
    EXPECT_EQ(with(recipe.text), "accepted") << recipe.name;
  }
}

// Of a file with that text; the line counts from 1.
std::string refusal_of_file(const std::string& text) {
  return refusal([&] { parse_recipe(text, "own.toml"); });
}

TEST(Recipe, ValuesOfFilesHaveTheKindOfTheirKey) {
  const Recipe r = parse_recipe(
      "[train]\nbatch = 50.0\nrate = 1\nepochs = \"7\"\noptimizer = \"adamw\"\nown_crop = \"false\"\n"
      "[features]\nn_mels = 40\nfmax = 8000\nfmin = \"20\"\nremove_dc = true\nwindow = \"hamming\"\n",
      "text");
  EXPECT_EQ(r.train.batch, 50);
  EXPECT_EQ(r.train.rate, 1);
  EXPECT_EQ(r.train.epochs, 7);
  EXPECT_EQ(r.train.optimizer, OptimizerKind::adam);
  EXPECT_FALSE(r.train.own_crop);
  EXPECT_EQ(r.features.n_mels, 40);
  EXPECT_EQ(r.features.fmax, 8000);
  EXPECT_EQ(r.features.fmin, 20);
  EXPECT_TRUE(r.features.remove_dc);
  EXPECT_EQ(r.features.window, WindowKind::hamming);
  const std::pair<const char*, const char*> cases[] = {
      {"[train]\nbatch = 1.5", "own.toml, line 2: train.batch: '1.5' is not a whole number of 64 bits"},
      {"[train]\nbatch = true", "own.toml, line 2: train.batch: 'true' is not a whole number of 64 bits"},
      {"[train]\nbatch = 1e300", "own.toml, line 2: train.batch: '1e+300' is not a whole number of 64 bits"},
      {"[train]\n\nrate = true", "own.toml, line 3: train.rate: 'true' is not a number"},
      {"[train]\nrate = inf", "own.toml, line 2: train.rate: 'inf' is not a number"},
      {"[train]\nown_crop = 1", "own.toml, line 2: train.own_crop: '1' is neither true nor false"},
      {"[train]\nschedule = 5", "own.toml, line 2: train.schedule: '5' is not one of constant, inverse_time"},
      {"task = \"genre\"", "own.toml, line 1: task: 'genre' is not one of genres, tags"},
      {"title = 5", "own.toml, line 1: title: 5 is no text; write \"5\""},
      {"[train]\nbatch = [1]", "own.toml, line 2: train.batch: must be a string, a number or true/false"},
      {"[features]\nn_mels = 99999999999",
       "own.toml, line 2: mel n_mels: '99999999999' is not a whole number of 32"},
      {"[features]\npreset = \"dong\"", "own.toml, line 2: mel preset 'dong': no such preset"},
  };
  for (const auto& [text, message] : cases) EXPECT_TRUE(says(refusal_of_file(text), message));
  EXPECT_TRUE(says(refusal_of_file("[train]\nbest_by = \"f1\""), "'f1' is not one of accuracy"));
  EXPECT_TRUE(says(refusal_of_file("task = \"tags\"\n[train]\nbest_by = \"f1\""),
                   "'f1' is not one of loss, roc_auc, pr_auc"));
}

TEST(Recipe, EveryKeyIsExplained) {
  const std::vector<FieldInfo> infos = recipe_field_infos();
  const auto standard = recipe_fields(Recipe{});
  ASSERT_EQ(infos.size(), standard.size());
  for (std::size_t i = 0; i < infos.size(); ++i) {
    const FieldInfo& info = infos[i];
    EXPECT_EQ(info.key, standard[i].first);
    EXPECT_EQ(as_text(info.standard), standard[i].second) << info.key;
    EXPECT_FALSE(info.meaning.empty()) << info.key;
    EXPECT_FALSE(info.kind.empty()) << info.key;
    for (const std::string& choice : info.choices) {
      Recipe recipe;
      const std::string answer = refusal([&] { set_recipe_fields(recipe, {info.key + '=' + choice}); });
      // Some go with other settings only; all are understood.
      const bool understood = answer.find("is not one of") == std::string::npos;
      EXPECT_TRUE(understood || answer.starts_with("train.best_by")) << answer;
      if (answer == "accepted") {
        EXPECT_EQ(recipe_fields(recipe)[i].second, choice);
      }
    }
  }
}

TEST(Recipe, WhatIsPrintedWithCommentsReadsBack) {
  for (const EmbeddedFile& embedded : embedded_recipes()) {
    const Recipe recipe = load_recipe(embedded.name);
    const std::string text = described_toml(recipe);
    EXPECT_EQ(recipe_fields(parse_recipe(text, "printed")), recipe_fields(recipe)) << embedded.name;
    EXPECT_EQ(parse_recipe(text, "printed").features, recipe.features) << embedded.name;
  }
  const std::string text = described_toml(load_recipe("dong2018-fixed"));
  EXPECT_TRUE(
      says(text, "\nbatch = 50                      # tracks of a step; 1 ... 1e+09 tracks; default 150\n"));
  EXPECT_TRUE(says(text, "\nepsilon = 1e-07                 # of adam and adadelta; at least 0\n"));
}

TEST(Recipe, NumbersPrintAtTheirShortest) {
  Recipe recipe = load_recipe("dong2018-fixed");
  recipe.model.dropout = 0.1 + 0.2;
  recipe.augment.mask_value = -0.0;
  recipe.title = "a \"b\" \\ c\td\n\x7f é";
  const std::string text = as_toml(recipe);
  EXPECT_EQ(parse_recipe(text, "printed").title, recipe.title);
  EXPECT_EQ(parse_recipe(text, "printed").model.dropout, 0.1 + 0.2);
  for (const char* line : {"\ntrain = 0.5\nvalid = 0.2\ntest = 0.3\n", "\ndropout = 0.30000000000000004\n",
                           "\nmask_value = 0.0\n", "\nrate = 0.001\n", "\nbatch = 50\n", "\n[train]\n"})
    EXPECT_TRUE(says(text, line));
  EXPECT_EQ(shortest(0.2), "0.2");
  EXPECT_EQ(shortest(0.2F), "0.2");
  EXPECT_EQ(shortest(-0.0), "0");
  EXPECT_EQ(decimal(0.3F), 0.3);
  for (float value = 1e-3F; value < 1e6F; value *= 1.37F) {
    EXPECT_EQ(static_cast<float>(decimal(value)), value);
    EXPECT_EQ(shortest(decimal(value)), shortest(value));
  }
}

}  // namespace
}  // namespace melgrad
