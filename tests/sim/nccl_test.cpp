// NCCL as the CUDA path calls it, over threads.
#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/nccl_communicator.h"
#include "kernels/error.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_nccl.h"

namespace melgrad {
namespace {

Tensor over(std::vector<float>& values, Shape shape) { return {values.data(), shape}; }

// What each of so many ranks throws, or "".
std::vector<std::string> on_devices(int size,
                                    const std::function<void(Device&, Communicator&, int rank)>& work) {
  const std::string point = make_sim_device(sim::Order::forward)->meeting_point();
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      try {
        const auto device = make_sim_device(sim::Order::shuffled);
        const auto joined = device->join(point, rank, size, [](double) {});
        work(*device, *joined, rank);
      } catch (const Error& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  return errors;
}

TEST(Nccl, moves_what_each_device_has_to_the_others) {
  for (const int size : {1, 3}) {
    const auto errors = on_devices(size, [&](Device& device, Communicator& joined, int rank) {
      const auto n = static_cast<std::size_t>(size);
      std::vector<float> mine(2 * n), theirs(2 * n), all(2 * n);
      for (std::size_t i = 0; i < mine.size(); ++i)
        mine[i] = static_cast<float>(100 * rank) + static_cast<float>(i);
      joined.all_to_all(over(mine, {size, 2}), over(theirs, {size, 2}));
      std::vector<float> row = {theirs[0], theirs[1] + 0.5F};
      joined.all_gather(over(row, {2}), over(all, {size, 2}));
      device.synchronise();
      for (int q = 0; q < size; ++q) {
        const auto at = 2 * static_cast<std::size_t>(q);
        EXPECT_EQ(theirs[at], static_cast<float>(100 * q + 2 * rank));
        EXPECT_EQ(theirs[at + 1], static_cast<float>(100 * q + 2 * rank + 1));
        EXPECT_EQ(all[at], static_cast<float>(2 * q));
        EXPECT_EQ(all[at + 1], static_cast<float>(2 * q) + 1.5F);
      }
    });
    EXPECT_EQ(errors, std::vector<std::string>(static_cast<std::size_t>(size)));
  }
}

TEST(Nccl, ranks_that_differ_in_what_they_call_are_found) {
  const auto errors = on_devices(2, [&](Device&, Communicator& joined, int rank) {
    std::vector<float> row(4), all(8);
    joined.all_gather(over(row, {rank == 0 ? 4 : 2}), over(all, {2, 4}));
  });
  for (const std::string& error : errors)
    EXPECT_EQ(
        error,
        "ncclAllGather: invalid usage: ranks call all_gather 4 and all_gather 2 at once; NCCL_DEBUG=WARN in "
        "the environment tells more");
}

TEST(Nccl, nothing_is_asked_of_the_host_while_recording) {
  const auto device = make_sim_device(sim::Order::forward);
  std::vector<float> values(2);
  const auto replay = [&](const std::function<void()>& program) {
    try {
      device->record(program)->replay();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(replay([] {}), "");
  EXPECT_EQ(replay([&] { device->to_host(values.data(), over(values, {2})); }),
            "synchronise while recording");
  EXPECT_EQ(replay([&] { device->allocate(8); }), "allocate while recording");
  EXPECT_TRUE(replay([&] {
                device->meeting_point();
              }).starts_with("ncclGetUniqueId: invalid usage: ncclGetUniqueId while recording"));
}

// ---- while the host waits
// ------------------------------------------------------------------------------------

int asynchronous_error = 0, aborted = 0, destroyed = 0;

// A communicator whose device never comes to an end: what waiting for it throws.
std::string waited(const std::function<void(double)>& waiting) {
  aborted = destroyed = 0;
  Nccl nccl = sim_nccl();
  nccl.comm_init_rank = [](NcclComm**, int, NcclId, int) { return 0; };
  nccl.comm_get_async_error = [](NcclComm*, int* error) {
    *error = asynchronous_error;
    return 0;
  };
  nccl.comm_abort = [](NcclComm*) { return ++aborted, 0; };
  nccl.comm_destroy = [](NcclComm*) { return ++destroyed, 0; };
  nccl.last_error = nullptr;  // as before 2.13
  NcclCommunicator* place = nullptr;
  std::string thrown;
  {
    NcclCommunicator one(nccl, nullptr, std::string(sizeof(NcclId), 'x'), 0, 2, waiting, place);
    EXPECT_EQ(place, &one);
    try {
      place->wait([] { return false; });
    } catch (const Error& error) {
      thrown = error.what();
    }
  }
  EXPECT_EQ(place, nullptr);
  return thrown;
}

TEST(Nccl, who_waits_too_long_or_is_told_of_an_error_lets_the_device_go) {
  EXPECT_EQ(waited([](double seconds) {
              if (seconds > 0.05) fail(ErrorKind::device, "enough");
            }),
            "enough");
  EXPECT_EQ(aborted, 1);
  EXPECT_EQ(destroyed, 0);
  asynchronous_error = 2;
  EXPECT_EQ(waited([](double) {}), "NCCL: system error; NCCL_DEBUG=WARN in the environment tells more");
  EXPECT_EQ(aborted, 1);
  asynchronous_error = 0;
}

}  // namespace
}  // namespace melgrad
