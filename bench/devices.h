// The devices a benchmark runs on: the CPU, and the GPU in each precision where there is one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "kernels/devices/make_device.h"
#include "kernels/error.h"

namespace melgrad {

struct BenchDevice {
  std::string name;  // as part of a benchmark's name: "cpu", "cuda/tf32"
  std::function<std::unique_ptr<Device>(int threads)> make;
};

inline std::vector<BenchDevice> bench_devices() {
  std::vector<BenchDevice> devices = {
      {"cpu", [](int threads) { return make_device("cpu", {.threads = threads}); }}};
  try {
    make_device("cuda:0");
  } catch (const Error&) {
    return devices;
  }
  for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16}) {
    devices.push_back({std::string("cuda/") + name_of(p),
                       [p](int /*threads*/) { return make_device("cuda:0", {.precision = p}); }});
  }
  return devices;
}

}  // namespace melgrad
