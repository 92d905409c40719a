// IEEE binary16 as its 16 bits, converted with round to nearest, ties to even; overflow becomes infinity, NaN
// stays NaN. The portable versions are the specification; the instructions of the processor are used where
// the compiler may assume them, and the tests compare the two on the CPU.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/math/qualifier.h"

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace melgrad {

MELGRAD_HD inline float half_to_float_portable(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU, mantissa = half & 0x3FFU;
  if (exponent == 31) {  // infinity, or a NaN made quiet
    return std::bit_cast<float>(sign | 0x7F800000U | (mantissa != 0 ? 0x400000U | mantissa << 13 : 0U));
  }
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;  // zero and subnormals
  return sign != 0 ? -magnitude : magnitude;
}

MELGRAD_HD inline std::uint16_t float_to_half_portable(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000U) {
    half = 0x7E00U | (magnitude >> 13 & 0x3FFU);
  } else if (magnitude >= 0x47800000U) {  // 65536 and above
    half = 0x7C00U;
  } else if (magnitude >= 0x38800000U) {  // normal: 2^-14 and above; a carry moves into the exponent
    half = ((magnitude + 0xFFFU + (magnitude >> 13 & 1U)) >> 13) - (112U << 10);
  } else {  // the sum's last bit is worth 2^-24, so the addition rounds to it
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
  }
  return static_cast<std::uint16_t>(sign | half);
}

MELGRAD_HD inline float half_to_float(std::uint16_t half) {
#if defined __CUDA_ARCH__
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
#elif defined __F16C__
  return _cvtsh_ss(half);
#else
  return half_to_float_portable(half);
#endif
}

MELGRAD_HD inline std::uint16_t float_to_half(float value) {
#if defined __CUDA_ARCH__
  std::uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#elif defined __F16C__
  return static_cast<std::uint16_t>(
      _mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT), 0));
#else
  return float_to_half_portable(value);
#endif
}

inline void float_to_half(const float* from, std::uint16_t* to, std::int64_t n) {
  std::int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
  }
#endif
  for (; i < n; ++i) to[i] = float_to_half(from[i]);
}

inline void half_to_float(const std::uint16_t* from, float* to, std::int64_t n) {
  std::int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  }
#endif
  for (; i < n; ++i) to[i] = half_to_float(from[i]);
}

}  // namespace melgrad
