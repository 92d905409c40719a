// NCCL over threads, for devices of the simulator. A call copies when all ranks have come to it. What NCCL
// leaves to its caller is checked: that all ranks issue the same calls, with the same counts, in the same
// order, and that while a rank records it calls nothing but what can be recorded; else the call fails on all.
#pragma once

#include <string>
#include <vector>

#include "kernels/cuda/nccl.h"

namespace melgrad {

// With an id of its own for each time that one is asked for; with NCCL_COMM_ID in the environment always the
// same.
Nccl sim_nccl();

// The calls that all ranks of the last communicator have come to: "all_gather 3", and where they were
// recorded "all_gather 3 recorded".
std::vector<std::string> sim_nccl_calls();

// While there is one, this thread records.
class SimRecorded {
 public:
  SimRecorded();
  ~SimRecorded();
  SimRecorded(const SimRecorded&) = delete;
  SimRecorded& operator=(const SimRecorded&) = delete;
  static void expect_not(const char* call);  // throws Error (internal)
};

}  // namespace melgrad
