#include "kernels/cpu/fft.h"

#include <algorithm>

#include "kernels/error.h"

namespace melgrad {
namespace {

using Stage = ComplexFft::Stage;

std::vector<std::int64_t> radices(std::int64_t n) {
  std::vector<std::int64_t> found;
  for (; n % 4 == 0; n /= 4) found.push_back(4);
  for (std::int64_t p = 2; n > 1; p = p * p > n ? n : p + 1) {
    for (; n % p == 0; n /= p) found.push_back(p);
  }
  return found;
}

// Appends (cos, sin) of 2 pi i / length, picked from the table of a multiple of that length.
void append_root(std::vector<float>& to, std::int64_t i, std::int64_t length,
                 const std::vector<float>& roots) {
  const std::int64_t step = static_cast<std::int64_t>(roots.size() / 2) / length;
  const auto at = static_cast<std::size_t>(2 * (i % length) * step);
  to.push_back(roots[at]);
  to.push_back(roots[at + 1]);
}

struct Complex {
  Lanes re, im;
};
inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
inline Complex times_minus_i(Complex a) { return {a.im, -a.re}; }
inline Complex get(const Lanes* z, std::int64_t i) { return {z[2 * i], z[2 * i + 1]}; }

// Stores a at z[i], turned by the angle of twiddle (cos, sin): times cos - i sin. The last pass (twiddle
// null) has nothing to turn.
template <bool Last>
inline void put(Lanes* z, std::int64_t i, Complex a, const float* twiddle) {
  if constexpr (!Last) {
    const float c = twiddle[0], s = twiddle[1];
    a = {a.re * c + a.im * s, a.im * c - a.re * s};
  }
  z[2 * i] = a.re;
  z[2 * i + 1] = a.im;
}

template <bool Last>
void radix2(Lanes* z, const Stage& stage) {
  const std::int64_t m = stage.length / 2;
  const float* t = stage.twiddle.data();
  for (std::int64_t j = 0; j < m; ++j, t += 2) {
    const Complex a = get(z, j), b = get(z, j + m);
    put<true>(z, j, a + b, nullptr);
    put<Last>(z, j + m, a - b, t);
  }
}

template <bool Last>
void radix4(Lanes* z, const Stage& stage) {
  const std::int64_t m = stage.length / 4;
  const float* t = stage.twiddle.data();
  for (std::int64_t j = 0; j < m; ++j, t += 6) {
    const Complex a = get(z, j), b = get(z, j + m), c = get(z, j + 2 * m), d = get(z, j + 3 * m);
    const Complex sum_ac = a + c, sum_bd = b + d, diff_ac = a - c, diff_bd = times_minus_i(b - d);
    put<true>(z, j, sum_ac + sum_bd, nullptr);
    put<Last>(z, j + m, diff_ac + diff_bd, t);
    put<Last>(z, j + 2 * m, sum_ac - sum_bd, t + 2);
    put<Last>(z, j + 3 * m, diff_ac - diff_bd, t + 4);
  }
}

// Odd radix p, Radix = p unrolls it, Radix = 0 takes any. Points q and p - q enter with equal cosines and
// opposite sines: with S = x[q] + x[p-q], D = x[q] - x[p-q], bins t and p - t are A -+ i B,
// A = x[0] + sum_q cos(2 pi q t / p) S, B = sum_q sin(2 pi q t / p) D.
template <int Radix, bool Last>
void odd_radix(Lanes* z, const Stage& stage, Lanes* scratch) {
  const std::int64_t p = Radix ? Radix : stage.radix, m = stage.length / p, half = p / 2;
  Lanes local[Radix ? 2 * Radix : 1];
  Lanes* sum = Radix ? local : scratch;  // [half + 1] complex, entry 0 unused
  Lanes* diff = sum + 2 * half;          // likewise
  const float* t = stage.twiddle.data();
  for (std::int64_t j = 0; j < m; ++j, t += 2 * (p - 1)) {
    const Complex first = get(z, j);
    Complex total = first;
    for (std::int64_t q = 1; q <= half; ++q) {
      const Complex a = get(z, j + q * m), b = get(z, j + (p - q) * m);
      put<true>(sum, q - 1, a + b, nullptr);
      put<true>(diff, q - 1, a - b, nullptr);
      total = total + (a + b);
    }
    put<true>(z, j, total, nullptr);
    for (std::int64_t bin = 1; bin <= half; ++bin) {
      Complex a = first, b{};
      for (std::int64_t q = 1, turn = bin; q <= half;
           ++q, turn = turn + bin >= p ? turn + bin - p : turn + bin) {
        const float c = stage.root[static_cast<std::size_t>(2 * turn)];
        const float s = stage.root[static_cast<std::size_t>(2 * turn + 1)];
        const Complex x = get(sum, q - 1), y = get(diff, q - 1);
        a = {a.re + c * x.re, a.im + c * x.im};
        b = {b.re + s * y.re, b.im + s * y.im};
      }
      const Complex turned = times_minus_i(b);
      put<Last>(z, j + bin * m, a + turned, t + 2 * (bin - 1));
      put<Last>(z, j + (p - bin) * m, a - turned, t + 2 * (p - bin - 1));
    }
  }
}

template <bool Last>
void pass(Lanes* z, const Stage& stage, Lanes* scratch) {
  switch (stage.radix) {
    case 2:
      return radix2<Last>(z, stage);
    case 3:
      return odd_radix<3, Last>(z, stage, scratch);
    case 4:
      return radix4<Last>(z, stage);
    case 5:
      return odd_radix<5, Last>(z, stage, scratch);
    case 7:
      return odd_radix<7, Last>(z, stage, scratch);
    default:
      return odd_radix<0, Last>(z, stage, scratch);
  }
}

}  // namespace

ComplexFft::ComplexFft(std::int64_t n, const std::vector<float>& roots)
    : place(static_cast<std::size_t>(n)), n_(n) {
  require(n >= 1 && !roots.empty() && roots.size() / 2 % static_cast<std::size_t>(n) == 0,
          "fft: size {} with {} roots, which must be a multiple of it", n, roots.size() / 2);
  std::int64_t length = n;
  for (const std::int64_t radix : radices(n)) {
    Stage stage{radix, length, {}, {}};
    const std::int64_t m = length / radix;
    for (std::int64_t j = 0; j < m; ++j) {
      for (std::int64_t q = 1; q < radix; ++q) append_root(stage.twiddle, j * q, length, roots);
    }
    for (std::int64_t q = 0; q < radix; ++q) append_root(stage.root, q, radix, roots);
    if (radix > 7) scratch_lanes_ = std::max(scratch_lanes_, 2 * radix);
    stages_.push_back(std::move(stage));
    length = m;
  }
  // Sub-block s of a pass with radix r holds the bins s, s + r, s + 2r, ... of its block.
  for (std::int64_t bin = 0; bin < n; ++bin) {
    std::int64_t at = 0, rest = bin;
    for (const Stage& stage : stages_) {
      at += rest % stage.radix * (stage.length / stage.radix);
      rest /= stage.radix;
    }
    place[static_cast<std::size_t>(bin)] = static_cast<std::int32_t>(at);
  }
}

void ComplexFft::forward(Lanes* z, Lanes* scratch) const {
  for (const Stage& stage : stages_) {
    const bool last = stage.length == stage.radix;
    for (std::int64_t block = 0; block < n_; block += stage.length) {
      last ? pass<true>(z + 2 * block, stage, scratch) : pass<false>(z + 2 * block, stage, scratch);
    }
  }
}

RealFft::RealFft(std::int64_t n, const std::vector<float>& roots)
    : n_(n), fft_(n % 2 == 0 ? n / 2 : n, roots), twiddle_(roots) {
  require(roots.size() == 2 * static_cast<std::size_t>(n), "fft: {} roots for size {}", roots.size() / 2, n);
}

std::int64_t RealFft::buffer_lanes() const { return (n_ % 2 == 0 ? n_ : 2 * n_) + fft_.scratch_lanes(); }

void RealFft::forward(Lanes* buffer) const {
  if (n_ % 2 == 0) return fft_.forward(buffer, buffer + n_);  // the samples are the complex numbers already
  for (std::int64_t i = n_ - 1; i >= 0; --i) {
    buffer[2 * i] = buffer[i];
    buffer[2 * i + 1] = Lanes{};
  }
  fft_.forward(buffer, buffer + 2 * n_);
}

}  // namespace melgrad
