// Changes of the input of training. A block takes a piece of one example: a few threads draw what holds for
// the example as a whole into shared memory, then all go over the piece.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/launch.h"
#include "kernels/math/augment.h"

namespace melgrad {
namespace {

constexpr std::int64_t kPiece = 8192;  // values of one block; a multiple of four
std::int64_t pieces_of(std::int64_t values) { return (values + kPiece - 1) / kPiece; }

// What a block takes: values begin ... end - 1 of an example that has so many.
struct PieceOfExample {
  std::int64_t example, begin, end;
  MELGRAD_DEVICE PieceOfExample(std::int64_t block, std::int64_t pieces, std::int64_t values)
      : example(block / pieces),
        begin(block % pieces * kPiece),
        end(begin + kPiece < values ? begin + kPiece : values) {}
};

// A thread takes four neighbours, which share one call of the generator.
struct AugmentPiece {
  static constexpr int kThreads = 256;
  const float* x;
  float* y;
  Augment change;
  const std::int64_t* counter;
  const float* mask_values;  // or null
  std::uint32_t frames, bands, channels;
  std::int64_t values, pieces;  // of an example

  std::int64_t shared_bytes() const {
    return shared_size<Level>(1) + shared_size<Stretch>(change.time_masks + change.band_masks) +
           shared_size<float>(equalised());
  }
  MELGRAD_HD std::int64_t equalised() const { return change.equalise != 0 ? bands : 0; }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    Level* level = t.template shared<Level>(1);
    Stretch* masks = t.template shared<Stretch>(change.time_masks + change.band_masks);
    float* equaliser = t.template shared<float>(equalised());
    const auto [example, begin, end] = PieceOfExample(t.block(), pieces, values);
    const auto step = static_cast<std::uint64_t>(*counter);
    const auto noise = static_cast<float>(change.noise), mask_value = static_cast<float>(change.mask_value);
    for (std::int64_t f = t.index(); f < equalised(); f += t.count())
      equaliser[f] = drawn_equaliser(change, step, example, f, bands);
    if (t.index() == 0) *level = drawn_level(change, step, example);
    for (std::int64_t m = t.index(); m < change.time_masks; m += t.count())
      masks[m] = drawn_time_mask(change, step, example, m, frames);
    for (std::int64_t m = t.index(); m < change.band_masks; m += t.count())
      masks[change.time_masks + m] = drawn_band_mask(change, step, example, m, bands);
    t.sync();
    for (std::int64_t i = begin + 4 * t.index(); i < end; i += 4 * t.count()) {
      Normal4 z{};
      if (noise != 0) z = drawn_noise(change.seed, step, example, values, i / 4);
      for (int j = 0; j < 4 && i + j < end; ++j) {
        const std::int64_t at = example * values + i + j;
        const auto place = static_cast<std::uint32_t>(i + j);
        float value = x[at] * level->gain + level->shift;
        if (equalised() != 0) value += equaliser[place / channels % bands];
        value += noise * z.value[j];
        if (masked(masks, place))
          value = mask_values != nullptr ? mask_values[place / channels % bands] : mask_value;
        y[at] = value;
      }
    }
  }

  MELGRAD_DEVICE bool masked(const Stretch* masks, std::uint32_t i) const {
    bool inside = false;
    for (std::int64_t m = 0; m < change.time_masks; ++m) inside |= masks[m].holds(i / (bands * channels));
    masks += change.time_masks;
    for (std::int64_t m = 0; m < change.band_masks; ++m) inside |= masks[m].holds(i / channels % bands);
    return inside;
  }
};

struct ResamplePiece {
  static constexpr int kThreads = 256;
  const float* x;
  float* y;
  Resample resample;
  const std::int64_t* counter;
  std::int64_t from_frames, frames, bands, pieces;

  std::int64_t shared_bytes() const { return shared_size<Source>(1); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    Source* source = t.template shared<Source>(1);
    const std::int64_t values = frames * bands;
    const auto [example, begin, end] = PieceOfExample(t.block(), pieces, values);
    if (t.index() == 0)
      *source =
          drawn_source(resample, static_cast<std::uint64_t>(*counter), example, from_frames, frames, bands);
    t.sync();
    const float* from = x + example * from_frames * bands;
    for (std::int64_t i = begin + t.index(); i < end; i += t.count()) {
      const auto place = [&](double first, double step, std::int64_t k, std::int64_t extent) {
        return between(first + static_cast<double>(k) * step, extent);
      };
      const Between row = place(source->first_frame, source->frame_step, i / bands, from_frames);
      const Between column = place(source->first_band, source->band_step, i % bands, bands);
      const float *below = from + row.below * bands, *above = from + row.above * bands;
      const float low = below[column.below] + row.part * (above[column.below] - below[column.below]);
      const float high = below[column.above] + row.part * (above[column.above] - below[column.above]);
      y[example * values + i] = low + column.part * (high - low);
    }
  }
};

struct MixPiece {
  static constexpr int kThreads = 256;
  const float* x;
  float* y;
  float alpha;
  std::uint64_t seed;
  const std::int64_t* counter;
  std::int64_t examples, values, pieces;

  std::int64_t shared_bytes() const { return shared_size<float>(1); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    float* lambda = t.template shared<float>(1);
    const auto [example, begin, end] = PieceOfExample(t.block(), pieces, values);
    if (t.index() == 0) *lambda = drawn_lambda(alpha, seed, static_cast<std::uint64_t>(*counter), example);
    t.sync();
    const float *mine = x + example * values, *next = x + (example + 1) % examples * values;
    for (std::int64_t i = begin + t.index(); i < end; i += t.count())
      y[example * values + i] = *lambda * mine[i] + (1 - *lambda) * next[i];
  }
};

}  // namespace

void CudaOps::augment(Tensor x, const Augment& augment, Out y) {
  const std::int64_t values = x.dim(1) * x.dim(2) * x.dim(3), pieces = pieces_of(values);
  require(values < std::int64_t{1} << 32, "augment: an example of {} has 2^32 values or more", x.shape.str());
  const auto extent = [&](int axis) { return static_cast<std::uint32_t>(x.dim(axis)); };
  launch(stream_, x.dim(0) * pieces,
         AugmentPiece{x.f32(), y.f32(), augment, augment.counter.i64(),
                      augment.mask_values ? augment.mask_values.f32() : nullptr, extent(1), extent(2),
                      extent(3), values, pieces});
}

void CudaOps::resample(Tensor x, const Resample& resample, Out y) {
  const std::int64_t frames = y.dim(1), bands = x.dim(2), pieces = pieces_of(frames * bands);
  check_resample(resample, x.dim(1), frames);
  launch(stream_, x.dim(0) * pieces,
         ResamplePiece{x.f32(), y.f32(), resample, resample.counter.i64(), x.dim(1), frames, bands, pieces});
}

void CudaOps::mix_examples(Tensor x, const Mixup& mixup, Out y) {
  check_mixup(mixup);
  const std::int64_t pieces = pieces_of(x.dim(1));
  launch(
      stream_, x.dim(0) * pieces,
      MixPiece{x.f32(), y.f32(), mixup.alpha, mixup.seed, mixup.counter.i64(), x.dim(0), x.dim(1), pieces});
}

}  // namespace melgrad
