#include "engine/memory.h"

#include "kernels/ops.h"

namespace melgrad {

Slab::Slab(Device& device, std::int64_t bytes) : block_(device, aligned_bytes(bytes)) {
  if (block_.bytes() > 0) device.ops().fill(all(), 0.0F);
}

namespace {

std::int64_t bytes_of(const std::vector<Slab::Part>& parts) {
  std::int64_t bytes = 0;
  for (const Slab::Part& part : parts) bytes += aligned_bytes(part.shape.numel() * size_of(part.dtype));
  return bytes;
}

}  // namespace

Slab::Slab(Device& device, const std::vector<Part>& parts) : Slab(device, bytes_of(parts)) {
  for (const Part& part : parts) *part.tensor = take(part.shape, part.dtype);
}

Tensor Slab::take(Shape shape, DType dtype) {
  const Tensor tensor(block_.data() + used_, shape, dtype);
  used_ += aligned_bytes(tensor.bytes());
  require(used_ <= block_.bytes(), "Slab: {} bytes taken of {}", used_, block_.bytes());
  return tensor;
}

Tensor Slab::all() const { return {block_.data(), {block_.bytes() / size_of(DType::f32)}, DType::f32}; }

Arena::~Arena() {
  for (const Block& block : blocks_) device_->unpoison(block.data(), static_cast<std::size_t>(block.bytes()));
}

Tensor Arena::take(Shape shape, DType dtype) {
  constexpr std::int64_t kGrowth = std::int64_t{64} << 20;
  Tensor tensor(nullptr, shape, dtype);
  const std::int64_t bytes = aligned_bytes(tensor.bytes());
  if (blocks_.empty() || offset_ + bytes > blocks_.back().bytes()) {
    require(!sealed_, "Arena: a sealed step asked for {} more bytes; its shapes must not change", bytes);
    blocks_.emplace_back(*device_, std::max(bytes, kGrowth));
    offset_ = 0;
  }
  tensor.data = blocks_.back().data() + offset_;
  device_->unpoison(tensor.data, static_cast<std::size_t>(bytes));
  offset_ += bytes;
  used_ += bytes;
  high_water_ = std::max(high_water_, used_);
  return tensor;
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    for (const Block& block : blocks_)
      device_->unpoison(block.data(), static_cast<std::size_t>(block.bytes()));
    blocks_.clear();
    blocks_.emplace_back(*device_, high_water_);
  }
  if (!blocks_.empty()) device_->poison(blocks_[0].data(), static_cast<std::size_t>(blocks_[0].bytes()));
  offset_ = used_ = 0;
}

}  // namespace melgrad
