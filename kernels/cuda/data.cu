// Training batches cut from the resident feature table.
#include "kernels/cuda/block.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"
#include "kernels/math/half.h"
#include "kernels/math/segments.h"

namespace melgrad {
namespace {

// One block: an example per thread; the smallest range of starts is found together.
struct PickBatch {
  static constexpr int kThreads = kReduceThreads;
  const std::int32_t* order;      // [steps, n]
  const std::int64_t* first_row;  // the rest by track
  const std::int32_t* rows;
  const std::int32_t* track_label;
  const float* class_weights;  // or null
  const std::int64_t *step, *counter;
  bool shared_start, skip_last_start;
  std::uint64_t seed;
  std::int64_t n, frames;
  std::int64_t* first;
  std::int32_t* labels;
  float* weights;

  MELGRAD_DEVICE std::int64_t choices(std::int32_t track) const {
    return segment_choices(rows[track], frames, skip_last_start);
  }

  std::int64_t shared_bytes() const { return reduce_shared_bytes<std::int64_t>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    auto* scratch = t.template shared<std::int64_t>(kReduceThreads);
    const std::int32_t* tracks = order + *step * n;
    std::int64_t smallest = choices(repeated(tracks[0]));
    for (std::int64_t i = t.index(); i < n; i += t.count())
      smallest = Smaller{}(smallest, choices(repeated(tracks[i])));
    const std::int64_t shared = block_reduce(t, scratch, smallest, Smaller{});
    for (std::int64_t i = t.index(); i < n; i += t.count()) {
      const std::int32_t track = tracks[i], source = repeated(track);
      first[i] = first_row[source] + drawn_start(seed, *counter, shared_start || track < 0 ? 0 : i,
                                                 shared_start ? shared : choices(source));
      const std::int32_t label = track >= 0 ? track_label[track] : 0;
      labels[i] = label;
      const float weight = class_weights != nullptr ? class_weights[label] : 1.0F;
      weights[i] = track >= 0 ? weight : 0.0F;
    }
  }
};

MELGRAD_DEVICE float table_value(float x) { return x; }
MELGRAD_DEVICE float table_value(std::uint16_t x) { return half_to_float(x); }

template <typename T>
struct Gather {
  const T* table;
  const std::int64_t* first;
  std::int64_t bands, values;  // of a segment
  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    return table_value(table[first[i / values] * bands + i % values]);
  }
};

struct GatherLabels {
  const float* table;
  const std::int32_t* track;
  std::int64_t tags;
  MELGRAD_DEVICE float operator()(std::int64_t i) const { return table[track[i / tags] * tags + i % tags]; }
};

struct Standardise {
  const float *x, *mean, *scale;
  std::uint32_t bands;
  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    const auto f = static_cast<std::uint32_t>(i % bands);
    return (x[i] - mean[f]) * scale[f];
  }
};

struct BesideMean {
  const float *x, *mean;
  float scale;
  std::int64_t bands, values;  // of an example
  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    const std::int64_t at = i / 2;
    return i % 2 == 0 ? x[at] : scale * (x[at] - mean[at / values * bands + at % bands]);
  }
};

}  // namespace

void CudaOps::pick_batch(const BatchPlan& plan, std::int64_t frames, Out first, Out labels, Out weights) {
  launch(stream_, 1,
         PickBatch{plan.order.i32(), plan.first_row.i64(), plan.rows.i32(), plan.labels.i32(),
                   plan.class_weights ? plan.class_weights.f32() : nullptr, plan.step.i64(),
                   plan.counter.i64(), plan.shared_start, plan.skip_last_start, plan.seed, first.numel(),
                   frames, first.i64(), labels.i32(), weights.f32()});
}

void CudaOps::gather_segments(Tensor table, Tensor first, Out x) {
  const std::int64_t bands = table.dim(1), values = x.dim(1) * bands;
  if (table.dtype == DType::f16) {
    launch_elements(stream_, x.f32(), x.numel(), Write::overwrite,
                    Gather<std::uint16_t>{table.f16(), first.i64(), bands, values});
  } else {
    launch_elements(stream_, x.f32(), x.numel(), Write::overwrite,
                    Gather<float>{table.f32(), first.i64(), bands, values});
  }
}

void CudaOps::gather_labels(Tensor table, Tensor track, Out targets) {
  launch_elements(stream_, targets.f32(), targets.numel(), Write::overwrite,
                  GatherLabels{table.f32(), track.i32(), table.dim(1)});
}

void CudaOps::standardise(Tensor x, Tensor mean, Tensor scale, Out y) {
  launch_elements(stream_, y.f32(), y.numel(), Write::overwrite,
                  Standardise{x.f32(), mean.f32(), scale.f32(), static_cast<std::uint32_t>(mean.numel())});
}

void CudaOps::beside_mean(Tensor x, Tensor mean, float scale, Out y) {
  launch_elements(stream_, y.f32(), y.numel(), Write::overwrite,
                  BesideMean{x.f32(), mean.f32(), scale, x.dim(2), x.dim(1) * x.dim(2)});
}

}  // namespace melgrad
