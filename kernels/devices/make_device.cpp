#include "kernels/devices/make_device.h"

#include <string_view>

#include "kernels/cpu/cpu_device.h"
#include "kernels/error.h"
#include "kernels/text.h"
#ifdef MELGRAD_WITH_CUDA
#include "kernels/cuda/cuda_device.h"
#endif

namespace melgrad {
namespace {

// N of "cuda:N"; 0 for "cuda".
int cuda_index(const std::string& name) {
  if (name == "cuda") return 0;
  constexpr std::string_view kPrefix = "cuda:";
  if (name.starts_with(kPrefix)) {
    const auto index = number_in<int>(std::string_view(name).substr(kPrefix.size()));
    if (index && *index >= 0) return *index;
  }
  fail(ErrorKind::usage, "device {}: unknown; there are auto, cpu and cuda:N", name);
}

}  // namespace

#ifdef MELGRAD_WITH_CUDA
std::unique_ptr<Device> make_device(const std::string& name, const DeviceOptions& options) {
  if (name == "cpu" || (name == "auto" && cuda_device_count() == 0)) return make_cpu_device(options);
  return make_cuda_device(name == "auto" ? 0 : cuda_index(name), options);
}
int gpu_count() { return cuda_device_count(); }
std::string why_auto_takes_cpu() { return why_no_gpu(); }
std::string cuda_report() { return describe_cuda(); }
#else
std::unique_ptr<Device> make_device(const std::string& name, const DeviceOptions& options) {
  if (name == "cpu" || name == "auto") return make_cpu_device(options);
  cuda_index(name);  // or a name nobody knows
  fail(ErrorKind::device, "device {}: this build has no CUDA backend; use --device cpu", name);
}
int gpu_count() { return 0; }
std::string why_auto_takes_cpu() { return ""; }
std::string cuda_report() { return "not built (MELGRAD_CUDA)"; }
#endif

}  // namespace melgrad
