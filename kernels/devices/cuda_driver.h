// Which NVIDIA driver serves which CUDA: a driver is for one version of CUDA, all older ones, and later ones
// of the same major version. Versions are CUDA's own numbers, 12040 for 12.4.
#pragma once

#include <string>

namespace melgrad {

std::string cuda_version_text(int version);

// The first driver that serves builds with this CUDA: "580"; "" where no list says it.
std::string first_driver_for(int runtime);

// What is wrong with a driver for CUDA up to `driver` (0: there is none) beneath a build with CUDA `runtime`,
// and what to do; "" if it serves. `release`: its own version, 550.54.14, where the machine says it.
std::string wrong_with_driver(int driver, int runtime, const std::string& release);

// This machine's driver, as its kernel module says, or "".
std::string driver_release();

}  // namespace melgrad
