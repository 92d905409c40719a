#include "kernels/devices/cuda_driver.h"

#include <fmt/format.h>
#include <fstream>

namespace melgrad {

std::string cuda_version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// As the release notes of CUDA list them: within a major version the first driver serves all.
std::string first_driver_for(int runtime) {
  switch (runtime / 1000) {
    case 11:
      return "450";
    case 12:
      return "525";
    case 13:
      return "580";
    default:
      return "";
  }
}

std::string wrong_with_driver(int driver, int runtime, const std::string& release) {
  if (driver == 0) return "no NVIDIA driver on this machine; use --device cpu";
  if (driver / 1000 >= runtime / 1000) return "";
  const std::string has = release.empty() ? "the driver" : "driver " + release;
  const std::string first = first_driver_for(runtime);
  const std::string needed = first.empty() ? "a newer one" : "driver " + first + " or newer";
  const std::string other =
      driver / 1000 < 12 ? "" : fmt::format(" take the build for CUDA {},", driver / 1000);
  return fmt::format(
      "{} is for CUDA up to {}, this build is for CUDA {} and needs {}: update it,{} or use --device cpu",
      has, cuda_version_text(driver), cuda_version_text(runtime), needed, other);
}

std::string driver_release() {
  std::ifstream file("/sys/module/nvidia/version");
  std::string release;
  std::getline(file, release);
  return release;
}

}  // namespace melgrad
