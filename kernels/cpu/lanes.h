// Lanes: eight floats that go through the same arithmetic side by side. In the feature kernels lane i belongs
// to frame i of a block of kLanes frames, so no step of the FFT, the filters or the log ever mixes lanes, and
// a frame's result does not depend on its lane. GCC and Clang vector extensions; no intrinsics.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace melgrad {

constexpr std::int64_t kLanes = 8;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntLanes = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));

// Owns rows of kLanes floats, aligned for Lanes.
class LaneBuffer {
 public:
  explicit LaneBuffer(std::size_t rows) : rows_(rows) {}
  Lanes* data() { return reinterpret_cast<Lanes*>(rows_.data()); }

 private:
  struct alignas(Lanes) Row {
    std::array<float, kLanes> value{};
  };
  std::vector<Row> rows_;
};

inline Lanes load(const float* from) {
  Lanes v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline void store(float* to, Lanes v) { std::memcpy(to, &v, sizeof v); }

// r[i][j] <-> r[j][i] of 8 x 8: pairs of rows, pairs of pairs within each half, then the halves.
inline void transpose(Lanes (&r)[kLanes]) {
  Lanes a[kLanes], b[kLanes];
  for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      b[i + 2 * j] = __builtin_shufflevector(a[i + j], a[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      b[i + 2 * j + 1] = __builtin_shufflevector(a[i + j], a[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

inline Lanes broadcast(float x) { return Lanes{} + x; }
// `low` also where x is NaN.
inline Lanes max(Lanes x, float low) { return x > low ? x : broadcast(low); }
inline Lanes min(Lanes x, float high) { return x < high ? x : broadcast(high); }

inline Lanes sqrt(Lanes x) {
  for (int i = 0; i < kLanes; ++i) x[i] = std::sqrt(x[i]);
  return x;
}

// Natural logarithm of normal, finite, positive x; within 2 units in the last place.
// x = m 2^e with m in [sqrt(1/2), sqrt(2)); ln m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172, where the
// series of atanh is exact to float after s^9.
inline Lanes log(Lanes x) {
  constexpr std::int32_t kSqrtHalf = 0x3f3504f3;  // bits of sqrt(1/2)
  const IntLanes above = reinterpret_cast<IntLanes>(x) - kSqrtHalf;
  const IntLanes exponent = above >> 23;
  const Lanes m = reinterpret_cast<Lanes>((above & 0x007fffff) + kSqrtHalf);
  const Lanes s = (m - 1.0f) / (m + 1.0f), q = s * s;
  const Lanes series = q * (1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9))));
  return __builtin_convertvector(exponent, Lanes) * 0.693147180559945f + 2.0f * (s + s * series);
}

}  // namespace melgrad
