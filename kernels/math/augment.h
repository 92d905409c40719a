// What `augment` and `mix_examples` (kernels/ops.h) draw, the same on every device: a function of the run's
// seed, the step and the example alone.
#pragma once

#include <cmath>

#include "kernels/math/philox.h"
#include "kernels/ops.h"

namespace melgrad {

// Streams of the generator: one per use, so that switching one change on leaves the draws of the others.
constexpr std::uint32_t kLevelStream = 0xA090, kNoiseStream = 0xA091, kTimeMaskStream = 0xA092,
                        kBandMaskStream = 0xA093, kMixupStream = 0xA094, kEqualiseStream = 0xA095,
                        kResampleStream = 0xA096;

// Uniform in -limit ... limit
MELGRAD_HD inline float uniform_within(std::uint32_t word, float limit) {
  return limit * (2 * uniform01(word) - 1);
}

// Gain and shift of one example.
struct Level {
  float gain, shift;
};
MELGRAD_HD inline Level drawn_level(const Augment& a, std::uint64_t step, std::int64_t example) {
  const Philox4 random = philox(a.seed, kLevelStream, step, static_cast<std::uint64_t>(example));
  return {std::pow(10.0F, uniform_within(random.word[0], static_cast<float>(a.gain_db)) / 20),
          uniform_within(random.word[1], static_cast<float>(a.shift))};
}

struct Normal4 {
  float value[4];
};
// Standard normal by the method of Box and Muller (1958).
MELGRAD_HD inline Normal4 normals_of(const Philox4& random) {
  constexpr float kTwoPi = 6.283185307F;
  Normal4 z{};
  for (int i = 0; i < 4; i += 2) {
    // Never 0: the largest radius is 6.8.
    const float u = (static_cast<float>(random.word[i]) + 0.5F) * 0x1p-32F;
    const float radius = std::sqrt(-2 * std::log(u)), angle = kTwoPi * uniform01(random.word[i + 1]);
    z.value[i] = radius * std::cos(angle);
    z.value[i + 1] = radius * std::sin(angle);
  }
  return z;
}

// Noise of the values 4 four ... 4 four + 3 of an example that has `values` of them.
MELGRAD_HD inline Normal4 drawn_noise(std::uint64_t seed, std::uint64_t step, std::int64_t example,
                                      std::int64_t values, std::int64_t four) {
  return normals_of(
      philox(seed, kNoiseStream, step, static_cast<std::uint64_t>(example * ((values + 3) / 4) + four)));
}

// Knot k of the random equaliser of an example.
MELGRAD_HD inline float drawn_knot(const Augment& a, std::uint64_t step, std::int64_t example,
                                   std::int64_t k) {
  const std::int64_t fours = (a.equalise_knots + 3) / 4;
  const Normal4 z =
      normals_of(philox(a.seed, kEqualiseStream, step, static_cast<std::uint64_t>(example * fours + k / 4)));
  return static_cast<float>(a.equalise) * z.value[k % 4];
}
// What it adds to a band: the first knot is at the first band, the last at the last.
MELGRAD_HD inline float drawn_equaliser(const Augment& a, std::uint64_t step, std::int64_t example,
                                        std::int64_t band, std::int64_t bands) {
  if (a.equalise == 0) return 0;
  if (a.equalise_knots == 1 || bands == 1) return drawn_knot(a, step, example, 0);
  const double at =
      static_cast<double>(band) * static_cast<double>(a.equalise_knots - 1) / static_cast<double>(bands - 1);
  const auto below = static_cast<std::int64_t>(at);
  const std::int64_t above = below + 1 < a.equalise_knots ? below + 1 : below;
  const auto part = static_cast<float>(at - static_cast<double>(below));
  return (1 - part) * drawn_knot(a, step, example, below) + part * drawn_knot(a, step, example, above);
}

// Frames of the longer segment from which one of `frames` can be cut at any speed.
MELGRAD_HD inline std::int64_t resampled_frames(std::int64_t frames, double tempo) {
  if (tempo == 0) return frames;
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(frames - 1) * (1 + tempo))) + 1;
}

// Where an example's frames and bands come from, in those of the longer segment.
struct Source {
  double first_frame, frame_step, first_band, band_step;  // of output frame or band 0, and to the next
};
MELGRAD_HD inline Source drawn_source(const Resample& r, std::uint64_t step, std::int64_t example,
                                      std::int64_t from_frames, std::int64_t frames, std::int64_t bands) {
  const Philox4 random = philox(r.seed, kResampleStream, step, static_cast<std::uint64_t>(2 * example));
  const Philox4 more = philox(r.seed, kResampleStream, step, static_cast<std::uint64_t>(2 * example + 1));
  const auto power = [](double most, std::uint32_t word) {
    return most == 0 ? 1 : std::exp(std::log1p(most) * (2 * static_cast<double>(uniform01(word)) - 1));
  };
  const double last = static_cast<double>(frames - 1), speed = power(r.tempo, random.word[0]);
  const double room = static_cast<double>(from_frames - 1) - last * speed;
  const double first = room > 0 ? room * static_cast<double>(uniform01(random.word[1])) : 0;
  const bool backwards = static_cast<double>(uniform01(more.word[0])) < r.reverse;
  const double scale = power(r.band_scale, random.word[2]), middle = static_cast<double>(bands - 1) / 2;
  const double shift = r.band_shift * (2 * static_cast<double>(uniform01(random.word[3])) - 1);
  return {backwards ? first + last * speed : first, backwards ? -speed : speed,
          middle - scale * middle + shift, scale};
}

// Two neighbours of 0 ... extent - 1, and the share of the second.
struct Between {
  std::int64_t below, above;
  float part;
};
MELGRAD_HD inline Between between(double at, std::int64_t extent) {
  const double last = static_cast<double>(extent - 1), within = at < 0 ? 0 : at > last ? last : at;
  const auto below = static_cast<std::int64_t>(within);
  return {below, below + 1 < extent ? below + 1 : below,
          static_cast<float>(within - static_cast<double>(below))};
}

// first ... end - 1 of `extent` frames or bands
struct Stretch {
  std::int64_t first, end;
  MELGRAD_HD bool holds(std::int64_t i) const { return first <= i && i < end; }
};

// Width uniform over 0 ... min(longest, extent), then the place uniform over all that there are for it.
MELGRAD_HD inline Stretch drawn_stretch(const Philox4& random, std::int64_t longest, std::int64_t extent) {
  const std::int64_t width = uniform_below(random.word[0], (longest < extent ? longest : extent) + 1);
  const std::int64_t first = uniform_below(random.word[1], extent - width + 1);
  return {first, first + width};
}
MELGRAD_HD inline Stretch drawn_time_mask(const Augment& a, std::uint64_t step, std::int64_t example,
                                          std::int64_t mask, std::int64_t frames) {
  const auto draw = static_cast<std::uint64_t>(example * a.time_masks + mask);
  return drawn_stretch(philox(a.seed, kTimeMaskStream, step, draw), a.time_mask, frames);
}
MELGRAD_HD inline Stretch drawn_band_mask(const Augment& a, std::uint64_t step, std::int64_t example,
                                          std::int64_t mask, std::int64_t bands) {
  const auto draw = static_cast<std::uint64_t>(example * a.band_masks + mask);
  return drawn_stretch(philox(a.seed, kBandMaskStream, step, draw), a.band_mask, bands);
}

// lambda ~ Beta(alpha, alpha), alpha in (0, 1], by Joehnk's method (1964): with uniform u and v,
// u^(1/alpha) / (u^(1/alpha) + v^(1/alpha)) of the first try whose denominator is at most 1. By logarithms,
// since the powers underflow for small alpha; in double, so that every device takes the same try. A try fails
// with probability 1/2 (alpha = 1) or less; after 32 failures, once in 4e9, lambda is its mean.
MELGRAD_HD inline float drawn_lambda(float alpha, std::uint64_t seed, std::uint64_t step,
                                     std::int64_t example) {
  constexpr std::int64_t kCalls = 16;  // of the generator, two tries each
  for (std::int64_t call = 0; call < kCalls; ++call) {
    const Philox4 random =
        philox(seed, kMixupStream, step, static_cast<std::uint64_t>(example * kCalls + call));
    for (int i = 0; i < 4; i += 2) {
      const double log_a = std::log((random.word[i] + 0.5) * 0x1p-32) / static_cast<double>(alpha);
      const double log_b = std::log((random.word[i + 1] + 0.5) * 0x1p-32) / static_cast<double>(alpha);
      if (std::exp(log_a) + std::exp(log_b) > 1) continue;
      return static_cast<float>(1 / (1 + std::exp(log_b - log_a)));
    }
  }
  return 0.5F;
}

// Of a Resample from the host, before anything is drawn.
inline void check_resample(const Resample& r, std::int64_t from_frames, std::int64_t frames) {
  require(from_frames >= resampled_frames(frames, r.tempo), "resample: {} frames of {} at a tempo within {}",
          frames, from_frames, r.tempo);
}

// Of a Mixup from the host, before anything is drawn.
inline void check_mixup(const Mixup& mixup) {
  require(mixup.alpha > 0 && mixup.alpha <= 1, "mix_examples: alpha {} is not in (0, 1]", mixup.alpha);
}

}  // namespace melgrad
