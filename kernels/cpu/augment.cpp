// Changes of the input of training.
#include "kernels/math/augment.h"

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {

void CpuOps::augment(Tensor x, const Augment& augment, Out y) {
  const std::int64_t frames = x.dim(1), bands = x.dim(2), channels = x.dim(3), row = bands * channels,
                     values = frames * row;
  const auto step = static_cast<std::uint64_t>(*augment.counter.i64());
  const auto noise = static_cast<float>(augment.noise), mask_value = static_cast<float>(augment.mask_value);
  parallel_for(x.dim(0), threads_, 1, [&](std::int64_t n) {
    const float* from = x.f32() + n * values;
    float* to = y.f32() + n * values;
    const Level level = drawn_level(augment, step, n);
#pragma omp simd
    for (std::int64_t i = 0; i < values; ++i) to[i] = from[i] * level.gain + level.shift;
    for (std::int64_t i = 0; noise != 0 && i < values; i += 4) {
      const Normal4 z = drawn_noise(augment.seed, step, n, values, i / 4);
      for (std::int64_t j = i; j < std::min(i + 4, values); ++j) to[j] += noise * z.value[j - i];
    }
    for (std::int64_t m = 0; m < augment.time_masks; ++m) {
      const Stretch mask = drawn_time_mask(augment, step, n, m, frames);
      std::fill(to + mask.first * row, to + mask.end * row, mask_value);
    }
    for (std::int64_t m = 0; m < augment.band_masks; ++m) {
      const Stretch mask = drawn_band_mask(augment, step, n, m, bands);
      for (float* frame = to; frame < to + values; frame += row)
        std::fill(frame + mask.first * channels, frame + mask.end * channels, mask_value);
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
