// The log laws of kernels/mel.h as one formula, so that every device evaluates the same one:
//   v = scale ln(min(max(multiplier x + offset, floor), largest float))
// of x rounded to half precision where the law says so; and, where the law looks at the whole clip,
// v <- max(v, clip maximum - range), then v <- (v + shift) * gain. NaN counts as `floor` and overflow as the
// largest float, so a log never gives NaN or infinity.
#pragma once

#include <cmath>

#include "kernels/math/half.h"
#include "kernels/math/qualifier.h"
#include "kernels/mel.h"

namespace melgrad {

struct LogLaw {
  bool identity = false;  // LogKind::none: v = x
  float multiplier = 1, offset = 0, floor = 0;
  float scale = 1;
  float range = 0;  // below the clip's maximum, in units of v; 0 = no second pass
  float shift = 0, gain = 1;
  bool half = false;  // x is rounded first
};

inline LogLaw log_law(const MelOptions& o) {
  const float per_decade = static_cast<float>(1.0 / std::log(10.0));
  const float multiplier = static_cast<float>(o.log_multiplier), floor = static_cast<float>(o.log_floor);
  switch (o.log) {
    case LogKind::none:
      return {.identity = true};
    case LogKind::ln1p:
      return {.multiplier = multiplier, .offset = 1, .floor = 1};
    case LogKind::log10_1p:
      return {.multiplier = multiplier, .offset = 1, .floor = 1, .scale = per_decade};
    case LogKind::log10_1p_half:
      return {.multiplier = multiplier, .offset = 1, .floor = 1, .scale = per_decade, .half = true};
    case LogKind::ln:
      return {.floor = floor};
    case LogKind::db:
      return {.floor = floor,
              .scale = static_cast<float>(10.0 / std::log(10.0)),
              .range = static_cast<float>(o.top_db)};
    case LogKind::whisper:
      return {.floor = floor, .scale = per_decade, .range = 8, .shift = 4, .gain = 0.25f};
  }
  return {};
}

// The half nearest to x in 0 ... 65504, the largest; NaN counts as 0.
MELGRAD_HD inline float rounded_to_half(float x) {
  return half_to_float(float_to_half(std::fmin(std::fmax(x, 0.0F), 65504.0F)));
}

// One value through the law's first pass; the CPU has it for eight at once (cpu/log_mel.cpp).
MELGRAD_HD inline float log_value(const LogLaw& law, float x) {
  if (law.identity) return x;
  if (law.half) x = rounded_to_half(x);
  constexpr float kLargest = 3.402823466e38F;
  const float inside = std::fmin(std::fmax(law.multiplier * x + law.offset, law.floor), kLargest);
  return law.scale * std::log(inside);
}

// Its second pass, where law.range > 0: `lowest` = clip maximum - range.
MELGRAD_HD inline float limited_value(const LogLaw& law, float value, float lowest) {
  return ((value > lowest ? value : lowest) + law.shift) * law.gain;
}

// Index of sample i of a clip of n samples continued by mirrors at its ends: ... 2 1 0 1 2 ... n-1 n-2 ...
MELGRAD_HD inline std::int64_t mirrored(std::int64_t i, std::int64_t n) {
  if (n == 1) return 0;
  const std::int64_t period = 2 * (n - 1);
  i = (i % period + period) % period;
  return i < n ? i : period - i;
}

}  // namespace melgrad
