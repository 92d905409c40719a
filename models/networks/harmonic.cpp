// Harmonic CNN (Won et al. 2020, "Data-driven harmonic filters"): the filter bank is trained too, by one
// number that sets all bandwidths. 16 kHz, power spectrum of n_fft 512 and hop 256, 5 s = 313 frames;
// channels times model.width.
//
//   layer                                              shape [T, F, C]
//   power spectrum                                     313 x 257 x 1
//   6 harmonics x 128 filters, dB, norm                313 x 128 x 6
//   conv 128 @ 3x3, norm, ReLU, pool 2x2               156 x  64 x 128
//   3 x residual block 128, pool 2x2                    19 x   8 x 128
//   conv 256 @ 3x3, norm, ReLU, pool 2x2                 9 x   4 x 256
//   2 x residual block 256, pool 3x2                     1 x   1 x 256
//   max over time                                      256
//   dense, norm, ReLU, dropout .5                      256
//   dense                                             tags
//   parameters                                   3,631,551 with 50 tags
//
// A residual block: conv @ 3x3, norm, ReLU, conv @ 3x3, norm, plus its input, ReLU, max pool.
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

constexpr double kSampleRate = 16000;
constexpr int kHarmonics = 6, kLevels = 128, kLowestMidi = 24, kFiltersPerSemitone = 2;

// Hz; filter (level, harmonic) at level * kHarmonics + harmonic: channels last. Level 0 is C1, the last one
// half a semitone below E6.
std::vector<float> filter_centres() {
  std::vector<float> centres;
  for (int level = 0; level < kLevels; ++level) {
    const double midi = kLowestMidi + static_cast<double>(level) / kFiltersPerSemitone;
    const double pitch = 440 * std::exp2((midi - 69) / 12);
    for (int harmonic = 1; harmonic <= kHarmonics; ++harmonic)
      centres.push_back(static_cast<float>(harmonic * pitch));
  }
  return centres;
}

class ResidualBlock {
 public:
  ResidualBlock(ParamStore& params, const std::string& name, std::int64_t channels, const Pool2d& pool)
      : first_(params, name + ".first", channels, channels),
        second_(params, name + ".second", channels, channels, {.relu = ConvBlockOptions::Relu::none}),
        pool_(pool) {}
  Var operator()(Tape& tape, Var x) const {
    const Var h = second_(tape, first_(tape, x));
    return relu(tape, max_pool(tape, add(tape, x, h), pool_));
  }

 private:
  ConvBlock first_, second_;
  Pool2d pool_;
};

class Harmonic final : public Model {
 public:
  Harmonic(const ModelOptions& o, const InputShape& input, std::int64_t classes)
      : hz_per_bin_(static_cast<float>(kSampleRate / 2 / static_cast<double>(input.bands - 1))),
        centres_(params_.fixed("filters.centres", filter_centres())),
        q_(params_.bias("filters.q", 1, 1)),
        norm_(params_, "norm", kHarmonics),
        first_(params_, "first", kHarmonics, scaled(128, o.width), kHalving),
        middle_(params_, "middle", scaled(128, o.width), scaled(256, o.width), kHalving),
        pool_(params_, "pool", scaled(256, o.width), o.pooling, Pooling::max),
        dense1_(params_, "dense1", pool_.width(), scaled(256, o.width)),
        dense_norm_(params_, "dense1.norm", scaled(256, o.width)),
        dense2_(params_, "dense2", scaled(256, o.width), classes) {
    Extents extents(o.architecture, {input.frames, kLevels});
    extents.pass(kHalving);
    for (int k = 1; k <= 3; ++k) {
      low_.emplace_back(params_, "low" + std::to_string(k), scaled(128, o.width), kHalving.pool);
      extents.pool(kHalving.pool);
    }
    extents.pass(kHalving);
    for (int k = 1; k <= 2; ++k) {
      high_.emplace_back(params_, "high" + std::to_string(k), scaled(256, o.width), kLast);
      extents.pool(kLast);
    }
  }

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    const Tensor power = tape.value(x);
    const std::int64_t examples = power.dim(0), frames = power.dim(1), bins = power.dim(2);
    const Var filters = harmonic_filters(tape, centres_.value, q_, hz_per_bin_, bins);
    Var h = project(tape, power.reshape({examples * frames, bins}), filters,
                    {examples, frames, kLevels, kHarmonics});
    h = norm_(tape, activation(tape, h, Activation::decibels));
    h = first_(tape, h);
    for (const ResidualBlock& block : low_) h = block(tape, h);
    h = middle_(tape, h);
    for (const ResidualBlock& block : high_) h = block(tape, h);
    return relu(tape, dense_norm_(tape, dense1_(tape, pool_(tape, h, examples))));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense2_(tape, dropout(tape, h, random.dropout(0.5F, 1)));
  }

 private:
  static constexpr ConvBlockOptions kHalving{.pool = {2, 2}};
  static constexpr Pool2d kLast{3, 2};

  float hz_per_bin_;
  Param &centres_, &q_;
  BatchNormLayer norm_;
  ConvBlock first_, middle_;
  std::vector<ResidualBlock> low_, high_;
  TimePool pool_;
  DenseLayer dense1_;
  BatchNormLayer dense_norm_;
  DenseLayer dense2_;
};

}  // namespace

std::unique_ptr<Model> make_harmonic(const ModelOptions& options, const InputShape& input,
                                     std::int64_t classes) {
  if (input.bands < 2)
    fail(ErrorKind::usage, "model harmonic: needs the power spectrum, not {} bands", input.bands);
  return std::make_unique<Harmonic>(options, input, classes);
}

}  // namespace melgrad
