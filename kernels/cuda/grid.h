// What a launch needs to know before it starts; the same for the GPU and for tests/sim.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/math/qualifier.h"

struct CUstream_st;  // CUDA's own name for what a cudaStream_t points at

namespace melgrad {

using Stream = CUstream_st*;

// Bytes that n elements take in a block's shared memory.
template <typename T>
MELGRAD_HD constexpr std::int64_t shared_size(std::int64_t n) {
  return (n * static_cast<std::int64_t>(sizeof(T)) + 15) / 16 * 16;
}

template <typename Kernel>
std::int64_t shared_bytes_of(const Kernel& kernel) {
  if constexpr (requires { kernel.shared_bytes(); }) {
    return kernel.shared_bytes();
  } else {
    return 0;
  }
}

// Blocks for n items of which one block takes `per_block` at a time, in a kernel that loops over the rest:
// enough to fill any GPU several times over.
inline std::int64_t blocks_for(std::int64_t n, std::int64_t per_block) {
  return std::min<std::int64_t>((n + per_block - 1) / per_block, 16384);
}

}  // namespace melgrad
