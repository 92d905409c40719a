// bfloat16: the upper half of a float, rounded to nearest, ties to even; NaN stays NaN.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/math/qualifier.h"

namespace melgrad {

struct Bf16 {
  std::uint16_t bits;
};

MELGRAD_HD inline float to_float(float x) { return x; }
MELGRAD_HD inline float to_float(Bf16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

template <typename T>
MELGRAD_HD inline T from_float(float x);

template <>
MELGRAD_HD inline float from_float<float>(float x) {
  return x;
}
template <>
MELGRAD_HD inline Bf16 from_float<Bf16>(float x) {
  const auto word = std::bit_cast<std::uint32_t>(x);
  if ((word & 0x7FFFFFFFU) > 0x7F800000U) return {static_cast<std::uint16_t>(word >> 16 | 0x40U)};
  return {static_cast<std::uint16_t>((word + 0x7FFFU + (word >> 16 & 1U)) >> 16)};
}

}  // namespace melgrad
