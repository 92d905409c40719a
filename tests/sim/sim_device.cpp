#include "tests/sim/sim_device.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "kernels/cpu/host_device.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/launch.h"
#include "tests/sim/sim_libraries.h"

namespace melgrad {
namespace {

class SimDevice final : public HostDevice {
 public:
  SimDevice(sim::Order order, Precision precision)
      : precision_(precision), stream_(order), ops_(*this, libraries_, &stream_) {}

  std::string name() const override { return "sim"; }
  std::string description() const override { return "CUDA kernels on the CPU"; }
  Ops& ops() override { return ops_; }
  Precision precision() const override { return precision_; }
  void* allocate(std::size_t bytes) override {
    void* memory = HostDevice::allocate(bytes);
    std::memset(memory, 0xFF, bytes);  // NaN
    return memory;
  }

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
