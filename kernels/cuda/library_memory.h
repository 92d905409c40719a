// Memory as the vendor's libraries see it: how pointers are aligned, and the scratch memory they work in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "kernels/device.h"

namespace melgrad {

// The largest power of two, at most 16, that divides all addresses. Tensors may be spans that begin at any
// element, and a library reads 16 bytes at a time only where it was promised that it may.
inline int alignment_of(std::initializer_list<const void*> pointers) {
  std::uintptr_t bits = 16;
  for (const void* p : pointers) bits |= reinterpret_cast<std::uintptr_t>(p);
  return static_cast<int>(bits & (~bits + 1));
}

constexpr std::int64_t workspace_size(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

// One block for all library calls of one stream; what it holds is dead after the call. It grows when a call
// needs more, and the blocks it has outgrown are kept: CUDA graphs captured before may still use them.
class Workspace {
 public:
  explicit Workspace(Device& device) : device_(device) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    for (void* block : blocks_) device_.release(block);
  }

  // 256-byte aligned. Error (device) from the device when there is no room.
  void* at_least(std::int64_t bytes) {
    if (blocks_.empty() || bytes > bytes_) grow(bytes);
    return blocks_.back();
  }

 private:
  // By half at least, so that all blocks together are at most three times the last.
  void grow(std::int64_t bytes) {
    const std::int64_t size = workspace_size(std::max({bytes, bytes_ + bytes_ / 2, kFirst}));
    blocks_.reserve(blocks_.size() + 1);  // so that a block is never lost
    blocks_.push_back(device_.allocate(static_cast<std::size_t>(size)));
    bytes_ = size;
  }

  static constexpr std::int64_t kFirst = std::int64_t{1} << 20;
  Device& device_;
  std::vector<void*> blocks_;
  std::int64_t bytes_ = 0;
};

}  // namespace melgrad
