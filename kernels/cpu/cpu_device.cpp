#include "kernels/cpu/cpu_device.h"

#include <algorithm>
#include <cblas.h>
#include <fstream>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/cpu/blas_core.h"
#include "kernels/cpu/blas_memory.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/flush.h"
#include "kernels/cpu/host_device.h"
#include "kernels/cpu/log_mel.h"
#include "kernels/math/half.h"

namespace melgrad {
namespace {

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "CPU";
}

// CpuOps, to which denormal numbers are 0.
class FlushingOps final : public Ops {
 public:
  explicit FlushingOps(int threads) : ops_(threads) {}

#define MELGRAD_OP(name, parameters, arguments) \
  void name parameters override {               \
    const FlushDenormals flush;                 \
    ops_.name arguments;                        \
  }
#include "kernels/op_overrides.h"

 private:
  CpuOps ops_;
};

class CpuDevice final : public HostDevice {
 public:
  explicit CpuDevice(int threads) : threads_(threads), ops_(threads) {}

  std::string name() const override { return "cpu"; }
  std::string description() const override {
    const auto* onednn = dnnl_version();
    const char* core = better_blas_core();
    return fmt::format("{}, {} threads, oneDNN {}.{}.{}, {}{}", processor_name(), threads_, onednn->major,
                       onednn->minor, onednn->patch, openblas_get_config(),
                       core == nullptr ? "" : fmt::format("; OPENBLAS_CORETYPE={} is faster here", core));
  }
  Ops& ops() override { return ops_; }
  bool is_host() const override { return true; }

 private:
  int threads_;
  FlushingOps ops_;
};

}  // namespace

void CpuOps::log_mel(Tensor pcm, const MelTables& mel, Out y) {
  if (pcm.dtype == DType::f16) {
    std::vector<float> samples(static_cast<std::size_t>(pcm.numel()));
    half_to_float(pcm.f16(), samples.data(), pcm.numel());
    log_mel({samples.data(), pcm.shape}, mel, y);
  } else if (y.dtype == DType::f16) {
    std::vector<float> features(static_cast<std::size_t>(y.numel()));
    melgrad::log_mel(pcm.f32(), pcm.numel(), mel, features.data(), threads_);
    float_to_half(features.data(), y.f16(), y.numel());
  } else {
    melgrad::log_mel(pcm.f32(), pcm.numel(), mel, y.f32(), threads_);
  }
}

void* CpuOps::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
    scratch_.reset(aligned_host_memory(bytes));
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

std::unique_ptr<Device> make_cpu_device(const DeviceOptions& options) {
  if (options.precision != Precision::f32) {
    fail(ErrorKind::usage, "precision {}: the CPU computes in f32 only", name_of(options.precision));
  }
  // OpenBLAS waits for ever for threads that OMP_THREAD_LIMIT denies it.
  const int threads =
      std::min(options.threads > 0 ? options.threads : omp_get_num_procs(), omp_get_thread_limit());
  start_blas_threads(threads);
  return std::make_unique<CpuDevice>(threads);
}

}  // namespace melgrad
