// The simulator must find what it is there to find: kernels with bugs seeded on purpose, each beside its
// mended form.
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

#include "kernels/cuda/block.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr sim::Order kOrders[] = {sim::Order::forward, sim::Order::reversed, sim::Order::shuffled};

// Each block turns its 64 values around, by way of shared memory.
template <bool kBarrier, int kOverrun, int kDeclared = 64>
struct Reverse {
  static constexpr int kThreads = 64;
  const int* x;
  int* y;
  std::int64_t shared_bytes() const { return shared_size<int>(kDeclared); }
  template <typename Thread>
  void operator()(Thread& t) const {
    int* row = t.template shared<int>(64);
    row[t.index() + kOverrun] = x[t.first()];
    if constexpr (kBarrier) t.sync();
    y[t.first()] = row[63 - t.index() + kOverrun];
  }
};

template <typename Kernel>
std::vector<int> reverse(sim::Order order) {
  std::vector<int> x(192), y(192, -1);
  std::iota(x.begin(), x.end(), 0);
  CUstream_st simulator(order);
  launch(&simulator, 3, Kernel{x.data(), y.data()});
  return y;
}

std::vector<int> reversed_rows() {
  std::vector<int> want(192);
  for (int i = 0; i < 192; ++i) want[static_cast<std::size_t>(i)] = i / 64 * 64 + 63 - i % 64;
  return want;
}

TEST(Simulator, runs_a_kernel_with_a_barrier_in_every_order) {
  for (const sim::Order order : kOrders) EXPECT_EQ((reverse<Reverse<true, 0>>(order)), reversed_rows());
}

TEST(Simulator, finds_a_missing_barrier) {
  for (const sim::Order order : kOrders) EXPECT_NE((reverse<Reverse<false, 0>>(order)), reversed_rows());
}

TEST(SimulatorDeathTest, finds_an_overrun_by_one) {
#ifdef MELGRAD_ADDRESS_SANITIZER
  EXPECT_DEATH((reverse<Reverse<true, 1>>(sim::Order::forward)), "heap-buffer-overflow");
#else
  EXPECT_THROW((reverse<Reverse<true, 1>>(sim::Order::forward)), Error);
#endif
}

TEST(Simulator, finds_more_shared_memory_than_declared) {
  EXPECT_THROW((reverse<Reverse<true, 0, 63 - 4>>(sim::Order::forward)), Error);
}

struct HalfABarrier {
  static constexpr int kThreads = 32;
  template <typename Thread>
  void operator()(Thread& t) const {
    if (t.index() < 16) t.sync();
  }
};

TEST(Simulator, finds_a_barrier_that_some_threads_never_reach) {
  for (const sim::Order order : kOrders) {
    CUstream_st simulator(order);
    EXPECT_THROW(launch(&simulator, 1, HalfABarrier{}), Error);
    EXPECT_THROW(launch(&simulator, 1, HalfABarrier{}), Error) << "and works on afterwards";
  }
}

struct DifferentPieces {
  static constexpr int kThreads = 32;
  std::int64_t shared_bytes() const { return 4096; }
  template <typename Thread>
  void operator()(Thread& t) const {
    t.template shared<float>(t.index() == 7 ? 8 : 16);
  }
};

TEST(Simulator, finds_threads_that_ask_for_different_shared_memory) {
  CUstream_st simulator(sim::Order::forward);
  EXPECT_THROW(launch(&simulator, 1, DifferentPieces{}), Error);
}

struct ReadsBeforeWriting {
  static constexpr int kThreads = 32;
  float* y;
  std::int64_t shared_bytes() const { return shared_size<float>(32); }
  template <typename Thread>
  void operator()(Thread& t) const {
    y[t.index()] = t.template shared<float>(32)[t.index()];
  }
};

TEST(Simulator, shared_memory_is_nan_at_first) {
  CUstream_st simulator(sim::Order::forward);
  std::vector<float> y(32, 0.0F);
  launch(&simulator, 1, ReadsBeforeWriting{y.data()});
  for (const float v : y) EXPECT_TRUE(std::isnan(v));
}

struct BlockSums {
  static constexpr int kThreads = kReduceThreads;
  const double* x;
  double* y;
  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  void operator()(Thread& t) const {
    double* scratch = t.template shared<double>(kReduceThreads);
    const double sum = block_sum(t, scratch, x[t.first()]);
    const double largest = block_reduce(t, scratch, x[t.first()], Larger{});
    y[t.first()] = sum + 1000 * largest;
  }
};

TEST(Simulator, block_reductions_reach_every_thread) {
  std::vector<double> x(2 * kReduceThreads), y(x.size());
  std::iota(x.begin(), x.end(), 1.0);
  for (const sim::Order order : kOrders) {
    CUstream_st simulator(order);
    launch(&simulator, 2, BlockSums{x.data(), y.data()});
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double first = i < 256 ? 1 : 257;
      EXPECT_EQ(y[i], 256 * (2 * first + 255) / 2 + 1000 * (first + 255));
    }
  }
}

}  // namespace
}  // namespace melgrad
