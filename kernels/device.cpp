// The one place that knows which devices this build has.
#include "kernels/device.h"

#include "kernels/cpu/cpu_device.h"

namespace melgrad {

std::unique_ptr<Device> make_device(const std::string& name, const DeviceOptions& options) {
  if (name == "cpu") return make_cpu_device(options);
  if (name.starts_with("cuda"))
    fail(ErrorKind::device, "device {}: this build has no CUDA backend; use cpu", name);
  fail(ErrorKind::usage, "device {}: unknown; there is cpu", name);
}

}  // namespace melgrad
