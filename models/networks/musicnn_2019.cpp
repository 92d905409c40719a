// Musicnn and its VGG as published with weights: the package musicnn 0.1.0 (Pons and Serra 2019), which
// differs from musicnn.cpp: ReLU before the norm, rhythm over each band and the maximum over bands, a norm
// before the dense layer. 16 kHz, 96 Slaney mel bands as log10(1 + 10000 x), x in half precision, 187 frames
// = 3 s; channels times model.width. Batch normalisation as TensorFlow sets it: epsilon 1e-3, momentum 0.99
// (0.01 here).
//
//   musicnn-2019                                               shape [T, F, C]
//   log-mel, norm                                              187 x 96 x 1
//   timbre: conv 204 @ 7x38 and @ 7x67, ReLU, norm, max over F 187 x  1 x 408
//   rhythm: conv 51 @ 128x1, 64x1 and 32x1, the same           187 x  1 x 153
//   side by side                                        h0     187 x  1 x 561
//   conv 64 @ 7, ReLU, norm                             h1     187 x  1 x 64
//   conv 64 @ 7, ReLU, norm, + h1                       h2     187 x  1 x 64
//   conv 64 @ 7, ReLU, norm, + h2                       h3     187 x  1 x 64
//   h0 h1 h2 h3 side by side, maximum and mean over T, norm      1,506
//   dropout .5, dense, ReLU, norm                                200
//   dropout .5, dense                                           tags
//   parameters                                                 787,159 with 50 tags
//
//   vgg-2019                                                   shape [T, F, C]
//   log-mel, norm                                              187 x 96 x 1
//   conv 128 @ 3x3, ReLU, norm, max 4x1 at steps of 2x2         92 x 48 x 128
//   dropout .25, conv 128 @ 3x3, ReLU, norm, max 2x2            46 x 24 x 128
//   the same                                                    23 x 12 x 128
//   the same                                                    11 x  6 x 128
//   the same with max 4x4                                        2 x  1 x 128
//   dropout .5, dense                                           tags
//   parameters                                                 605,748 with 50 tags
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

constexpr std::int64_t kHeights2019[] = {38, 67}, kLengths2019[] = {128, 64, 32};
constexpr BatchNorm kNorm2019{.epsilon = 1e-3F, .momentum = 0.01F};

// Convolution over a stretch of time, ReLU, norm.
ConvBlockOptions over_time_2019(std::int64_t length, std::int64_t padding) {
  return {.kernel_t = length,
          .kernel_f = 1,
          .conv = {1, 1, padding, 0},
          .relu = ConvBlockOptions::Relu::before_norm,
          .norm = kNorm2019};
}

class Musicnn2019 final : public Model {
 public:
  Musicnn2019(const ModelOptions& o, const InputShape& input, std::int64_t classes)
      : norm_(params_, "norm", 1, kNorm2019) {
    const std::int64_t timbre = scaled(204, o.width), rhythm = scaled(51, o.width), mid = scaled(64, o.width);
    for (const std::int64_t height : kHeights2019) {
      ConvBlockOptions options = over_time_2019(7, 3);
      options.kernel_f = height;
      Extents(o.architecture, input).pass(options);
      timbre_.emplace_back(params_, "timbre" + std::to_string(height), 1, timbre, options);
    }
    // An even kernel keeps the length with one zero more behind than before: append_frames has it.
    for (const std::int64_t length : kLengths2019)
      rhythm_.emplace_back(params_, "rhythm" + std::to_string(length), 1, rhythm,
                           over_time_2019(length, length / 2 - 1));
    const std::int64_t front = 2 * timbre + 3 * rhythm;
    for (int k = 0; k < 3; ++k)
      mid_.emplace_back(params_, "mid" + std::to_string(k + 1), k == 0 ? front : mid, mid,
                        over_time_2019(7, 3));
    const std::int64_t hidden = scaled(200, o.width);
    pool_.emplace(params_, "pool", front + 3 * mid, o.pooling, Pooling::max_mean);
    pooled_norm_.emplace(params_, "pooled.norm", pool_->width(), kNorm2019);
    dense1_.emplace(params_, "dense1", pool_->width(), hidden);
    dense_norm_.emplace(params_, "dense1.norm", hidden, kNorm2019);
    dense2_.emplace(params_, "dense2", hidden, classes);
  }

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& random) override {
    const Var h = norm_(tape, x), longer = append_frames(tape, h, 1);
    std::vector<Var> front;
    for (const ConvBlock& block : timbre_) front.push_back(max_over_bands(tape, block(tape, h)));
    for (const ConvBlock& block : rhythm_) front.push_back(max_over_bands(tape, block(tape, longer)));

    const Var pooled =
        (*pool_)(tape, densely_connected(tape, concat(tape, front), mid_), tape.value(x).dim(0));
    const Var dropped = dropout(tape, (*pooled_norm_)(tape, pooled), random.dropout(0.5F, 1));
    return (*dense_norm_)(tape, relu(tape, (*dense1_)(tape, dropped)));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return (*dense2_)(tape, dropout(tape, h, random.dropout(0.5F, 2)));
  }

 private:
  BatchNormLayer norm_;
  std::vector<ConvBlock> timbre_, rhythm_, mid_;
  std::optional<TimePool> pool_;
  std::optional<BatchNormLayer> pooled_norm_, dense_norm_;
  std::optional<DenseLayer> dense1_, dense2_;
};

constexpr Pool2d kVggPools[] = {{4, 1, 2, 2}, {2, 2}, {2, 2}, {2, 2}, {4, 4}};

class Vgg2019 final : public Model {
 public:
  Vgg2019(const ModelOptions& o, const InputShape& input, std::int64_t classes)
      : norm_(params_, "norm", 1, kNorm2019) {
    const std::int64_t channels = scaled(128, o.width);
    Extents extents(o.architecture, input);
    for (const Pool2d& pool : kVggPools) {
      const ConvBlockOptions options{
          .pool = pool, .relu = ConvBlockOptions::Relu::before_norm, .norm = kNorm2019};
      extents.pass(options);
      blocks_.emplace_back(params_, "block" + std::to_string(blocks_.size() + 1),
                           blocks_.empty() ? 1 : channels, channels, options);
    }
    dense_.emplace(params_, "dense", extents.frames() * extents.bands() * channels, classes);
  }

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& random) override {
    Var h = norm_(tape, x);
    for (std::size_t k = 0; k < blocks_.size(); ++k) {
      if (k > 0) h = dropout(tape, h, random.dropout(0.25F, static_cast<std::uint32_t>(k)));
      h = blocks_[k](tape, h);
    }
    return h;
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return (*dense_)(tape, dropout(tape, h, random.dropout(0.5F, 5)));
  }

 private:
  BatchNormLayer norm_;
  std::vector<ConvBlock> blocks_;
  std::optional<DenseLayer> dense_;
};

}  // namespace

std::unique_ptr<Model> make_musicnn_2019(const ModelOptions& options, const InputShape& input,
                                         std::int64_t classes) {
  return std::make_unique<Musicnn2019>(options, input, classes);
}

std::unique_ptr<Model> make_vgg_2019(const ModelOptions& options, const InputShape& input,
                                     std::int64_t classes) {
  return std::make_unique<Vgg2019>(options, input, classes);
}

}  // namespace melgrad
