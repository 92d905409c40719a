// Changes of the input of training.
#include "kernels/math/augment.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {

void CpuOps::augment(Tensor x, const Augment& augment, Out y) {
  const std::int64_t frames = x.dim(1), bands = x.dim(2), channels = x.dim(3), row = bands * channels,
                     values = frames * row;
  const auto step = static_cast<std::uint64_t>(*augment.counter.i64());
  const auto noise = static_cast<float>(augment.noise);
  const auto cover = [&](float* frame, std::int64_t first, std::int64_t end) {
    for (std::int64_t f = first; f < end; ++f)
      std::fill_n(
          frame + f * channels, channels,
          augment.mask_values ? augment.mask_values.f32()[f] : static_cast<float>(augment.mask_value));
  };
  parallel_for(x.dim(0), threads_, 1, [&](std::int64_t n) {
    const float* from = x.f32() + n * values;
    float* to = y.f32() + n * values;
    const Level level = drawn_level(augment, step, n);
#pragma omp simd
    for (std::int64_t i = 0; i < values; ++i) to[i] = from[i] * level.gain + level.shift;
    if (augment.equalise != 0) {
      std::vector<float> added(static_cast<std::size_t>(row));
      for (std::int64_t i = 0; i < row; ++i)
        added[static_cast<std::size_t>(i)] = drawn_equaliser(augment, step, n, i / channels, bands);
      for (float* frame = to; frame < to + values; frame += row)
        std::transform(frame, frame + row, added.begin(), frame, std::plus<>());
    }
    for (std::int64_t i = 0; noise != 0 && i < values; i += 4) {
      const Normal4 z = drawn_noise(augment.seed, step, n, values, i / 4);
      for (std::int64_t j = i; j < std::min(i + 4, values); ++j) to[j] += noise * z.value[j - i];
    }
    for (std::int64_t m = 0; m < augment.time_masks; ++m) {
      const Stretch mask = drawn_time_mask(augment, step, n, m, frames);
      for (std::int64_t t = mask.first; t < mask.end; ++t) cover(to + t * row, 0, bands);
    }
    for (std::int64_t m = 0; m < augment.band_masks; ++m) {
      const Stretch mask = drawn_band_mask(augment, step, n, m, bands);
      for (float* frame = to; frame < to + values; frame += row) cover(frame, mask.first, mask.end);
    }
  });
}

void CpuOps::resample(Tensor x, const Resample& resample, Out y) {
  const std::int64_t from_frames = x.dim(1), frames = y.dim(1), bands = x.dim(2);
  check_resample(resample, from_frames, frames);
  const auto step = static_cast<std::uint64_t>(*resample.counter.i64());
  parallel_for(x.dim(0), threads_, 1, [&](std::int64_t n) {
    const Source source = drawn_source(resample, step, n, from_frames, frames, bands);
    std::vector<Between> columns;
    for (std::int64_t f = 0; f < bands; ++f)
      columns.push_back(between(source.first_band + static_cast<double>(f) * source.band_step, bands));
    const float* from = x.f32() + n * from_frames * bands;
    float* to = y.f32() + n * frames * bands;
    std::vector<float> frame(static_cast<std::size_t>(bands));
    for (std::int64_t t = 0; t < frames; ++t, to += bands) {
      const Between row =
          between(source.first_frame + static_cast<double>(t) * source.frame_step, from_frames);
      const float *below = from + row.below * bands, *above = from + row.above * bands;
#pragma omp simd
      for (std::int64_t f = 0; f < bands; ++f) frame[f] = below[f] + row.part * (above[f] - below[f]);
      for (std::int64_t f = 0; f < bands; ++f) {
        const Between& at = columns[static_cast<std::size_t>(f)];
        to[f] = frame[at.below] + at.part * (frame[at.above] - frame[at.below]);
      }
    }
  });
}

void CpuOps::mix_examples(Tensor x, const Mixup& mixup, Out y) {
  check_mixup(mixup);
  const std::int64_t examples = x.dim(0), values = x.dim(1);
  const auto step = static_cast<std::uint64_t>(*mixup.counter.i64());
  parallel_for(examples, threads_, 1, [&](std::int64_t n) {
    const float lambda = drawn_lambda(mixup.alpha, mixup.seed, step, n);
    const float *mine = x.f32() + n * values, *next = x.f32() + (n + 1) % examples * values;
    float* to = y.f32() + n * values;
#pragma omp simd
    for (std::int64_t i = 0; i < values; ++i) to[i] = lambda * mine[i] + (1 - lambda) * next[i];
  });
}

}  // namespace melgrad
