// The one place that knows which devices this build has.
#include "kernels/device.h"

#include <charconv>
#include <chrono>

#include "kernels/cpu/cpu_device.h"
#ifdef MELGRAD_WITH_CUDA
#include "kernels/cuda/cuda_device.h"
#endif

namespace melgrad {
namespace {

// N of "cuda:N"; 0 for "cuda".
int cuda_index(const std::string& name) {
  if (name == "cuda") return 0;
  int index = -1;
  const char *first = name.data() + std::string("cuda:").size(), *last = name.data() + name.size();
  if (name.starts_with("cuda:") && std::from_chars(first, last, index).ptr == last && index >= 0)
    return index;
  fail(ErrorKind::usage, "device {}: unknown; there are auto, cpu and cuda:N", name);
}

}  // namespace

#ifdef MELGRAD_WITH_CUDA
std::unique_ptr<Device> make_device(const std::string& name, const DeviceOptions& options) {
  if (name == "cpu" || (name == "auto" && cuda_device_count() == 0)) return make_cpu_device(options);
  return make_cuda_device(name == "auto" ? 0 : cuda_index(name), options);
}
#else
std::unique_ptr<Device> make_device(const std::string& name, const DeviceOptions& options) {
  if (name == "cpu" || name == "auto") return make_cpu_device(options);
  cuda_index(name);  // or a name nobody knows
  fail(ErrorKind::device, "device {}: this build has no CUDA backend; use --device cpu", name);
}
std::string cuda_report() { return "not built (MELGRAD_CUDA)"; }
#endif

double Device::seconds_of(const std::function<void()>& work) {
  synchronise();
  const auto begin = std::chrono::steady_clock::now();
  work();
  synchronise();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Precision precision_of(const std::string& name) {
  for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16}) {
    if (name == name_of(p)) return p;
  }
  fail(ErrorKind::usage, "precision {}: unknown; there are f32, tf32 and bf16", name);
}

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return "f32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "?";
}

}  // namespace melgrad
