// Reference of the changes of the input of training and of the trainable filters (kernels/ops.h). What is
// drawn comes from kernels/math/augment.h, whose words and places of masks are part of the specification; its
// distributions are tested in tests/ops/augment_test.cpp.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/math/augment.h"
#include "kernels/reference/array.h"

namespace melgrad::reference {

// Standard normal for value i of an example.
inline double normal_noise(std::uint64_t seed, std::uint64_t step, Index example, Index values, Index i) {
  const auto block = static_cast<std::uint64_t>(example * ((values + 3) / 4) + i / 4);
  const Philox4 random = philox(seed, kNoiseStream, step, block);
  const Index pair = i % 4 / 2 * 2;
  const double radius = std::sqrt(-2 * std::log((random.word[pair] + 0.5) / 4294967296.0));
  const double angle = 2 * std::acos(-1.0) * static_cast<double>(uniform01(random.word[pair + 1]));
  return radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

// x [N, T, F, C]
template <typename R>
Array<R> augment(Array<R> x, const Augment& a, Index counter) {
  const Index frames = x.shape[1], bands = x.shape[2], channels = x.shape[3];
  const Index values = frames * bands * channels;
  const auto step = static_cast<std::uint64_t>(counter);
  const auto noise = static_cast<float>(a.noise), mask_value = static_cast<float>(a.mask_value);
  for (Index n = 0; n < x.shape[0]; ++n) {
    const Philox4 level = philox(a.seed, kLevelStream, step, static_cast<std::uint64_t>(n));
    const auto within = [](std::uint32_t word, float limit) {
      return static_cast<double>(limit) * (2 * static_cast<double>(uniform01(word)) - 1);
    };
    const double gain = std::pow(10.0, within(level.word[0], static_cast<float>(a.gain_db)) / 20);
    const double shift = within(level.word[1], static_cast<float>(a.shift));
    for (Index i = 0; i < values; ++i) {
      R& e = x[n * values + i];
      e = static_cast<R>(e * gain + shift);
      if (noise != 0)
        e += static_cast<R>(static_cast<double>(noise) * normal_noise(a.seed, step, n, values, i));
      const Index t = i / (bands * channels), f = i / channels % bands;
      for (Index m = 0; m < a.time_masks; ++m)
        if (drawn_time_mask(a, step, n, m, frames).holds(t)) e = static_cast<R>(mask_value);
      for (Index m = 0; m < a.band_masks; ++m)
        if (drawn_band_mask(a, step, n, m, bands).holds(f)) e = static_cast<R>(mask_value);
    }
  }
  return x;
}

// x [N, V]
template <typename R>
Array<R> mix_examples(const Array<R>& x, const Mixup& mixup, Index counter) {
  Array<R> y(x.shape);
  for (Index n = 0; n < x.shape[0]; ++n) {
    const auto lambda =
        static_cast<R>(drawn_lambda(mixup.alpha, mixup.seed, static_cast<std::uint64_t>(counter), n));
    for (Index i = 0; i < x.shape[1]; ++i)
      y(n, i) = lambda * x(n, i) + (1 - lambda) * x((n + 1) % x.shape[0], i);
  }
  return y;
}

// centres [O], q [1], w [O, bins]
template <typename R>
Array<R> harmonic_filters_forward(const Array<R>& centres, const Array<R>& q, double hz_per_bin, Index bins) {
  Array<R> w({centres.size(), bins});
  for (Index o = 0; o < centres.size(); ++o)
    for (Index k = 0; k < bins; ++k) {
      const double f = static_cast<double>(centres[o]);
      const double bandwidth = (0.1079 * f + 24.7) / static_cast<double>(q[0]);
      const double distance = std::abs(static_cast<double>(k) * hz_per_bin - f);
      w(o, k) = static_cast<R>(std::max(0.0, 1 - 2 * distance / bandwidth));
    }
  return w;
}

template <typename R>
Array<R> harmonic_filters_backward(const Array<R>& centres, const Array<R>& q, double hz_per_bin,
                                   const Array<R>& dw) {
  const Array<R> w = harmonic_filters_forward(centres, q, hz_per_bin, dw.shape[1]);
  Array<R> dq({1});
  for (Index o = 0; o < dw.shape[0]; ++o)
    for (Index k = 0; k < dw.shape[1]; ++k)  // w - 1 is proportional to q
      if (w(o, k) > 0) dq[0] += dw(o, k) * (w(o, k) - 1) / q[0];
  return dq;
}

}  // namespace melgrad::reference
