// The Communicator of a CUDA device: NCCL on the device's stream. NCCL only moves bytes here.
#pragma once

#include <functional>
#include <thread>

#include "kernels/cuda/nccl.h"
#include "kernels/device.h"

namespace melgrad {

class NcclCommunicator final : public Communicator {
 public:
  // An id of NCCL's, for Device::meeting_point. Throws Error (device).
  static std::string new_meeting_point(const Nccl& nccl);

  // Of the CUDA device that is current. Blocks until all are there. As long as it lives `place` points to it:
  // there the device finds what to `wait` by.
  NcclCommunicator(const Nccl& nccl, Stream stream, const std::string& meeting_point, int rank, int size,
                   std::function<void(double)> waiting, NcclCommunicator*& place);
  // Recordings that hold its calls are no more.
  ~NcclCommunicator() override;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  void all_to_all(Tensor from, Tensor to) override;
  void all_gather(Tensor from, Tensor to) override;
  // Until `done`, which asks the stream. Throws NCCL's errors, what `done` and what `waiting` throws, and
  // then lets no kernel wait for other devices any more.
  void wait(const std::function<bool()>& done);

 private:
  void check(int status, const char* call) const;

  Nccl nccl_;
  Stream stream_;
  int size_;
  std::function<void(double)> waiting_;
  NcclCommunicator** place_;
  NcclComm* comm_ = nullptr;
  std::thread abort_;
};

}  // namespace melgrad
