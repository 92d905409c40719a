// The one place that knows which devices this build has.
#pragma once

#include <memory>
#include <string>

#include "kernels/device.h"

namespace melgrad {

// "cpu", "cuda:N", "cuda" (cuda:0), or "auto": cuda:0 if this build and this machine have one, else cpu.
// Throws Error (device) that says why when there is none.
std::unique_ptr<Device> make_device(const std::string& name, const DeviceOptions& options = {});

// GPUs that this build and this machine have, and that may be given to it: CUDA_VISIBLE_DEVICES hides others.
int gpu_count();

// One line on CUDA for people: what this build was made for, driver and devices of this machine, or why there
// are none.
std::string cuda_report();

}  // namespace melgrad
