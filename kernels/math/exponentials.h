// Exponentials as arithmetic on floats and their bits, with no call and no branch, so that a loop over them
// is a vector loop on the CPU.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/math/qualifier.h"

namespace melgrad {

// e^x = power + power * series
struct Exponential {
  float power;   // 2^k
  float series;  // e^r - 1
};

// For x between -87 and 88; beyond, at that bound. x = k ln 2 + r with |r| <= ln(2) / 2, where the Taylor
// series is exact to float after r^7.
MELGRAD_HD inline Exponential exponential(float x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;  // k kLn2High is exact
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: a sum with it holds k in its lowest bits
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
  const float sum = x * kLog2E + kRound, k = sum - kRound;
  const float r = (x - k * kLn2High) - k * kLn2Low;
  const float tail = 1.0F / 24 + r * (1.0F / 120 + r * (1.0F / 720 + r * (1.0F / 5040)));
  const float series = r + r * r * (0.5F + r * (1.0F / 6 + r * tail));
  return {std::bit_cast<float>((std::bit_cast<std::uint32_t>(sum) << 23) + 0x3F800000U), series};
}

// e^x - 1 within 2 units in the last place
MELGRAD_HD inline float exp_minus_1(float x) {
  const Exponential e = exponential(x);
  return e.power * e.series + (e.power - 1);
}

// e^-x for x >= 0, within 2 units in the last place; 0 beyond 87
MELGRAD_HD inline float decay(float x) {
  const Exponential e = exponential(-x);
  return x > 87.0F ? 0.0F : e.power * e.series + e.power;
}

// a / b; on a GPU within 2 units in the last place, without the many instructions of an exact one.
MELGRAD_HD inline float quotient(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fdividef(a, b);  // 0 for b above 2^126
#else
  return a / b;
#endif
}

MELGRAD_HD inline float sigmoid_of(float x) { return quotient(1, 2 + exp_minus_1(-x)); }

MELGRAD_HD inline float tanh_of(float x) {
  const float e = exp_minus_1(-2 * std::fabs(x));
  return std::copysign(quotient(e, 2 + e), x);
}

}  // namespace melgrad
