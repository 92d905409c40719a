#include "tests/sim/sim_device.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "kernels/cpu/host_device.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/nccl_communicator.h"
#include "tests/sim/sim_libraries.h"
#include "tests/sim/sim_nccl.h"

namespace melgrad {
namespace {

// The program itself, again and again, under the rules of what is recorded.
class SimRecording final : public Recording {
 public:
  explicit SimRecording(const std::function<void()>& program) : program_(program) {}
  void replay() override {
    const SimRecorded recorded;
    program_();
  }

 private:
  std::function<void()> program_;
};

class SimDevice final : public HostDevice {
 public:
  SimDevice(sim::Order order, Precision precision)
      : precision_(precision), stream_(order), ops_(*this, libraries_, &stream_) {}

  std::string name() const override { return "sim"; }
  std::string description() const override { return "CUDA kernels on the CPU"; }
  Ops& ops() override { return ops_; }
  Precision precision() const override { return precision_; }
  void* allocate(std::size_t bytes) override {
    SimRecorded::expect_not("allocate");
    void* memory = HostDevice::allocate(bytes);
    std::memset(memory, 0xFF, bytes);  // NaN
    return memory;
  }
  void to_device(Tensor to, const void* from) override {
    synchronise();
    HostDevice::to_device(to, from);
  }
  void to_host(void* to, Tensor from) override {
    synchronise();
    HostDevice::to_host(to, from);
  }
  void synchronise() override {
    SimRecorded::expect_not("synchronise");
    int asked = 0;
    if (joined_ != nullptr) joined_->wait([&] { return ++asked == 2; });
  }
  std::unique_ptr<Recording> record(const std::function<void()>& program) override {
    return std::make_unique<SimRecording>(program);
  }
  std::string meeting_point() override { return NcclCommunicator::new_meeting_point(sim_nccl()); }
  std::unique_ptr<Communicator> join(const std::string& meeting_point, int rank, int size,
                                     std::function<void(double)> waiting) override {
    return std::make_unique<NcclCommunicator>(sim_nccl(), &stream_, meeting_point, rank, size,
                                              std::move(waiting), joined_);
  }

 private:
  Precision precision_;
  CUstream_st stream_;
  SimLibraries libraries_;
  CudaOps ops_;
  NcclCommunicator* joined_ = nullptr;
};

}  // namespace

std::unique_ptr<Device> make_sim_device(sim::Order order, Precision precision) {
  return std::make_unique<SimDevice>(order, precision);
}

}  // namespace melgrad
