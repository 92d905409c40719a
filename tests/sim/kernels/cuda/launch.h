// The simulator's stand-in for kernels/cuda/launch.h, found first on the include path of tests/sim: the same
// Thread and launch, on the CPU.
#pragma once

#include "kernels/cuda/grid.h"
#include "tests/sim/simulator.h"

#define MELGRAD_DEVICE

// What a stream points at is CUDA's secret; here it is the simulator.
struct CUstream_st : melgrad::sim::Simulator {
  using Simulator::Simulator;
};

namespace melgrad {

class Thread {
 public:
  Thread(sim::Block& block, int index) : block_(&block), index_(index) {}
  int index() const { return index_; }
  int count() const { return block_->threads(); }
  std::int64_t block() const { return block_->index(); }
  std::int64_t blocks() const { return block_->blocks(); }
  std::int64_t first() const { return block() * count() + index(); }
  std::int64_t stride() const { return blocks() * count(); }
  void sync() const { block_->wait(index_); }
  template <typename T>
  T* shared(std::int64_t n) {
    return static_cast<T*>(
        block_->shared(requests_++, n * static_cast<std::int64_t>(sizeof(T)), shared_size<T>(n)));
  }

 private:
  sim::Block* block_;
  int index_;
  std::size_t requests_ = 0;
};

inline std::int64_t largest_shared_bytes() { return 227 * 1024; }  // as on an H100

template <typename Kernel>
std::int64_t blocks_at_once(const Kernel&) {
  return 16;  // few, so that tests see a block go on to its next item
}

template <typename Kernel>
void launch(Stream stream, std::int64_t blocks, const Kernel& kernel) {
  stream->run(blocks, Kernel::kThreads, shared_bytes_of(kernel), [&kernel](sim::Block& block, int index) {
    Thread thread(block, index);
    kernel(thread);
  });
}

}  // namespace melgrad
