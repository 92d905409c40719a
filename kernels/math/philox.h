// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a counter-based
// generator. A random number is a pure function of where it is used, so a captured step, a resumed run and
// both devices draw the same numbers, and nothing has to be stored.
//
// The 128-bit counter is (element / 4, step, stream), the 64-bit key is the seed of the run.
#pragma once

#include <cstdint>

#include "kernels/math/qualifier.h"

namespace melgrad {

struct Philox4 {
  std::uint32_t word[4];
};

MELGRAD_HD inline Philox4 philox(std::uint64_t seed, std::uint32_t stream, std::uint64_t step,
                                 std::uint64_t block) {
  constexpr std::uint32_t kMul0 = 0xD2511F53u, kMul1 = 0xCD9E8D57u;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  // `block` fits in 40 bits for any tensor that fits in memory; its top byte shares a word with the stream.
  std::uint32_t c0 = static_cast<std::uint32_t>(block), c1 = static_cast<std::uint32_t>(step),
                c2 = static_cast<std::uint32_t>(step >> 32),
                c3 = stream ^ (static_cast<std::uint32_t>(block >> 32) << 24);
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(kMul0) * c0;
    const std::uint64_t p1 = static_cast<std::uint64_t>(kMul1) * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform in [0, 1) with 24 bits.
MELGRAD_HD inline float uniform01(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// Uniform in 0 ... n - 1, n < 2^32; the bias of at most n / 2^32 is of no consequence here.
MELGRAD_HD inline std::int64_t uniform_below(std::uint32_t word, std::int64_t n) {
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(word) * static_cast<std::uint64_t>(n)) >> 32);
}

}  // namespace melgrad
