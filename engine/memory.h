// Who owns device memory: Slab for what lives as long as a model (parameters, gradients, moments, the data
// set), Arena for what lives for one step (activations and their gradients). Tensors are views into them.
#pragma once

#include <vector>

#include "kernels/device.h"

namespace melgrad {

// One piece of device memory with its owner.
class Block {
 public:
  Block(Device& device, std::int64_t bytes)
      : device_(&device), data_(device.allocate(static_cast<std::size_t>(bytes))), bytes_(bytes) {}
  Block(Block&& o) noexcept : device_(o.device_), data_(std::exchange(o.data_, nullptr)), bytes_(o.bytes_) {}
  Block& operator=(Block&&) = delete;
  ~Block() {
    if (data_ != nullptr) device_->release(data_);
  }
  char* data() const { return static_cast<char*>(data_); }
  std::int64_t bytes() const { return bytes_; }

 private:
  Device* device_;
  void* data_;
  std::int64_t bytes_;
};

// Every tensor starts on a 256-byte boundary.
constexpr std::int64_t aligned_bytes(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

// Long-lived memory, one allocation, handed out front to back; zero at first. Because the pieces are
// neighbours, one call clears, updates or measures them all.
class Slab {
 public:
  Slab(Device& device, std::int64_t bytes);
  // Of these tensors, which are set in order. Members among them stand before the slab in their class.
  struct Part {
    Tensor* tensor;
    Shape shape;
    DType dtype = DType::f32;
  };
  Slab(Device& device, const std::vector<Part>& parts);
  Tensor take(Shape shape, DType dtype = DType::f32);
  Tensor all() const;  // everything as one f32 vector, gaps (zeros) included

 private:
  Block block_;
  std::int64_t used_ = 0;
};

// Step memory: a pointer that moves forward, and back to the start at reset. The first step grows the arena
// piece by piece; the next reset replaces the pieces by one block of the size that was needed, and from then
// on the same program gets the same addresses every step. `seal` forbids growth: a captured step must not
// allocate.
class Arena {
 public:
  explicit Arena(Device& device) : device_(&device) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  Tensor take(Shape shape, DType dtype = DType::f32);
  void reset();
  void seal() { sealed_ = true; }
  std::int64_t high_water() const { return high_water_; }  // bytes

 private:
  Device* device_;
  std::vector<Block> blocks_;
  std::int64_t offset_ = 0;  // into the last block
  std::int64_t used_ = 0, high_water_ = 0;
  bool sealed_ = false;
};

}  // namespace melgrad
