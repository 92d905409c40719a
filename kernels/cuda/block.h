// What the threads of one block do together. Reductions go in a fixed order, so that a result never depends
// on timing; every thread of the block must take part, and the result is known to all of them.
#pragma once

#include "kernels/cuda/launch.h"

namespace melgrad {

// store(i, load(i)) for all i < n, shared among the threads of a block. A thread issues kAtOnce loads before
// it stores the first: where few threads are at work, one load after the other would take the time that
// memory is away, each.
template <int kAtOnce, typename Thread, typename Load, typename Store>
MELGRAD_DEVICE void fetch(Thread& t, int n, const Load& load, const Store& store) {
  for (int from = t.index(); from < n; from += kAtOnce * t.count()) {
    decltype(load(0)) loaded[kAtOnce];
#pragma unroll
    for (int q = 0; q < kAtOnce; ++q) {
      const int i = from + q * t.count();
      if (i < n) loaded[q] = load(i);
    }
#pragma unroll
    for (int q = 0; q < kAtOnce; ++q) {
      const int i = from + q * t.count();
      if (i < n) store(i, loaded[q]);
    }
  }
}

// kThreads of the kernels that reduce; a power of two.
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
