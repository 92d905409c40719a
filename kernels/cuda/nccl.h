// NCCL: what melgrad calls of it, found at run time, so that it need be neither where melgrad is built nor
// where it runs. Declared here as the library has it (tests/cuda/nccl_test.cpp compares with its header);
// tests/sim has such a table over threads.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/cuda/grid.h"

namespace melgrad {

struct NcclComm;  // NCCL's own

struct NcclId {
  char bytes[128];
};

// Functions return NCCL's ncclResult_t, 0 for success; `type` is an ncclDataType_t.
struct Nccl {
  std::string version;  // "2.28.9"
  const char* (*error_string)(int) = nullptr;
  const char* (*last_error)(NcclComm*) = nullptr;  // before NCCL 2.13 there is none
  int (*get_unique_id)(NcclId*) = nullptr;
  int (*comm_init_rank)(NcclComm**, int size, NcclId, int rank) = nullptr;
  int (*comm_get_async_error)(NcclComm*, int*) = nullptr;
  int (*comm_abort)(NcclComm*) = nullptr;
  int (*comm_destroy)(NcclComm*) = nullptr;
  int (*group_start)() = nullptr;
  int (*group_end)() = nullptr;
  int (*send)(const void*, std::size_t count, int type, int to, NcclComm*, Stream) = nullptr;
  int (*receive)(void*, std::size_t count, int type, int from, NcclComm*, Stream) = nullptr;
  int (*all_gather)(const void*, void*, std::size_t count, int type, NcclComm*, Stream) = nullptr;
};

constexpr int kNcclFloat = 7;

// From libnccl.so.2, or what MELGRAD_NCCL in the environment names. Throws Error (device) in one line that
// says what to do: none there, one before 2.9, which cannot be recorded, or one that lacks a function.
Nccl load_nccl();

// For people: "NCCL 2.28.9", or "no NCCL: " and why.
std::string describe_nccl();

}  // namespace melgrad
