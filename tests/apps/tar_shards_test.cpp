// The program on tar shards: to the bit what it makes of the files that were packed.
#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/apps/pipeline.h"
#include "tests/io/tar_make.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// The data set of Pipeline in two shards, the tracks of each class in both.
void pack(const std::string& music, const std::string& shards) {
  std::vector<test::TarEntry> entries[2];
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(music))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (std::size_t i = 0; i < files.size(); ++i)
    entries[i % 2].push_back({files[i].lexically_relative(music).string(), read_bytes(files[i])});
  fs::create_directory(shards);
  for (const int k : {0, 1}) write_bytes(fmt::format("{}/{}.tar", shards, k), test::tar_of(entries[k]));
}

class TarShardsInUse : public Pipeline {
 protected:
  void SetUp() override {
    if (!fs::exists(at("shards"))) pack(at("music/genres"), at("shards"));
  }
};

TEST_F(TarShardsInUse, FeaturesAreThoseOfTheFiles) {
  const std::string expected = read_bytes(at("c.h5"));
  ASSERT_EQ(run("extract " + at("shards") + "/*.tar --out " + at("a.h5")).code, 0);
  EXPECT_EQ(read_bytes(at("a.h5")), expected);
  ASSERT_EQ(run("extract '" + at("shards") + "/{0..1}.tar' --out " + at("b.h5")).code, 0);
  EXPECT_EQ(read_bytes(at("b.h5")), expected);
  ASSERT_EQ(run("extract " + at("shards") + " --out " + at("d.h5")).code, 0);
  EXPECT_EQ(read_bytes(at("d.h5")), expected);
  for (const char* pack : {"cat", "gzip -c"}) {
    const std::string command = fmt::format("for f in {}/*.tar; do {} $f; done | {} extract - --out {} 2>{}",
                                            at("shards"), pack, MELGRAD_BIN, at("e.h5"), at("stderr"));
    fs::remove(at("e.h5"));
    ASSERT_EQ(std::system(command.c_str()), 0) << read_bytes(at("stderr"));
    EXPECT_EQ(read_bytes(at("e.h5")), expected) << pack;
  }
}

TEST_F(TarShardsInUse, TrainingIsThatOfTheFiles) {
  const std::string options =
      " --recipe dong2018-fixed --set train.epochs=2 --set train.batch=12 "
      "--set model.filters=2 --out ";
  std::vector<std::string> weights;
  for (const std::string& data : {at("music"), at("shards") + "/*.tar", "'" + at("shards") + "/*.tar'"}) {
    const PipelineResult r =
        run("--json train " + data + options + at(fmt::format("run-{}", weights.size())));
    ASSERT_EQ(r.code, 0) << r.err;
    weights.push_back(nlohmann::json::parse(r.out).at("weights"));
  }
  EXPECT_EQ(weights[1], weights[0]);
  EXPECT_EQ(weights[2], weights[0]);
}

TEST_F(TarShardsInUse, CommandsTakeThemWhereTheyTakeFolders) {
  const std::string shards = at("shards") + "/*.tar";
  EXPECT_EQ(run("check " + shards).code, 0);
  EXPECT_EQ(run("analyze " + shards).code, 0);
  const PipelineResult evaluate = run("evaluate " + at("run/model.h5") + " --data '" + shards + "'");
  EXPECT_EQ(evaluate.code, 0) << evaluate.err;
  const auto answers = [](const PipelineResult& r) {
    std::vector<std::string> out;
    for (const auto& one : nlohmann::json::parse(r.out)) out.push_back(one.at("probabilities").dump());
    std::sort(out.begin(), out.end());
    return out;
  };
  const PipelineResult files = run("--json predict " + at("run") + " " + at("music/genres"));
  const PipelineResult members = run("--json predict " + at("run") + " " + shards);
  ASSERT_EQ(members.code, 0) << members.err;
  EXPECT_EQ(answers(members), answers(files));
  expect_contains(members.out, at("shards") + "/0.tar/");
  ASSERT_EQ(run("embed " + at("run") + " " + at("music") + " --out " + at("f.npy")).code, 0);
  const PipelineResult embed = run("embed " + at("run") + " " + shards + " --out " + at("g.npy"));
  ASSERT_EQ(embed.code, 0) << embed.err;
  EXPECT_EQ(read_bytes(at("g.npy")), read_bytes(at("f.npy")));
  const PipelineResult reproduce = run("reproduce dong2018 --gtzan '" + shards +
                                       "' --splits 1 --recipe dong2018-fixed --set train.epochs=1 "
                                       "--set train.batch=12 --set model.filters=1 --out " +
                                       at("reproduced"));
  EXPECT_EQ(reproduce.code, 0) << reproduce.err;
  refuses("reproduce dong2018 --gtzan -", 2, {"standard input cannot be read again"});
  refuses("check " + at("music") + " " + at("shards/0.tar"), 2, {"no tar"});
}

TEST_F(TarShardsInUse, AShardThatIsCutShortIsToldAndTheRestUsed) {
  const std::string whole = read_bytes(at("shards/1.tar"));
  fs::create_directory(at("cut"));
  fs::copy_file(at("shards/0.tar"), at("cut/0.tar"));
  write_bytes(at("cut/1.tar"), whole.substr(0, whole.size() - 100000));
  const PipelineResult extract = run("extract " + at("cut") + " --out " + at("cut.h5"));
  EXPECT_EQ(extract.code, 6);
  expect_contains(extract.err, "cut/1.tar: is cut short: of ");
  expect_contains(extract.out, ": 23 tracks (0 were done before, 1 skipped)");
  EXPECT_EQ(run("check " + at("cut")).code, 6);
  const PipelineResult predict = run("predict " + at("run") + " " + at("cut/1.tar"));
  EXPECT_EQ(predict.code, 6);
  expect_contains(predict.err, "cut/1.tar: is cut short: of ");
  EXPECT_EQ(run("train " + at("cut") +
                " --recipe dong2018-fixed --set train.epochs=1 --set train.batch=12 "
                "--set model.filters=1 --out " +
                at("run-cut"))
                .code,
            6);
}

TEST_F(TarShardsInUse, SamplesWithoutLabelsAreEmbedded) {
  const std::string wav =
      read_bytes((*fs::recursive_directory_iterator(at("music/genres/march"))).path().string());
  write_bytes(at("plain.tar"), test::tar_of({{"0.wav", wav}, {"1.wav", wav}}));
  const PipelineResult embed = run("embed " + at("run") + " " + at("plain.tar") + " --out " + at("p.npy"));
  EXPECT_EQ(embed.code, 0) << embed.err;
  expect_contains(embed.err, "taken as files without labels");
  expect_contains(embed.out, "2 of 2 tracks");
  refuses("extract " + at("plain.tar"), 3, {"no class folders with audio"});
}

}  // namespace
}  // namespace melgrad
