// Training batches cut from the resident feature table.
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"
#include "kernels/math/half.h"
#include "kernels/math/segments.h"

namespace melgrad {

void CpuOps::pick_batch(const BatchPlan& plan, std::int64_t frames, Out first, Out labels, Out weights) {
  const std::int64_t n = first.numel(), counter = *plan.counter.i64();
  const std::int32_t* order = plan.order.i32() + *plan.step.i64() * n;
  const auto choices = [&](std::int32_t track) {
    return segment_choices(plan.rows.i32()[track], frames, plan.skip_last_start);
  };
  std::int64_t shared = choices(repeated(order[0]));
  for (std::int64_t i = 1; i < n; ++i) shared = std::min(shared, choices(repeated(order[i])));
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t track = order[i], source = repeated(track);
    const std::int64_t start = drawn_start(plan.seed, counter, plan.shared_start || track < 0 ? 0 : i,
                                           plan.shared_start ? shared : choices(source));
    first.i64()[i] = plan.first_row.i64()[source] + start;
    const std::int32_t label = track >= 0 ? plan.labels.i32()[track] : 0;
    labels.i32()[i] = label;
    const float weight = plan.class_weights ? plan.class_weights.f32()[label] : 1.0F;
    weights.f32()[i] = track >= 0 ? weight : 0.0F;
  }
}

void CpuOps::gather_segments(Tensor table, Tensor first, Out x) {
  const std::int64_t bands = table.dim(1), values = x.dim(1) * bands;
  parallel_for(x.dim(0), threads_, 1, [&](std::int64_t n) {
    const std::int64_t from = first.i64()[n] * bands;
    float* to = x.f32() + n * values;
    if (table.dtype == DType::f16) {
      const std::uint16_t* half = table.f16() + from;
      for (std::int64_t i = 0; i < values; ++i) to[i] = half_to_float(half[i]);
    } else {
      std::copy_n(table.f32() + from, values, to);
    }
  });
}

void CpuOps::gather_labels(Tensor table, Tensor track, Out targets) {
  const std::int64_t tags = table.dim(1);
  for (std::int64_t i = 0; i < targets.numel(); ++i)
    targets.f32()[i] = table.f32()[track.i32()[i / tags] * tags + i % tags];
}

void CpuOps::standardise(Tensor x, Tensor mean, Tensor scale, Out y) {
  const std::int64_t bands = mean.dim(0);
  const float *in = x.f32(), *shift = mean.f32(), *factor = scale.f32();
  float* out = y.f32();
  parallel_for(x.numel() / bands, threads_, 256, [=](std::int64_t row) {
#pragma omp simd
    for (std::int64_t f = 0; f < bands; ++f)
      out[row * bands + f] = (in[row * bands + f] - shift[f]) * factor[f];
  });
}

void CpuOps::beside_mean(Tensor x, Tensor mean, float scale, Out y) {
  const std::int64_t frames = x.dim(1), bands = x.dim(2);
  parallel_for(x.dim(0) * frames, threads_, 256, [&](std::int64_t row) {
    const float *in = x.f32() + row * bands, *own = mean.f32() + row / frames * bands;
    float* out = y.f32() + 2 * row * bands;
    for (std::int64_t f = 0; f < bands; ++f) {
      out[2 * f] = in[f];
      out[2 * f + 1] = scale * (in[f] - own[f]);
    }
  });
}

}  // namespace melgrad
