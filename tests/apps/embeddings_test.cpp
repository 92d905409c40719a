// melgrad embed, similar and probe, one after another on the synthetic set.
#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/files/atomic_file.h"
#include "models/embeddings/embedding_table.h"
#include "tests/apps/command.h"
#include "tests/apps/pipeline.h"
#include "tests/io/fixtures.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

// Of a network that has never heard it. Measured: 0.948 of the five nearest, and all 80 tracks by a line.
TEST(Embeddings, FindTheGenresOfTheSyntheticSet) {
  const std::filesystem::path weights = test::shared_data() / "published" / "mtat-musicnn.safetensors";
  if (!std::filesystem::exists(weights)) GTEST_SKIP() << "no published weights: set MELGRAD_DATA";
  const Scratch scratch;
  const std::string table = scratch / "e.h5";
  const auto json = [](Register* add, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "--json");
    const test::Outcome outcome = test::run_command(add, arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  };
  EXPECT_EQ(test::run_command(register_synth, {"synth", "--out", scratch / "music"}).exit_code, 0);
  EXPECT_EQ(json(register_embed, {"embed", weights.string(), scratch / "music", "--out", table})["rows"], 80);
  int same = 0;
  const EmbeddingTable embeddings = read_embeddings(table);
  for (const std::string& name : embeddings.names)
    for (const auto& near : json(register_similar, {"similar", table, "--to", name, "--top", "5"})) {
      const std::string other = near["track"];
      same += other.substr(0, other.find('/')) == name.substr(0, name.find('/')) ? 1 : 0;
    }
  const double precision = same / 400.0;
  std::printf("precision at 5: %.3f\n", precision);
  EXPECT_GE(precision, 0.9);

  const auto probed = json(register_probe, {"probe", table});
  std::printf("accuracy of a line: %.3f\n", probed["test"]["accuracy"].get<double>());
  EXPECT_GE(probed["test"]["accuracy"], 0.95);
  EXPECT_EQ(probed["protocol"], "folds");
  const auto listed = test::run_command(register_probe, {"probe", table, "--folds", "4"});
  EXPECT_NE(listed.out.find("protocol folds: 4 splits, seed 0; linear head"), std::string::npos)
      << listed.out;
  // The same vectors as anybody's table, with a manifest for labels.
  write_embeddings(scratch / "e.npy", embeddings);
  std::string manifest = "path,label\n";
  for (const std::string& name : embeddings.names)
    manifest += name + "," + name.substr(0, name.find('/')) + "\n";
  write_file_atomically(scratch / "labels.csv", manifest);
  const auto theirs = json(register_probe, {"probe", scratch / "e.npy", "--labels", scratch / "labels.csv"});
  EXPECT_EQ(theirs["test"], probed["test"]);
}

// A cache gives what its audio gives, with what is known of each track; either completes the other's table.
TEST_F(Pipeline, EmbedsACache) {
  const auto embed = [](const std::string& from, const std::string& out) {
    const PipelineResult result = run("--json embed " + at("run") + " " + at(from) + " --out " + at(out));
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out);
  };
  EXPECT_EQ(embed("music", "heard.h5")["rows"], 24);
  EXPECT_EQ(embed("c.h5", "read.h5")["rows"], 24);
  const EmbeddingTable heard = read_embeddings(at("heard.h5")), read = read_embeddings(at("read.h5"));
  EXPECT_EQ(heard.values, read.values);
  EXPECT_EQ(heard.names, read.names);
  EXPECT_EQ(heard.files, read.files);
  EXPECT_EQ(heard.labels, read.labels);
  EXPECT_EQ(heard.columns, read.columns);
  EXPECT_EQ(heard.model, read.model);
  EXPECT_EQ(embed("c.h5", "heard.h5")["taken_over"], 24);
  refuses("embed " + at("run") + " " + at("c.h5") + " --out " + at("e.h5") + " --mix left", 2,
          {"--mix: plays no part", "c.h5 is a cache"});
  ASSERT_EQ(run("extract " + at("music") + " --preset librosa --out " + at("other.h5")).code, 0);
  refuses("embed " + at("run") + " " + at("other.h5") + " --out " + at("e.h5"), 3,
          {"other.h5: was made with other features"});
  refuses("embed " + at("run") + " " + at("heard.h5") + " --out " + at("e.h5"), 3, {"heard.h5"});
}

TEST(Embeddings, ProbeRefusesWhatPlaysNoPart) {
  const Scratch scratch;
  EmbeddingTable table;
  table.width = 2;
  table.classes = {"a", "b"};
  for (int i = 0; i < 12; ++i) {
    table.names.push_back("t" + std::to_string(i));
    table.files.push_back(0);
    table.values.insert(table.values.end(), {static_cast<float>(i % 2), static_cast<float>(i)});
    table.labels.insert(table.labels.end(),
                        {static_cast<std::uint8_t>(i % 2), static_cast<std::uint8_t>(1 - i % 2)});
  }
  const std::string path = scratch / "e.h5";
  write_embeddings(path, table);
  const auto refused = [&](int code, std::vector<std::string> more, const std::string& why) {
    more.insert(more.begin(), {"probe", path});
    const auto outcome = test::run_command(register_probe, more);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
  };
  refused(2, {"--protocol", "own", "--folds", "3"}, "--folds: plays no part in --protocol own");
  refused(2, {"--protocol", "gtzan-filtered"}, "needs --split-lists");
  refused(2, {"--protocol", "mtat-all"}, "needs --labels");
  refused(2, {"--protocol", "folds", "--split-lists", "x"}, "plays no part in --protocol folds");
  refused(2, {"--head", "mlp", "--c", "2"}, "--c: plays no part: it is of --head linear");
  refused(2, {"--protocol", "random", "--folds", "3"}, "--folds: plays no part");
  refused(2, {"--protocol", "gtzan-random"}, "is of GTZAN's ten genres, these are a, b");
  refused(2, {"--tags", "top10"}, "--tags: plays no part: --labels is not a folder of MagnaTagATune");
  refused(2, {"--names", "x.txt"}, "--names is for a .npy");
  refused(2, {"--c", "0"}, "must be above 0");
  refused(2, {"--set", "train.epochs=3"}, "only for --head mlp");
  refused(2, {"--head", "mlp", "--set", "model.filters=3"}, "model.architecture = dong2018");
  refused(3, {"--folds", "13"}, "one has no track; fewer folds");
  refused(3, {"--protocol", "own"}, "the split has no training tracks");
  refused(2, {"--protocol", "own", "--seed", "1"}, "--seed: plays no part");
  refused(3, {"--group", "artist"}, "no column \"artist\"");
  table.labels.clear();
  write_embeddings(path, table);
  refused(3, {}, "has no labels; give --labels");
}

}  // namespace
}  // namespace melgrad
