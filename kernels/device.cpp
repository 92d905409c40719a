// The one place that knows which devices this build has.
#include "kernels/device.h"

#include <charconv>
#include <cstdlib>
#include <new>

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
  if (name.starts_with("cuda:") && std::from_chars(first, last, index).ptr == last && index >= 0) return index;
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
  fail(ErrorKind::device, "device {}: this build has no CUDA backend; use cpu", name);
}
std::string cuda_report() { return "not built (MELGRAD_CUDA)"; }
#endif

namespace {

class HostStaging final : public Staging {
 public:
  void reserve(std::int64_t bytes) override {
    if (bytes <= bytes_) return;
    memory_.reset(std::aligned_alloc(256, static_cast<std::size_t>((bytes + 255) / 256 * 256)));
    if (!memory_) throw std::bad_alloc();
    bytes_ = bytes;
  }
  void* host() override { return memory_.get(); }
  void* device() override { return memory_.get(); }
  void upload(std::int64_t /*bytes*/) override {}
  void used() override {}
  void download(std::int64_t /*bytes*/) override {}
  void wait() override {}

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  std::int64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Staging> make_host_staging() { return std::make_unique<HostStaging>(); }

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
