// Every device that the tests of operations, models and training run on: the CPU, the CUDA kernels on the
// simulator, and the GPU where there is one.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/device.h"

namespace melgrad {

struct DeviceParam {
  std::string name;  // as part of a test's name
  std::function<std::unique_ptr<Device>()> make;
};
inline void PrintTo(const DeviceParam& p, std::ostream* out) { *out << p.name; }

// In f32. The CPU with 1 to 3 threads, the simulator in three orders, "cuda" if this build has CUDA and this
// machine a GPU; with MELGRAD_TEST_CUDA=1 in the environment always, so that its absence fails.
std::vector<DeviceParam> device_params();

// In f32, one of each kind: for tests of whole models, and for each precision but f32: the devices that have
// it.
std::vector<DeviceParam> model_device_params();
std::vector<DeviceParam> device_params(Precision precision);

// For training runs, which are tested on one device at a time: the CPU, or what MELGRAD_TEST_DEVICE and
// MELGRAD_TEST_PRECISION in the environment name.
std::unique_ptr<Device> training_device(int threads = 0);

}  // namespace melgrad
