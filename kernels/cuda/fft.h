// FFT in a block's shared memory, for the fused log-mel kernel: 128, 256, ... 2,048 complex points, forward,
// unnormalised, in place, by decimation in frequency. A thread keeps 16 points in registers during a pass, so
// two or three passes do, and what a thread needs of twiddle factors is the same for every transform: it
// loads them once. Like kernels/cpu/fft.h the bins end in digit-reversed places, and `place` says where.
#pragma once

#include "kernels/cuda/launch.h"

namespace melgrad {

struct alignas(8) Complex {
  float re, im;
};
MELGRAD_DEVICE inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
MELGRAD_DEVICE inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
// a turned clockwise by the angle of root (cos, sin).
MELGRAD_DEVICE inline Complex turned(Complex a, Complex root) {
  return {a.re * root.re + a.im * root.im, a.im * root.re - a.re * root.im};
}

// The transform of R = 1, 2, 4, 8 or 16 points in registers, in natural order: halves of even and odd points.
template <int R>
MELGRAD_DEVICE void dft(Complex (&x)[R]) {
  if constexpr (R > 1) {
    constexpr float kCos[] = {1, 0.923879533F,  0.707106781F,  0.382683432F,  // of 2 pi k / 16
                              0, -0.382683432F, -0.707106781F, -0.923879533F};
    constexpr float kSin[] = {0, 0.382683432F, 0.707106781F, 0.923879533F,
                              1, 0.923879533F, 0.707106781F, 0.382683432F};
    Complex even[R / 2], odd[R / 2];
#pragma unroll
    for (int i = 0; i < R / 2; ++i) {
      even[i] = x[2 * i];
      odd[i] = x[2 * i + 1];
    }
    dft(even);
    dft(odd);
#pragma unroll
    for (int k = 0; k < R / 2; ++k) {
      Complex turn = odd[k];
      if (4 * k == R) {
        turn = {odd[k].im, -odd[k].re};
      } else if (k > 0) {
        turn = turned(odd[k], {kCos[k * 16 / R], kSin[k * 16 / R]});
      }
      x[k] = even[k] + turn;
      x[k + R / 2] = even[k] - turn;
    }
  }
}

template <int kPoints>
struct SharedFft {
  static_assert(kPoints >= 128 && kPoints <= 2048 && (kPoints & (kPoints - 1)) == 0);
  static constexpr int kPerThread = 16, kThreads = kPoints / kPerThread;
  // The first pass has the odd radix, so that all others are the same.
  static constexpr bool kThreePasses = kPoints > 256;
  static constexpr int kFirstRadix = kThreePasses ? kPoints / 256 : kPoints / 16;

  // Where a point lies: one place in 17 stays empty, and more after each block of the first pass, so that 16
  // neighbouring threads always meet 16 different pairs of banks.
  MELGRAD_HD static constexpr int padded(int i) { return i + i / 16 + i / 256 * (16 / kFirstRadix); }
  static constexpr int kSize = kPoints + kPoints / 16 + kPoints / 256 * (16 / kFirstRadix);

  // Where bin k ends. The next bin of a thread lies beside it: place(k + kThreads) = place(k) + 1.
  MELGRAD_HD static constexpr int place(int k) {
    const int block = k % kFirstRadix, rest = k / kFirstRadix;
    return padded(kThreePasses ? block * 256 + rest % 16 * 16 + rest / 16 : block * 16 + rest);
  }

  // A pass over blocks of kLength points, each of which becomes R blocks. A thread does 16 / R butterflies.
  template <int R, int kLength>
  struct Pass {
    static constexpr int kButterflies = kPerThread / R, kStride = kLength / R;
    // Twiddle factor q = 4 high + low of a butterfly is the product of two, so that few registers hold all.
    static constexpr int kLow = R < 4 ? R : 4, kHigh = R / kLow;
    struct Twiddles {
      Complex low[kLow], high[kHigh];  // [0] unused
    };
    Twiddles twiddles[kStride > 1 ? kButterflies : 1];

    // First point of butterfly i of a thread.
    MELGRAD_HD static int first(int thread, int i) {
      const int butterfly = thread + i * kThreads;
      return butterfly / kStride * kLength + butterfly % kStride;
    }
    // roots [kPoints * step]: cos and sin of 2 pi k / (kPoints * step).
    MELGRAD_DEVICE void load(const Complex* roots, int step, int thread) {
      if constexpr (kStride > 1) {
#pragma unroll
        for (int i = 0; i < kButterflies; ++i) {
          const int angle = first(thread, i) % kStride * (kPoints / kLength) * step;
#pragma unroll
          for (int q = 1; q < kLow; ++q) twiddles[i].low[q] = roots[angle * q];
#pragma unroll
          for (int q = 1; q < kHigh; ++q) twiddles[i].high[q] = roots[angle * q * kLow];
        }
      }
    }
    // `point(from, q)` gives point from + q * kStride of the transform.
    template <typename Point>
    MELGRAD_DEVICE void run(Complex* z, int thread, const Point& point) const {
#pragma unroll
      for (int i = 0; i < kButterflies; ++i) {
        const int from = first(thread, i);
        Complex x[R];
#pragma unroll
        for (int q = 0; q < R; ++q) x[q] = point(from, q);
        dft(x);
        Complex* to = z + padded(from);
#pragma unroll
        for (int q = 0; q < R; ++q) {
          if constexpr (kStride > 1) {
            if (q % kLow > 0) x[q] = turned(x[q], twiddles[i].low[q % kLow]);
            if (q / kLow > 0) x[q] = turned(x[q], twiddles[i].high[q / kLow]);
          }
          to[padded(q * kStride)] = x[q];  // no carry: padded(from + q * kStride) is the sum of both
        }
      }
    }
    MELGRAD_DEVICE void run(Complex* z, int thread) const {
      run(z, thread, [z](int from, int q) { return z[padded(from) + padded(q * kStride)]; });
    }
  };

  Pass<kFirstRadix, kPoints> first_pass;
  Pass<16, 256> middle_pass;  // where there are three
  Pass<16, 16> last_pass;

  MELGRAD_DEVICE void load(const Complex* roots, int step, int thread) {
    first_pass.load(roots, step, thread);
    if constexpr (kThreePasses) middle_pass.load(roots, step, thread);
  }
  // point(i): point i of the input. z [kSize] is the spectrum once all threads of the block have passed a
  // barrier.
  template <typename Thread, typename Point>
  MELGRAD_DEVICE void run(Thread& t, Complex* z, int thread, const Point& point) const {
    first_pass.run(z, thread, [&](int from, int q) { return point(from + q * first_pass.kStride); });
    t.sync();
    if constexpr (kThreePasses) {
      middle_pass.run(z, thread);
      t.sync();
    }
    last_pass.run(z, thread);
  }
};

}  // namespace melgrad
