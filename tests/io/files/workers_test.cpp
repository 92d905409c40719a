#include "io/files/workers.h"

#include <atomic>
#include <gtest/gtest.h>
#include <stdexcept>

namespace melgrad {
namespace {

TEST(Workers, every_item_is_done_once) {
  for (const int threads : {1, 2, 7}) {
    for (const std::size_t count : {0U, 1U, 3U, 257U}) {
      std::vector<std::atomic<int>> calls(count);
      parallel_for_each(count, threads, [&](std::size_t i) { ++calls[i]; });
      for (const auto& n : calls) ASSERT_EQ(n, 1) << threads << " threads, " << count << " items";
    }
  }
}

TEST(Workers, failures_are_collected_in_order_and_the_rest_goes_on) {
  std::atomic<int> good = 0;
  const auto failures = parallel_collect(100, 3, [&](std::size_t i) {
    if (i % 10 == 7) throw std::runtime_error(std::to_string(i));
    ++good;
  });
  EXPECT_EQ(good, 90);
  ASSERT_EQ(failures.size(), 10U);
  for (std::size_t k = 0; k < failures.size(); ++k) {
    EXPECT_EQ(failures[k].index, 10 * k + 7);
    try {
      std::rethrow_exception(failures[k].error);
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(e.what(), std::to_string(failures[k].index));
    }
  }
}

TEST(Workers, the_first_failure_is_thrown_and_ends_the_loop) {
  std::atomic<int> calls = 0;
  const auto loop = [&] {
    parallel_for_each(1000000, 2, [&](std::size_t i) {
      ++calls;
      if (i == 5) throw std::out_of_range("five");
    });
  };
  EXPECT_THROW(loop(), std::out_of_range);
  EXPECT_LT(calls, 1000000);
}

TEST(Workers, stops_when_told_and_finishes_what_it_began) {
  std::atomic<int> begun = 0, ended = 0;
  parallel_for_each(
      1000, 2,
      [&](std::size_t) {
        ++begun;
        ++ended;
      },
      [&] { return begun >= 10; });
  EXPECT_EQ(begun, ended);
  EXPECT_GE(begun, 10);
  EXPECT_LE(begun, 12);  // at most one more per thread
}

}  // namespace
}  // namespace melgrad
