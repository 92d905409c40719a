// The checkpoints of a run folder: how many stay, and what happens when the newest is damaged.
#include "models/runs/run_checkpoints.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <set>

#include "io/files/atomic_file.h"
#include "kernels/error.h"
#include "tests/io/scratch.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

class RunCheckpointsTest : public ::testing::Test {
 protected:
  RunCheckpointsTest() { write_file_atomically(scratch_ / "run.json", "{}"); }

  static Checkpoint at_step(std::int64_t step) {
    Checkpoint state;
    state.arrays["state/counter"] = HostArray::scalar<std::int64_t>(step);
    return state;
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder().path())) names.insert(entry.path().filename());
    return names;
  }
  RunFolder folder() const { return RunFolder::open(scratch_ / "."); }
  // Cuts a file in half, under all its names.
  void damage(const std::string& name) const {
    fs::resize_file(scratch_ / name, fs::file_size(scratch_ / name) / 2);
  }

  const Scratch scratch_;
};

TEST_F(RunCheckpointsTest, TheLastOnesStay) {
  const RunFolder folder = this->folder();
  const RunCheckpoints checkpoints(folder, 3);
  EXPECT_FALSE(checkpoints.load().has_value());
  for (const std::int64_t step : {8, 9, 10, 110}) {
    checkpoints.save(at_step(step));
    EXPECT_EQ(steps_of(*checkpoints.load(), ""), step);
  }
  EXPECT_EQ(files(), (std::set<std::string>{"run.json", "checkpoint.h5", "checkpoint-9.h5",
                                            "checkpoint-10.h5", "checkpoint-110.h5"}));
  EXPECT_TRUE(fs::equivalent(scratch_ / "checkpoint.h5", scratch_ / "checkpoint-110.h5"));
  checkpoints.save(at_step(110));  // again
  RunCheckpoints(folder, 2).save(at_step(111));
  EXPECT_EQ(files(),
            (std::set<std::string>{"run.json", "checkpoint.h5", "checkpoint-110.h5", "checkpoint-111.h5"}));
  RunCheckpoints(folder, 1).save(at_step(112));
  EXPECT_EQ(files(), (std::set<std::string>{"run.json", "checkpoint.h5"}));
  EXPECT_EQ(steps_of(*checkpoints.load(), ""), 112);
}

TEST_F(RunCheckpointsTest, ADamagedOneGivesWayToTheOneBefore) {
  const RunFolder folder = this->folder();
  const RunCheckpoints checkpoints(folder, 3);
  for (const std::int64_t step : {8, 9, 10}) checkpoints.save(at_step(step));
  damage("checkpoint-10.h5");
  damage("checkpoint-9.h5");
  EXPECT_EQ(steps_of(*checkpoints.load(), ""), 8);
  EXPECT_EQ(files(),
            (std::set<std::string>{"run.json", "checkpoint.h5", "checkpoint-8.h5", "checkpoint-damaged.h5"}));
  EXPECT_EQ(steps_of(*checkpoints.load(), ""), 8);  // without a word now
  checkpoints.save(at_step(9));
  damage("checkpoint-8.h5");
  EXPECT_EQ(steps_of(*checkpoints.load(), ""), 9);
  damage("checkpoint.h5");
  try {
    checkpoints.load();
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    EXPECT_NE(std::string(error.what()).find("checkpoint.h5"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("no checkpoint before it is whole"), std::string::npos);
  }
}

}  // namespace
}  // namespace melgrad
