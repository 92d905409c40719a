// One training on several ranks, started by MPI's launcher: the weights of one process.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>

#include "models/embedded.h"
#include "tests/apps/pipeline.h"

namespace melgrad {
namespace {

class Mpi : public Pipeline {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null") != 0) GTEST_SKIP() << "no mpirun: install openmpi-bin";
    const auto library = std::filesystem::path(MELGRAD_BIN).parent_path() / "libmelgrad_mpi.so";
    ASSERT_TRUE(std::filesystem::exists(library))
        << "mpirun is here, but MPI was not found when this was built";
  }

  // Leaks of MPI itself are not looked for.
  static PipelineResult shell(const std::string& line) {
    return Pipeline::shell(
        "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ASAN_OPTIONS=detect_leaks=0; " +
        line);
  }
  static std::string on(int ranks, const std::string& arguments) {
    return "timeout 120 mpirun --oversubscribe --bind-to none -n " + std::to_string(ranks) + " " +
           MELGRAD_BIN + " --json --threads 1 " + arguments;
  }
  static std::string train(const std::string& out, int epochs = 4) {
    return "train " + at("c.h5") + " --recipe dong2018-fixed --set train.batch=8 --set train.shards=4 " +
           "--set model.filters=8 --set train.epochs=" + std::to_string(epochs) + " --out " + at(out);
  }
  static std::string weights(const PipelineResult& result) {
    EXPECT_EQ(result.code, 0) << result.err;
    return result.code == 0 ? nlohmann::json::parse(result.out).at("weights") : nlohmann::json("none");
  }
};

TEST_F(Mpi, RanksGiveTheWeightsOfOneProcess) {
  const PipelineResult alone = run("--json --threads 1 " + train("alone"));
  for (const int ranks : {1, 2, 4})
    EXPECT_EQ(weights(shell(on(ranks, train("on" + std::to_string(ranks))))), weights(alone)) << ranks;
  EXPECT_TRUE(read_bytes(at("on4/checkpoint.h5")) == read_bytes(at("alone/checkpoint.h5")));
  // What only the first of them writes is there, once.
  const std::string lines = read_bytes(at("on4/metrics.jsonl"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4);
  EXPECT_EQ(run("evaluate " + at("on4")).code, 0);
}

TEST_F(Mpi, EveryRecipeEndsAlikeOnOneTwoAndFourRanks) {
  const std::string folder = std::filesystem::path(MELGRAD_BIN).parent_path().string();
  std::string one;
  for (const int ranks : {1, 2, 4}) {
    const PipelineResult result =
        shell("timeout 600 mpirun --oversubscribe --bind-to none -n " + std::to_string(ranks) + " " + folder +
              "/sharded_recipes " + folder + "/libmelgrad_mpi.so");
    ASSERT_EQ(result.code, 0) << result.err;
    if (one.empty()) one = result.out;
    EXPECT_EQ(std::count(one.begin(), one.end(), '\n'), std::ssize(names_of(embedded_recipes())));
    EXPECT_EQ(result.out, one) << ranks;
  }
}

// A rank that is killed ends the others; the run goes on with another number of ranks, to the same bits.
TEST_F(Mpi, AKilledRankEndsAllAndTheRunGoesOn) {
  const PipelineResult alone = run("--json --threads 1 " + train("whole", 60));
  const PipelineResult killed = shell(
      on(4, train("killed", 60) + " --save-every 0") + " & job=$!; until [ -f " + at("killed/checkpoint.h5") +
      " ]; do sleep 0.05; done; pkill -KILL -n -f 'melgrad .*/killed '; wait $job");
  EXPECT_NE(killed.code, 0);
  EXPECT_NE(killed.code, 124) << "they went on waiting";
  const std::string resume = "train --resume " + at("killed");
  EXPECT_EQ(weights(shell(on(2, resume))), weights(alone));
}

// Ten times whatever rank at whatever step, and on with another number of ranks each time.
TEST_F(Mpi, TenKilledRanksLeaveTheBitsOfAnUninterruptedRun) {
  constexpr int kEpochs = 250;
  const PipelineResult alone = run("--json --threads 1 " + train("unharmed", kEpochs));
  std::mt19937 random(20261129);
  int ranks = 4;
  for (int k = 0; k < 10; ++k) {
    const std::string victim = std::to_string(1 + random() % static_cast<unsigned>(ranks));
    const double delay = 0.05 + static_cast<double>(random() % 1000) / 4000;
    const PipelineResult killed =
        shell(on(ranks,
                 (k == 0 ? train("harmed", kEpochs) : "train --resume " + at("harmed")) + " --save-every 0") +
              " & job=$!; touch " + at("begun") + "; until [ " + at("harmed/checkpoint.h5") + " -nt " +
              at("begun") + " ]; do sleep 0.02; done; sleep " + std::to_string(delay) +
              "; begun=$(date +%s); pgrep -f '^" MELGRAD_BIN " .*/harmed' | sed -n " + victim +
              "p | xargs kill -KILL; wait $job; code=$?; [ $(($(date +%s) - "
              "begun)) -lt 10 ] || echo slow; exit $code");
    EXPECT_NE(killed.code, 0) << "kill " << k << " came too late";
    EXPECT_NE(killed.code, 124) << "they went on waiting";
    EXPECT_EQ(killed.out, "");
    expect_contains(killed.err, "Killed");
    ranks = ranks == 4 ? 1 : ranks * 2;
  }
  EXPECT_EQ(weights(shell(on(ranks, "train --resume " + at("harmed")))), weights(alone));
}

TEST_F(Mpi, ARankThatHangsIsNamed) {
  const PipelineResult hung = shell(
      on(4, train("hung", 600) + " --save-every 0 --collective-timeout 2") + " & job=$!; until [ -f " +
      at("hung/checkpoint.h5") + " ]; do sleep 0.05; done; pkill -STOP -n -f 'melgrad .*/hung '; wait $job");
  EXPECT_EQ(hung.code, 5) << hung.err;
  EXPECT_TRUE(std::regex_search(
      hung.err, std::regex("melgrad: rank [0-3] was not heard of for 2 s by rank [0-3] \\((agree|all_)")))
      << hung.err;
}

TEST_F(Mpi, ASignalStopsAllAfterTheSameStep) {
  const PipelineResult alone = run("--json --threads 1 " + train("straight", 60));
  const PipelineResult stopped =
      shell(on(2, train("stopped", 60) + " --save-every 0") + " & job=$!; until [ -f " +
            at("stopped/checkpoint.h5") +
            " ]; do sleep 0.05; done; pkill -USR1 -n -f 'melgrad .*/stopped '; wait $job");
  EXPECT_NE(stopped.code, 0);
  EXPECT_NE(stopped.err.find("is saved; go on with: melgrad train --resume"), std::string::npos)
      << stopped.err;
  EXPECT_EQ(weights(run("--json --threads 1 train --resume " + at("stopped"))), weights(alone));
  // Given to the launcher, as Ctrl-C and a scheduler do, which then says nothing of what its ranks say.
  for (const std::string signal : {"INT", "TERM"}) {
    const std::string name = "stopped-by-" + signal;
    EXPECT_NE(
        shell(on(2, train(name, 60) + " --save-every 0") + " & until [ -f " + at(name + "/checkpoint.h5") +
              " ]; do sleep 0.05; done; pkill -" + signal + " -f '^mpirun .*/" + name + " '; wait $!")
            .code,
        0);
    expect_contains(read_bytes(at(name + "/run.json")), R"("outcome": "interrupted")");
    EXPECT_EQ(weights(run("--json --threads 1 train --resume " + at(name))), weights(alone)) << signal;
  }
}

TEST_F(Mpi, WhatCannotBeDealtOrIsNoTeamIsRefused) {
  const PipelineResult three = shell(on(3, train("three")));
  EXPECT_EQ(three.code, 2) << three.err;
  EXPECT_NE(three.err.find("melgrad: train.shards: 4 cannot be dealt to 3 ranks: they must divide them\n"),
            std::string::npos)
      << three.err;
  const PipelineResult torchrun = shell("WORLD_SIZE=4 " MELGRAD_BIN " " + train("copies"));
  EXPECT_EQ(torchrun.code, 2);
  EXPECT_NE(torchrun.err.find("WORLD_SIZE=4: on CPUs ranks are joined by MPI: mpirun -n 4 melgrad"),
            std::string::npos);
  const PipelineResult slurm = shell("SLURM_STEP_NUM_TASKS=2 " MELGRAD_BIN " " + train("copies"));
  EXPECT_EQ(slurm.code, 2);
  EXPECT_NE(slurm.err.find("srun --mpi=pmix joins the 2 tasks"), std::string::npos);
  // As by the launcher of another MPI.
  const PipelineResult other = shell("PMI_SIZE=2 " MELGRAD_BIN " " + train("copies"));
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("started as one of 2, but "), std::string::npos) << other.err;
  EXPECT_EQ(shell("WORLD_SIZE=4 " MELGRAD_BIN " " + train("copies", 1) + " --ranks 1").code, 0);
}

TEST_F(Mpi, RanksOfTwoProgramsAreRefused) {
  const std::string other = at("another-melgrad"), work = " --json --threads 1 " + train("mixed");
  std::filesystem::copy_file(MELGRAD_BIN, other);
  std::ofstream(other, std::ios::app) << "\n";
  const PipelineResult mixed = shell("export MELGRAD_MPI=$(dirname " MELGRAD_BIN
                                     ")/libmelgrad_mpi.so; timeout 120 mpirun --oversubscribe "
                                     "--bind-to none -n 1 " MELGRAD_BIN +
                                     work + " : -n 1 " + other + work);
  EXPECT_EQ(mixed.code, 2) << mixed.err;
  EXPECT_TRUE(
      std::regex_search(mixed.err, std::regex("melgrad: rank 1: is not as rank 0: program [0-9a-f]{16} of "
                                              "commit .* against program [0-9a-f]{16} of commit ")))
      << mixed.err;
}

}  // namespace
}  // namespace melgrad
