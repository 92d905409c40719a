// Numbers that a float can hold with fewer bits only: kernels/cpu/flush.h.
#include <gtest/gtest.h>
#include <thread>

#include "kernels/cpu/cpu_device.h"
#include "kernels/ops.h"

namespace melgrad {
namespace {

constexpr float kTiny = 1e-39F;

// How many of a million sums 0 + kTiny are not 0, by whichever thread they were computed.
int sums_left(Device& device) {
  constexpr std::int64_t n = 1 << 20;
  std::vector<float> x(n, kTiny), y(n, 0.0F);
  device.ops().add({x.data(), {n}}, {{y.data(), {n}}, Write::accumulate});
  return static_cast<int>(std::count_if(y.begin(), y.end(), [](float v) { return v != 0; }));
}

bool caller_has_them() {
  const volatile float tiny = kTiny;
  return tiny + tiny > 0;
}

TEST(Denormals, AreZerosToTheCpuAndNotToItsCaller) {
  int waiting = 0;
#pragma omp parallel num_threads(4) reduction(+ : waiting)  // threads that are there before the device
  waiting += 1;
  EXPECT_EQ(waiting, 4);
  const auto device = make_cpu_device({.threads = 4});
  EXPECT_EQ(sums_left(*device), 0);
  EXPECT_TRUE(caller_has_them());
  std::thread([&] {  // which has OpenMP threads of its own
    EXPECT_EQ(sums_left(*device), 0);
    EXPECT_TRUE(caller_has_them());
  })
      .join();
}

}  // namespace
}  // namespace melgrad
