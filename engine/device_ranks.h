// Ranks whose devices exchange by themselves, within what is recorded (Device::join): GPUs, by NCCL.
#pragma once

#include <functional>

#include "engine/collective.h"
#include "engine/memory.h"

namespace melgrad {

// Processes that are numbered and know no other way to each other: what torchrun starts. They can end, with
// `tell`, and be joined by their devices.
class NumberedRanks final : public Collective {
 public:
  NumberedRanks(int rank, int size, std::function<void(const std::string&)> tell)
      : rank_(rank), size_(size), tell_(std::move(tell)) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  bool connected() const override { return false; }
  void all_to_all(Tensor from, Tensor to) override;
  void all_gather(Tensor from, Tensor to) override;
  void broadcast(void* bytes, std::size_t count) override;
  int agree(int number) override;
  // Ends this process, which whoever started all of them sees.
  void abort(const std::string& reason, int code) override;

 private:
  int rank_, size_;
  std::function<void(const std::string&)> tell_;
};

class DeviceRanks final : public Collective {
 public:
  // The devices of `hosts`, each rank with its own; waits for all. What is of the host goes by `hosts` where
  // these are connected, else by the devices too. Where the host waits for its device longer than `patience`
  // seconds (0: never), all are ended. Throws Error (device) where devices cannot be joined.
  DeviceRanks(Device& device, Collective& hosts, double patience);

  int rank() const override { return hosts_->rank(); }
  int size() const override { return hosts_->size(); }
  void all_to_all(Tensor from, Tensor to) override { joined_->all_to_all(from, to); }
  void all_gather(Tensor from, Tensor to) override { joined_->all_gather(from, to); }
  void broadcast(void* bytes, std::size_t count) override;
  // Also waits for what was issued to this rank's device: who asks after each step is told of one that hangs.
  int agree(int number) override;
  void abort(const std::string& reason, int code) override { hosts_->abort(reason, code); }

 private:
  static constexpr std::int64_t kAtOnce = 1024;  // floats of the host that the devices pass on

  void waits(double seconds);
  // What each rank has in `bytes`, at most kAtOnce of them; valid until the next call.
  const char* gathered(const void* bytes, std::size_t count);

  Device* device_;
  Collective* hosts_;
  double patience_;
  const char* for_ = "all_to_all or all_gather";  // what the host waits for
  bool patient_ = false;
  Tensor mine_, all_;
  Slab passed_;
  std::vector<float> host_;
  std::unique_ptr<Communicator> joined_;
};

}  // namespace melgrad
