// Loops and sums on all cores, the same result whatever the timing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace melgrad {

// body(i) for i in 0 ... n - 1, consecutive ranges per thread. Small loops stay on one thread.
template <typename Body>
void parallel_for(std::int64_t n, int threads, std::int64_t grain, const Body& body) {
#pragma omp parallel for schedule(static) num_threads(threads) if (n > grain)
  for (std::int64_t i = 0; i < n; ++i) body(i);
}

// body(first, last) over blocks of `block` elements: for loops whose inside should vectorise.
template <typename Body>
void parallel_blocks(std::int64_t n, int threads, std::int64_t block, const Body& body) {
  const std::int64_t blocks = (n + block - 1) / block;
  parallel_for(blocks, threads, 1, [&](std::int64_t b) { body(b * block, std::min(n, (b + 1) * block)); });
}

// Sum of term(first, last) -> double over fixed blocks, added in order: independent of the thread count.
template <typename Term>
double blocked_sum(std::int64_t n, int threads, const Term& term) {
  constexpr std::int64_t kBlock = 8192;
  std::vector<double> part(static_cast<std::size_t>((n + kBlock - 1) / kBlock));
  parallel_blocks(n, threads, kBlock, [&](std::int64_t first, std::int64_t last) {
    part[static_cast<std::size_t>(first / kBlock)] = term(first, last);
  });
  double sum = 0;
  for (double p : part) sum += p;
  return sum;
}

}  // namespace melgrad
