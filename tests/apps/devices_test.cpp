// One training on several devices of one process, and what a launcher's environment makes of a process.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "apps/processes/launch.h"
#include "tests/apps/pipeline.h"

namespace melgrad {
namespace {

class Devices : public Pipeline {
 protected:
  static std::string train(const std::string& out, int epochs = 4) {
    return "--json --threads 1 train " + at("c.h5") +
           " --recipe dong2018-fixed --set train.batch=8 --set train.shards=4 --set model.filters=8 " +
           "--set train.epochs=" + std::to_string(epochs) + " --out " + at(out);
  }
  static std::string weights(const PipelineResult& result) {
    EXPECT_EQ(result.code, 0) << result.err;
    return result.code == 0 ? nlohmann::json::parse(result.out).at("weights") : nlohmann::json("none");
  }
};

TEST_F(Devices, GiveTheWeightsOfOne) {
  const std::string alone = weights(run(train("alone")));
  for (const std::string devices : {"cpu", "cpu,cpu", "cpu,cpu,cpu,cpu"}) {
    const std::string out = "on" + std::to_string(devices.size());
    EXPECT_EQ(weights(run(train(out) + " --devices " + devices)), alone) << devices;
    const std::string lines = read_bytes(at(out + "/metrics.jsonl"));
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4);
  }
  EXPECT_EQ(run("evaluate " + at("on7")).code, 0);
}

// Also straight from audio, which the first extracts while the others wait.
TEST_F(Devices, WaitForTheFeatures) {
  const std::string options =
      " --recipe dong2018-fixed --set train.batch=8 --set train.shards=2 --set model.filters=4 "
      "--set train.epochs=1 --out ";
  const std::string alone =
      weights(run("--json --threads 1 train " + at("music") + options + at("music-alone")));
  EXPECT_EQ(weights(run("--json --threads 1 train " + at("music") + options + at("music-two") +
                        " --devices cpu,cpu")),
            alone);
}

TEST_F(Devices, StopTogetherAndGoOnAsAnyNumber) {
  const std::string alone = weights(run(train("straight", 60)));
  const PipelineResult stopped = shell(
      MELGRAD_BIN " " + train("stopped", 60) + " --save-every 0 --devices cpu,cpu,cpu,cpu & job=$!; " +
      "until [ -f " + at("stopped/checkpoint.h5") + " ]; do sleep 0.05; done; kill -USR1 $job; wait $job");
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(nlohmann::json::parse(stopped.out).at("finished"), false);
  const PipelineResult rest =
      run("--json --threads 1 train --resume " + at("stopped") + " --devices cpu,cpu");
  EXPECT_EQ(weights(rest), alone);
}

TEST_F(Devices, WhatCannotBeIsRefused) {
  const auto refused = [](const std::string& more, const std::string& reason) {
    refuses(train("none") + " " + more, 2, {reason});
  };
  refused("--devices cpu,cpu,cpu",
          "melgrad: train.shards: 4 cannot be dealt to 3 ranks: they must divide them");
  refused("--devices cpu,gpu", "--devices cpu,gpu: \"gpu\" is none; as in cuda:0,cuda:1 or cpu,cpu");
  refused("--devices cpu,", "\"\" is none");
  refused("--devices cuda:1,cuda:1", "--devices cuda:1,cuda:1: cuda:1 stands there twice");
  refused("--devices cuda,cuda:0", "cuda:0 stands there twice");
  refused("--devices cpu,cuda:0", "all CPUs, or all GPUs");
  refused("--devices cpu,cpu --device cpu", "leave --device cpu out");
  refused("--devices cpu,cpu --ranks 1", "--ranks");
  ::setenv("WORLD_SIZE", "2", 1);
  refused("--devices cpu,cpu", "started as one of 2 processes, which are ranks themselves");
  ::unsetenv("WORLD_SIZE");
  // What one of them cannot do ends all.
  refuses("--json train " + at("gone.h5") + " --recipe dong2018-fixed --devices cpu,cpu --out " + at("none"),
          3, {"gone.h5"});
}

TEST(Launch, EachRankOfAMachineGetsAGpuOfItsOwn) {
  EXPECT_EQ(device_of_rank("auto", 1, 2, 4, false), "cuda:1");
  EXPECT_EQ(device_of_rank("cuda", 3, 4, 4, false), "cuda:3");
  EXPECT_EQ(device_of_rank("cuda", 3, 4, 1, true), "cuda:0");  // which is not the other ranks'
  EXPECT_EQ(device_of_rank("auto", 1, 2, 0, false), "auto");
  EXPECT_EQ(device_of_rank("cpu", 1, 2, 4, false), "cpu");
  EXPECT_EQ(device_of_rank("cuda:2", 0, 1, 4, false), "cuda:2");
  EXPECT_EQ(error_of(ErrorKind::usage, [] { device_of_rank("cuda:0", 1, 2, 4, false); }),
            "--device cuda:0: 2 ranks on this machine would share it; --device cuda");
  EXPECT_EQ(error_of(ErrorKind::usage, [] { device_of_rank("auto", 0, 4, 2, false); }),
            "4 ranks on this machine, which has 2 GPUs: each takes one; or --device cpu");
}

TEST(Launch, TorchrunsVariablesSayWhereToMeet) {
  EXPECT_FALSE(started_by_torchrun());
  ::setenv("WORLD_SIZE", "4", 1);
  const auto missing = [] { return error_of(ErrorKind::usage, [] { started_by_torchrun(); }); };
  EXPECT_EQ(missing(),
            "WORLD_SIZE=4, but RANK is no number from 0 to 3: torchrun sets it; --ranks 1 trains alone all "
            "the same");
  ::setenv("RANK", "3", 1);
  ::setenv("LOCAL_RANK", "1", 1);
  expect_contains(missing(), "no MASTER_ADDR");
  ::setenv("MASTER_ADDR", "node7", 1);
  expect_contains(missing(), "MASTER_PORT");
  ::setenv("MASTER_PORT", "29500", 1);
  const auto found = started_by_torchrun();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 3);
  EXPECT_EQ(found->size, 4);
  EXPECT_EQ(found->local_rank, 1);
  EXPECT_EQ(found->local_size, 2);  // at least
  EXPECT_EQ(found->meeting_point, "node7:29501");
  ::setenv("LOCAL_WORLD_SIZE", "4", 1);
  EXPECT_EQ(started_by_torchrun()->local_size, 4);
  for (const char* variable :
       {"WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"})
    ::unsetenv(variable);
}

}  // namespace
}  // namespace melgrad
