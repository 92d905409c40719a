// FFT of kLanes frames at once, one frame per lane (lanes.h), forward, unnormalised:
//   X[k] = sum_i x[i] exp(-2 pi i k / n).
// A complex number is two consecutive Lanes (real, imaginary). Transforms work in place by decimation in
// frequency with radices 4, 2, 3, 5, ...; they leave the bins in digit-reversed places, and `place` says
// where: every later step touches each bin once, so sorting them would only cost time. Twiddle factors are
// computed in double. Any size works; a prime factor p > 13 costs about p operations per sample. Plans are
// constant after construction and may be shared by threads; buffers belong to the caller.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/lanes.h"

namespace melgrad {

class ComplexFft {
 public:
  ComplexFft(std::int64_t n, const std::vector<float>& roots);  // roots: unit_roots(n or a multiple of it)

  // z: n complex numbers; scratch: scratch_lanes() Lanes. Bin k ends at z[2 place[k]], z[2 place[k] + 1].
  void forward(Lanes* z, Lanes* scratch) const;
  std::int64_t scratch_lanes() const { return scratch_lanes_; }

  std::vector<std::int32_t> place;  // [n]

  // One pass: blocks of `length` points become `radix` blocks of length / radix points.
  struct Stage {
    std::int64_t radix, length;
    std::vector<float> twiddle;  // [length / radix, radix - 1, 2]: exp(-2 pi i j q / length), q = 1 ...
    std::vector<float> root;     // [radix, 2]: cos and sin of 2 pi q / radix, for odd radices
  };

 private:
  std::int64_t n_;
  std::int64_t scratch_lanes_ = 0;
  std::vector<Stage> stages_;
};

// Real input. An even n is a complex transform of n / 2 points whose result `bins` takes apart.
class RealFft {
 public:
  RealFft(std::int64_t n, const std::vector<float>& roots);  // roots: unit_roots(n)

  std::int64_t bins() const { return n_ / 2 + 1; }
  std::int64_t buffer_lanes() const;  // size of the buffer of `forward`, at least n

  // buffer: samples 0 ... n - 1 on entry; only for `for_each_bin` afterwards.
  void forward(Lanes* buffer) const;

  // Calls visit(k, real, imaginary) once for every k = 0 ... n / 2, in no particular order.
  template <typename Visit>
  void for_each_bin(const Lanes* z, Visit&& visit) const;

 private:
  std::int64_t n_;
  ComplexFft fft_;
  std::vector<float> twiddle_;  // [n, 2]: cos and sin of 2 pi k / n
};

template <typename Visit>
void RealFft::for_each_bin(const Lanes* z, Visit&& visit) const {
  const std::int32_t* place = fft_.place.data();
  if (n_ % 2 == 1) {
    for (std::int64_t k = 0; k < bins(); ++k) visit(k, z[2 * place[k]], z[2 * place[k] + 1]);
    return;
  }
  // With z = even samples + i odd samples: E = (Z[k] + conj Z[h-k]) / 2 and O = (Z[k] - conj Z[h-k]) / 2i are
  // the spectra of the even and the odd samples; X[k] = E + w O and X[h-k] = conj(E - w O), w = exp(-2 pi i
  // k/n).
  const std::int64_t h = n_ / 2;
  const Lanes zero{};
  visit(std::int64_t{0}, z[0] + z[1], zero);
  visit(h, z[0] - z[1], zero);
  for (std::int64_t k = 1; k <= h - k; ++k) {
    const Lanes* p = z + 2 * place[k];
    const Lanes* q = z + 2 * place[h - k];
    const float c = twiddle_[static_cast<std::size_t>(2 * k)],
                s = twiddle_[static_cast<std::size_t>(2 * k + 1)];
    const Lanes er = 0.5f * (p[0] + q[0]), ei = 0.5f * (p[1] - q[1]);
    const Lanes orr = 0.5f * (p[1] + q[1]), oi = 0.5f * (q[0] - p[0]);
    const Lanes tr = c * orr + s * oi, ti = c * oi - s * orr;
    visit(k, er + tr, ei + ti);
    if (k != h - k) visit(h - k, er - tr, ti - ei);
  }
}

}  // namespace melgrad
