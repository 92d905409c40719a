#include "tests/sim/sim_device.h"

#include <limits>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/launch.h"
#include "tests/sim/sim_libraries.h"

namespace melgrad {
namespace {

class SimDevice final : public Device {
 public:
  SimDevice(sim::Order order, Precision precision)
      : precision_(precision), stream_(order), ops_(*this, libraries_, &stream_) {}

  std::string name() const override { return "sim"; }
  std::string description() const override { return "CUDA kernels on the CPU"; }
  Ops& ops() override { return ops_; }
  Precision precision() const override { return precision_; }
  void* allocate(std::size_t bytes) override {
    void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(memory, 0xFF, bytes);  // NaN
    return memory;
  }
  void release(void* memory) noexcept override { std::free(memory); }
  void poison(void* /*memory*/, std::size_t /*bytes*/) override {}
  void unpoison(void* /*memory*/, std::size_t /*bytes*/) override {}
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
  Precision precision_;
  CUstream_st stream_;
  SimLibraries libraries_;
  CudaOps ops_;
};

}  // namespace

std::unique_ptr<Device> make_sim_device(sim::Order order, Precision precision) {
  return std::make_unique<SimDevice>(order, precision);
}

}  // namespace melgrad
