// Extents: what is left of a segment's frames and bands behind each layer, while a network is put together.
#pragma once

#include "kernels/error.h"
#include "models/networks/blocks.h"

namespace melgrad {

class Extents {
 public:
  // `model` is for the message when nothing is left.
  Extents(std::string model, const InputShape& input)
      : model_(std::move(model)), input_(input), frames_(input.frames), bands_(input.bands) {}

  void convolve(std::int64_t kernel_t, std::int64_t kernel_f, const Conv2d& conv) {
    // Less than a kernel is nothing; the division would round it up.
    frames_ = std::max<std::int64_t>(frames_ + 2 * conv.pad_t - kernel_t + conv.stride_t, 0) / conv.stride_t;
    bands_ = std::max<std::int64_t>(bands_ + 2 * conv.pad_f - kernel_f + conv.stride_f, 0) / conv.stride_f;
    check();
  }
  void pool(const Pool2d& pool) {
    frames_ = pool.frames_of(frames_);
    bands_ = pool.bands_of(bands_);
    check();
  }
  void pass(const ConvBlockOptions& block) {
    convolve(block.kernel_t, block.kernel_f, block.conv);
    pool(block.pool);
  }
  // Error (usage) unless this many bands are left.
  void expect_bands(std::int64_t bands) const {
    if (bands_ != bands)
      fail(ErrorKind::usage, "model {}: {} bands leave {} where it needs {}", model_, input_.bands, bands_,
           bands);
  }

  std::int64_t frames() const { return frames_; }
  std::int64_t bands() const { return bands_; }

 private:
  void check() const {
    if (frames_ < 1 || bands_ < 1) {
      fail(ErrorKind::usage, "model {}: a segment of {} frames x {} bands is too small", model_,
           input_.frames, input_.bands);
    }
  }

  std::string model_;
  InputShape input_;
  std::int64_t frames_, bands_;
};

}  // namespace melgrad
