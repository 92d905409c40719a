// The CPU as a Device: host memory, OpenMP threads.
#pragma once

#include <memory>

#include "kernels/device.h"

namespace melgrad {

std::unique_ptr<Device> make_cpu_device(const DeviceOptions& options);

}  // namespace melgrad
