// melgrad train --from, and evaluate of a model without its run.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/arrays/checkpoint.h"
#include "tests/apps/pipeline.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// What a run starts from is in its folder: it goes on to the same bits when the other is gone.
TEST_F(Pipeline, ARunStartsFromTheWeightsOfAnother) {
  fs::copy(at("run"), at("source"));
  ASSERT_EQ(run("synth --out " + at("two") + " --classes 2 --tracks-per-class 8 --seconds 5").code, 0);
  const std::string command = "train " + at("two") + " --from " + at("source");
  const PipelineResult begun =
      run("--json " + command + " --freeze 'conv*' --set train.epochs=2 --out " + at("tuned"));
  ASSERT_EQ(begun.code, 0) << begun.err;
  EXPECT_NE(begun.err.find("recipe dong2018-fixed, that of "), std::string::npos) << begun.err;
  EXPECT_NE(begun.err.find("its last layer is new"), std::string::npos) << begun.err;
  const Checkpoint source = load_checkpoint(at("source/model.h5")),
                   tuned = load_checkpoint(at("tuned/model.h5"));
  EXPECT_EQ(tuned.arrays.at("param/conv1.weight"), source.arrays.at("param/conv1.weight"));
  EXPECT_FALSE(tuned.arrays.at("param/dense1.weight") == source.arrays.at("param/dense1.weight"));
  EXPECT_EQ(nlohmann::json::parse(read_bytes(at("tuned/run.json"))).at("from").at("model"), at("source"));

  fs::remove_all(at("source"));
  for (const char* file : {"model.h5", "checkpoint.h5"}) fs::remove(at("tuned/") + file);
  for (const auto& entry : fs::directory_iterator(at("tuned")))
    if (entry.path().filename().string().starts_with("checkpoint-") &&
        entry.path().filename() != "checkpoint-0.h5")
      fs::remove(entry.path());
  fs::copy(at("tuned/checkpoint-0.h5"), at("tuned/checkpoint.h5"));
  const PipelineResult again = run("--json train --resume " + at("tuned"));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out).at("weights"), nlohmann::json::parse(begun.out).at("weights"));
  EXPECT_EQ(run("predict " + at("tuned") + " " + at("two/genres")).code, 0);

  // Without its run it is a model as any other, tested on whatever it is given.
  fs::copy(at("tuned/model.h5"), at("tuned.h5"));
  const PipelineResult on_all = run("--json evaluate " + at("tuned.h5") + " --data " + at("two"));
  ASSERT_EQ(on_all.code, 0) << on_all.err;
  const auto tested = nlohmann::json::parse(on_all.out).at("test");
  EXPECT_EQ(tested.at("tracks"), 16);
  ASSERT_EQ(run("evaluate " + at("tuned")).code, 0);
  const auto own = nlohmann::json::parse(read_bytes(at("tuned/result.json"))).at("test").at("predictions");
  std::size_t found = 0;
  for (const auto& track : own)
    for (const auto& other : tested.at("predictions")) {
      if (other.at("track") != track.at("track")) continue;
      ++found;
      EXPECT_EQ(other.at("answer"), track.at("answer"));
      EXPECT_NEAR(other.at("probabilities")[0].get<double>(), track.at("probabilities")[0].get<double>(),
                  1e-5);  // other batches
    }
  EXPECT_EQ(found, own.size());
  EXPECT_NE(run("evaluate " + at("tuned.h5") + " --data " + at("two") + " --mistakes " + at("m.csv"))
                .out.find("of 16 test tracks right: accuracy "),
            std::string::npos);
  // Classes in another order, and some that it may answer and nothing is of; one that it cannot.
  const PipelineResult fewer = run("--json evaluate " + at("run") + "/model.h5 --data " + at("two"));
  ASSERT_EQ(fewer.code, 0) << fewer.err;
  EXPECT_EQ(nlohmann::json::parse(fewer.out).at("test").at("classes").size(), 3U);
  refuses("evaluate " + at("tuned.h5") + " --data " + at("music"), 3,
          {"is none of the 2 classes that the model"});
  refuses("evaluate " + at("tuned.h5"), 2, {"--data names them"});
  refuses("evaluate " + at("tuned") + " --tags top10", 2, {"is a run, which has its test tracks"});

  refuses("evaluate " + at("tuned.h5") + " --data " + at("c.h5") + " --tags top10", 2,
          {"--tags: plays no part here", "is a cache"});
  // What was frozen in it is not frozen in what starts from it.
  ASSERT_EQ(
      run("train " + at("two") + " --from " + at("tuned") + " --set train.epochs=1 --out " + at("free")).code,
      0);
  EXPECT_FALSE(load_checkpoint(at("free/model.h5")).arrays.at("param/conv1.weight") ==
               tuned.arrays.at("param/conv1.weight"));

  refuses(command + " --out " + at("none"), 3, {"source: neither a run folder nor a model file"});
  refuses("train " + at("two") + " --from " + at("tuned") + " --freeze cnv1* --out " + at("none"), 2,
          {"train.freeze: no parameter is called cnv1*; the network has conv1, conv2"});
  refuses("train " + at("two") + " --from " + at("tuned") + " --recipe mtat-fcn --out " + at("none"), 3,
          {"model.h5: holds a dong2018, the recipe asks for a fcn"});
}

}  // namespace
}  // namespace melgrad
