// Workspace: memory for the length of one operation. It grows by adding blocks, each large enough for all
// that the operation has taken so far, so that the same operation never makes it grow again; and keeps those
// it has outgrown: a captured CUDA graph may still point at them.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/device.h"

namespace melgrad {

constexpr std::int64_t workspace_size(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

class Workspace {
 public:
  explicit Workspace(Device& device) : device_(&device) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    for (void* block : blocks_) device_->release(block);
  }

  // What was taken before is dead from here on.
  void restart() { used_ = taken_ = 0; }
  // 256-byte aligned, valid until restart. Error (device) from the device when there is no room.
  void* take(std::int64_t bytes) {
    const std::int64_t padded = workspace_size(bytes);
    taken_ += padded;
    if (blocks_.empty() || used_ + padded > size_) {
      // By half at least, so that all blocks together are at most three times the last.
      const std::int64_t size = std::max({taken_, size_ + size_ / 2, kFirst});
      blocks_.reserve(blocks_.size() + 1);  // so that a block is never lost
      blocks_.push_back(device_->allocate(static_cast<std::size_t>(size)));
      size_ = workspace_size(size);
      used_ = 0;
    }
    void* memory = static_cast<char*>(blocks_.back()) + used_;
    used_ += padded;
    return memory;
  }
  Tensor take(Shape shape, DType dtype) {
    Tensor tensor(nullptr, shape, dtype);
    tensor.data = take(tensor.bytes());
    return tensor;
  }

 private:
  static constexpr std::int64_t kFirst = std::int64_t{1} << 20;
  Device* device_;
  std::vector<void*> blocks_;
  std::int64_t size_ = 0, used_ = 0;  // bytes of the last block
  std::int64_t taken_ = 0;            // since restart, of all blocks
};

}  // namespace melgrad
