// A GPU as a Device.
#pragma once

#include <memory>

#include "kernels/device.h"

namespace melgrad {

// Devices that this machine offers; 0 without a driver.
int cuda_device_count();

// Throws Error (device): no driver, an old driver, no such device, or one of compute capability below 8.0.
// With MELGRAD_SYNC=1 in the environment every operation is waited for, so that an error names the one that
// failed.
std::unique_ptr<Device> make_cuda_device(int index, const DeviceOptions& options);

// why_auto_takes_cpu and cuda_report (kernels/devices/make_device.h).
std::string why_no_gpu();
std::string describe_cuda();

}  // namespace melgrad
