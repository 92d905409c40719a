// Ranks whose devices exchange by themselves.
#include "engine/device_ranks.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <thread>

#include "engine/team.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/decorators/decorator.h"
#include "kernels/ops.h"
#include "tests/io/scratch.h"
#include "tests/sim/sim_device.h"

namespace melgrad {
namespace {

// As under torchrun, but for threads.
TEST(DeviceRanks, HostsThatOnlyHaveNumbersTalkByTheirDevices) {
  ::setenv("NCCL_COMM_ID", "127.0.0.1:29501", 1);
  const std::string text(10'000, 'm');  // more than goes at once
  std::vector<std::string> got(3);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 3; ++rank)
    threads.emplace_back([&, rank] {
      const auto device = make_sim_device(sim::Order::forward);
      NumberedRanks numbered(rank, 3, {});
      DeviceRanks ranks(*device, numbered, 120);
      std::string mine(text.size(), 'x');
      if (rank == 0) mine = text + "!";
      mine.resize(text.size() + 1);
      ranks.broadcast(mine.data(), mine.size());
      got[static_cast<std::size_t>(rank)] = mine;
      EXPECT_EQ(ranks.agree(rank == 1 ? 7 : -rank), 7);
      EXPECT_EQ(ranks.agree(-3 - rank), -3);
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& one : got) EXPECT_EQ(one, text + "!");
  ::unsetenv("NCCL_COMM_ID");
}

TEST(DeviceRanks, NumbersAloneAreNoWayToTheOthers) {
  NumberedRanks numbered(1, 2, [](const std::string& line) { std::fputs(line.c_str(), stderr); });
  EXPECT_EQ(error_of(ErrorKind::internal, [&] { numbered.agree(1); }),
            "agree: ranks whose devices are not joined");
  EXPECT_EXIT(numbered.abort("the disk is full", 4), ::testing::ExitedWithCode(4), "the disk is full");
}

TEST(DeviceRanks, AreGpus) {
  const auto device = make_cpu_device({.threads = 1});
  EXPECT_EQ(error_of(ErrorKind::usage,
                     [&] { on_ranks(1, [&](Collective& hosts) { DeviceRanks(*device, hosts, 0); }); }),
            "cpu: is no GPU that could join others");
}

// Whose operations never end; a second is a call.
class EndlessDevice final : public DeviceDecorator {
 public:
  explicit EndlessDevice(Device& inner) : DeviceDecorator(inner), ops_(&inner.ops()) {}
  Ops& ops() override { return *ops_; }
  std::string meeting_point() override { return "here"; }
  std::unique_ptr<Communicator> join(const std::string& /*point*/, int /*rank*/, int /*size*/,
                                     std::function<void(double)> waiting) override {
    waiting_ = std::move(waiting);
    return nullptr;
  }
  void synchronise() override {
    for (double seconds = 0;; ++seconds) waiting_(seconds);
  }

 private:
  Ops* ops_;
  std::function<void(double)> waiting_;
};

TEST(DeviceRanks, ADeviceThatHangsEndsAll) {
  const auto hung = [](double patience, int fails) {
    return error_of(ErrorKind::device, [&] {
      on_ranks(2, [&](Collective& hosts) {
        const auto inner = make_cpu_device({.threads = 1});
        EndlessDevice device(*inner);
        DeviceRanks ranks(device, hosts, patience);
        if (hosts.rank() == 0) ranks.agree(0);
        hosts.agree(0);
        if (hosts.rank() == fails) fail(ErrorKind::device, "cuda:1: gone");
        hosts.agree(0);
      });
    });
  };
  EXPECT_EQ(hung(5, -1),
            "rank 0 has waited 5 s for its device and those of others (all_to_all or all_gather): one "
            "hangs, or a longer --collective-timeout");
  EXPECT_EQ(hung(0, 1), "cuda:1: gone");  // who waits for ever is let go
}

}  // namespace
}  // namespace melgrad
