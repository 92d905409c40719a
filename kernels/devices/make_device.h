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

// What keeps "auto" from the GPUs of a machine that has an NVIDIA driver, one too old for this build for
// instance; "" where it takes one, or none is there or visible.
std::string why_auto_takes_cpu();

// One line on CUDA for people: what this build was made with and which driver that needs; driver and devices
// of this machine, or why there are none.
std::string cuda_report();

}  // namespace melgrad
