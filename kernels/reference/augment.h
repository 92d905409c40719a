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

inline double equaliser(const Augment& a, std::uint64_t step, Index example, Index band, Index bands) {
  if (a.equalise == 0) return 0;
  const auto knot = [&](Index k) { return static_cast<double>(drawn_knot(a, step, example, k)); };
  const Index last = a.equalise_knots - 1;
  if (last == 0 || bands == 1) return knot(0);
  const double at = static_cast<double>(band * last) / static_cast<double>(bands - 1);
  const Index below = std::min(last - 1, static_cast<Index>(std::floor(at)));
  return knot(below) + (at - static_cast<double>(below)) * (knot(below + 1) - knot(below));
}

// x [N, T, F, C]; mask_values in host memory
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
      e = static_cast<R>(e * gain + shift + equaliser(a, step, n, i / channels % bands, bands));
      if (noise != 0)
        e += static_cast<R>(static_cast<double>(noise) * normal_noise(a.seed, step, n, values, i));
      const Index t = i / (bands * channels), f = i / channels % bands;
      const auto covered = static_cast<R>(a.mask_values ? a.mask_values.f32()[f] : mask_value);
      for (Index m = 0; m < a.time_masks; ++m)
        if (drawn_time_mask(a, step, n, m, frames).holds(t)) e = covered;
      for (Index m = 0; m < a.band_masks; ++m)
        if (drawn_band_mask(a, step, n, m, bands).holds(f)) e = covered;
    }
  }
  return x;
}

// x [N, W, F, 1] -> [N, frames, F, 1]
template <typename R>
Array<R> resample(const Array<R>& x, const Resample& r, Index counter, Index frames) {
  const Index from = x.shape[1], bands = x.shape[2];
  Array<R> y({x.shape[0], frames, bands, 1});
  for (Index n = 0; n < x.shape[0]; ++n) {
    const Source source = drawn_source(r, static_cast<std::uint64_t>(counter), n, from, frames, bands);
    const auto value = [&](double frame, double band) {
      const double t = std::clamp(frame, 0.0, static_cast<double>(from - 1)),
                   f = std::clamp(band, 0.0, static_cast<double>(bands - 1));
      double sum = 0;  // a tent over each neighbour
      for (Index i = static_cast<Index>(t); i <= static_cast<Index>(std::ceil(t)); ++i)
        for (Index j = static_cast<Index>(f); j <= static_cast<Index>(std::ceil(f)); ++j)
          sum += (1 - std::abs(t - static_cast<double>(i))) * (1 - std::abs(f - static_cast<double>(j))) *
                 static_cast<double>(x(n, i, j, 0));
      return sum;
    };
    for (Index t = 0; t < frames; ++t)
      for (Index f = 0; f < bands; ++f)
        y(n, t, f, 0) = static_cast<R>(value(source.first_frame + static_cast<double>(t) * source.frame_step,
                                             source.first_band + static_cast<double>(f) * source.band_step));
  }
  return y;
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
