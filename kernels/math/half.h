// IEEE half precision as raw 16-bit words: how feature tables are stored.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace melgrad {

#ifdef __F16C__
inline float half_to_float(std::uint16_t h) { return _cvtsh_ss(h); }
inline std::uint16_t float_to_half(float f) {
  return static_cast<std::uint16_t>(_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT));
}
#endif

}  // namespace melgrad
