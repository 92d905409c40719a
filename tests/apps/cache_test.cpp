// The features of a folder are computed once, by whatever run needs them first, and `melgrad cache` shows
// them.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/apps/program.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

class FeatureCache : public test::Program {
 protected:
  void SetUp() override {
    ASSERT_EQ(
        run({"synth", "--out", at("music"), "--classes", "2", "--tracks-per-class", "5", "--seconds", "3"}),
        0);
  }
  // Trains in the folder `run` and returns the digest of the weights.
  std::string train(const std::string& data, const std::string& run_folder, const Arguments& more = {}) {
    Arguments arguments = {
        "--json",         "train", at(data),        "--recipe", "dong2018-fixed",    "--set",
        "train.epochs=2", "--set", "train.batch=4", "--set",    "segment.frames=64", "--out",
        at(run_folder)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(run(arguments, std::chrono::hours(1), {"MELGRAD_CACHE=" + at("kept")}), 0) << err();
    return nlohmann::json::parse(out()).at("weights");
  }
  nlohmann::json listed() {
    EXPECT_EQ(run({"cache", "--json"}, std::chrono::hours(1), {"MELGRAD_CACHE=" + at("kept")}), 0) << err();
    return nlohmann::json::parse(out());
  }
  bool said(const std::string& text) { return err().find(text) != std::string::npos; }
};

TEST_F(FeatureCache, ASecondRunComputesOnlyWhatIsNew) {
  const std::string first = train("music", "first");
  EXPECT_FALSE(said("computed before"));
  EXPECT_EQ(train("music", "second"), first);
  EXPECT_TRUE(said("10 of 10 tracks were computed before")) << err();
  EXPECT_EQ(read_bytes(at("first/features.h5")), read_bytes(at("second/features.h5")));
  fs::rename(at("music"), at("moved"));
  const std::string class_folder = (*fs::directory_iterator(at("moved/genres"))).path().string();
  write_bytes(class_folder + "/one-more.wav",
              read_bytes((*fs::directory_iterator(class_folder)).path()) + "tail");
  train("moved", "third");
  EXPECT_TRUE(said("10 of 11 tracks were computed before")) << err();
  EXPECT_EQ(listed().at("caches").size(), 1U);  // the second holds what the first held
  EXPECT_EQ(listed().at("caches").at(0).at("tracks"), 11);
  EXPECT_EQ(train("moved", "fourth", {"--no-cache"}).size(), 16U);
  EXPECT_FALSE(said("computed before"));

  ASSERT_EQ(run({"cache", "--clear"}, std::chrono::hours(1), {"MELGRAD_CACHE=" + at("kept")}), 0);
  EXPECT_EQ(out(), at("kept") + ": 1 removed\n");
  EXPECT_TRUE(listed().at("caches").empty());
  EXPECT_EQ(run({"verify", at("third")}), 3);             // it was never evaluated
  EXPECT_EQ(run({"evaluate", at("third")}), 0) << err();  // its features are its own
}

TEST_F(FeatureCache, WhatWasFoundIsSaidOfKeptFeaturesToo) {
  const std::string genre = (*fs::directory_iterator(at("music/genres"))).path().string();
  const std::string whole = read_bytes((*fs::directory_iterator(genre)).path());
  write_bytes(genre + "/cut.wav", whole.substr(0, whole.size() / 2));
  for (const char* again : {"first", "second", "third"}) {
    train("music", again);
    EXPECT_TRUE(said("cut.wav: cut short: 1.5 of 3.0 s")) << again << "\n" << err();
  }
  EXPECT_TRUE(said("11 of 11 tracks were computed before")) << err();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(run({"extract", at("music"), "--out", at("c.h5")}), 0);
    EXPECT_TRUE(said("cut.wav: cut short: 1.5 of 3.0 s")) << err();
  }
}

TEST_F(FeatureCache, WhatCannotBeKeptIsSaidAndTheRunGoesOn) {
  write_bytes(at("kept"), "a file where the folder should be");
  train("music", "run");
  EXPECT_TRUE(said("not kept for the next run: " + at("kept"))) << err();
}

}  // namespace
}  // namespace melgrad
