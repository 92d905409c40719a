#include "kernels/cpu/cpu_device.h"

#include <limits>
#include <cblas.h>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/log_mel.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace melgrad {
namespace {

constexpr std::size_t kAlign = 256;

void* aligned(std::size_t bytes) {
  void* memory = std::aligned_alloc(kAlign, (bytes + kAlign - 1) / kAlign * kAlign);
  if (memory == nullptr) fail(ErrorKind::device, "cpu: out of memory: {} bytes asked for", bytes);
  return memory;
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "CPU";
}

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(int threads) : threads_(threads), ops_(threads) {}

  std::string name() const override { return "cpu"; }
  std::string description() const override {
    const auto* onednn = dnnl_version();
    return fmt::format("{}, {} threads, oneDNN {}.{}.{}, {}", processor_name(), threads_, onednn->major,
                       onednn->minor, onednn->patch, openblas_get_config());
  }
  Ops& ops() override { return ops_; }
  Precision precision() const override { return Precision::f32; }
  void* allocate(std::size_t bytes) override { return aligned(bytes); }
  void release(void* memory) noexcept override { std::free(memory); }
#ifdef __SANITIZE_ADDRESS__
  void poison(void* memory, std::size_t bytes) override { __asan_poison_memory_region(memory, bytes); }
  void unpoison(void* memory, std::size_t bytes) override { __asan_unpoison_memory_region(memory, bytes); }
#else
  void poison(void* /*memory*/, std::size_t /*bytes*/) override {}
  void unpoison(void* /*memory*/, std::size_t /*bytes*/) override {}
#endif
  void to_device(Tensor to, const void* from) override {
    std::memcpy(to.data, from, static_cast<std::size_t>(to.bytes()));
  }
  void to_host(void* to, Tensor from) override {
    std::memcpy(to, from.data, static_cast<std::size_t>(from.bytes()));
  }
  void synchronise() override {}
  std::unique_ptr<Staging> make_staging() override { return make_host_staging(); }
  std::int64_t free_memory() const override { return std::numeric_limits<std::int64_t>::max(); }
  std::unique_ptr<Recording> record(const std::function<void()>& /*program*/) override { return nullptr; }

 private:
  int threads_;
  CpuOps ops_;
};

}  // namespace

void CpuOps::log_mel(Tensor pcm, const MelTables& mel, Tensor y) {
  melgrad::log_mel(pcm.f32(), pcm.numel(), mel, y.f32(), threads_);
}

void* CpuOps::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
    scratch_.reset(aligned(bytes));
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

std::unique_ptr<Device> make_cpu_device(const DeviceOptions& options) {
  if (options.precision != Precision::f32) {
    fail(ErrorKind::usage, "precision {}: the CPU computes in f32 only", name_of(options.precision));
  }
  const int threads = options.threads > 0 ? options.threads : omp_get_num_procs();
  omp_set_num_threads(threads);  // what oneDNN and OpenBLAS use
  openblas_set_num_threads(threads);
  return std::make_unique<CpuDevice>(threads);
}

}  // namespace melgrad
