// GPUs that are not there: what cuDNN wants to know of one to plan for it.
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/cuda/cudnn_graph.h"

namespace melgrad {

struct Gpu {
  std::string name;
  int compute_capability;                // 900 = 9.0
  int multiprocessors, blocks, threads;  // blocks and threads of one multiprocessor at a time
  int shared_bytes;                      // that a block may ask for
  int clock_khz, memory_clock_khz, l2_bytes;
  std::int64_t memory_bytes;

  GpuProperties properties() const {
    const nlohmann::json json = {{"maxGridSize", {2147483647, 65535, 65535}},
                                 {"maxBlockSize", {1024, 1024, 64}},
                                 {"regsPerBlock", 65536},
                                 {"multiProcessorCount", multiprocessors},
                                 {"warpSize", 32},
                                 {"maxSharedMemoryPerBlock", 49152},
                                 {"maxSharedMemoryPerBlockOptin", shared_bytes},
                                 {"reservedSharedMemoryPerBlock", 1024},
                                 {"maxRegistersPerSM", 65536},
                                 {"maxCtasPerSM", blocks},
                                 {"maxThreadsPerBlock", 1024},
                                 {"maxThreadsPerSM", threads},
                                 {"pciDeviceId", 0},
                                 {"isTccDriver", 0},
                                 {"supportCoopLaunch", 1},
                                 {"totalGlobalMem", memory_bytes},
                                 {"smClockRateKHz", clock_khz},
                                 {"memClockRateKHz", memory_clock_khz},
                                 {"l2CacheSize", l2_bytes},
                                 {"cudaDeviceId", 0},
                                 {"deviceVer", compute_capability},
                                 {"driverVer", 13000},
                                 {"deviceName", name}};
    return {json.dump()};
  }
};

inline std::vector<Gpu> gpus() {
  return {
      {"NVIDIA A100-SXM4-80GB", 800, 108, 32, 2048, 166912, 1410000, 1593000, 41943040, 85'899'345'920},
      {"NVIDIA H100 80GB HBM3", 900, 132, 32, 2048, 232448, 1980000, 2619000, 52428800, 85'028'765'696},
      {"NVIDIA GeForce RTX 4090", 890, 128, 24, 1536, 101376, 2520000, 10501000, 75497472, 25'393'692'672}};
}

inline void PrintTo(const Gpu& gpu, std::ostream* out) { *out << gpu.name; }

}  // namespace melgrad
