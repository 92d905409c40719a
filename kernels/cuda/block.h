// What the threads of one block compute together, in a fixed order, so that a result never depends on timing.
// Every thread of the block must take part; the result is known to all of them.
#pragma once

#include "kernels/cuda/launch.h"

namespace melgrad {

// kThreads of the kernels that use these; a power of two.
constexpr int kReduceThreads = 256;

template <typename T>
constexpr std::int64_t reduce_shared_bytes() {
  return shared_size<T>(kReduceThreads);
}

// Pairs at distance 128, 64, ... 1 are combined in `scratch` [kReduceThreads]. May be called again and again
// with the same scratch.
template <typename Thread, typename T, typename Combine>
MELGRAD_DEVICE T block_reduce(Thread& t, T* scratch, T mine, Combine combine) {
  scratch[t.index()] = mine;
  for (int half = kReduceThreads / 2; half > 0; half /= 2) {
    t.sync();
    if (t.index() < half) scratch[t.index()] = combine(scratch[t.index()], scratch[t.index() + half]);
  }
  t.sync();
  const T result = scratch[0];
  t.sync();  // everyone has read before anyone writes again
  return result;
}

struct Sum {
  template <typename T>
  MELGRAD_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  template <typename T>
  MELGRAD_DEVICE T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct Smaller {
  template <typename T>
  MELGRAD_DEVICE T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};

template <typename Thread, typename T>
MELGRAD_DEVICE T block_sum(Thread& t, T* scratch, T mine) {
  return block_reduce(t, scratch, mine, Sum{});
}

}  // namespace melgrad
