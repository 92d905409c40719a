// Residual blocks with squeeze and excitation (He et al. 2016, Hu et al. 2018) behind a stem that leaves a
// quarter of the frames and of the bands, for data sets too small for wide networks. Channels times
// model.width.
//
//   layer                                       shape [T, F, C], 256 frames x 128 bands
//   spectrogram, and beside it what each band
//     is above its mean over the segment        256 x 128 x 2
//   conv 32 @ 7x5 stride 4x2, norm, pool 1x2,
//     ReLU                                       64 x  32 x 32
//   block 32                                     64 x  32 x 32
//   block 64, stride 2                           32 x  16 x 64
//   block 128, stride 2                          16 x   8 x 128
//   block 256, stride 2                           8 x   4 x 256
//   maximum and mean over all positions, norm   512
//   dropout, dense                               classes
//   parameters with 10 classes                   1,279,490
//
// With model.modulation the network of modulation.cpp is a second branch.
//
// A block: conv @ 3x3 (with its stride), norm, ReLU, conv @ 3x3, norm, times a gate for each channel; plus
// the input, or where its shape changes conv @ 1x1 (with that stride), norm of it; ReLU. The gate is the
// sigmoid of two dense layers, a quarter as wide in between, over the mean of each channel.
#include <optional>

#include "models/networks/extents.h"
#include "models/networks/modulation.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

const std::vector<std::int64_t> kResidualChannels = {32, 64, 128, 256};
// Within a segment a band varies less than over all tracks, by whose deviation a standardised input is
// divided.
constexpr float kRelativeScale = 1.5F;

class GatedBlock {
 public:
  GatedBlock(ParamStore& params, const std::string& name, std::int64_t in, std::int64_t out,
             std::int64_t stride)
      : first_(params, name + ".first", in, out, {.conv = {stride, stride, 1, 1}}),
        second_(params, name + ".second", out, out, {.relu = ConvBlockOptions::Relu::none}),
        squeeze_(params, name + ".squeeze", out, std::max<std::int64_t>(out / 4, 1)),
        excite_(params, name + ".excite", std::max<std::int64_t>(out / 4, 1), out) {
    if (in != out || stride != 1)
      shortcut_.emplace(params, name + ".shortcut", in, out,
                        ConvBlockOptions{.kernel_t = 1,
                                         .kernel_f = 1,
                                         .conv = {stride, stride, 0, 0},
                                         .relu = ConvBlockOptions::Relu::none});
  }

  Var operator()(Tape& tape, Var x) const {
    const Var h = second_(tape, first_(tape, x));
    const Var mean = global_mean(tape, h, tape.value(h).dim(0));
    const Var gate = activation(tape, excite_(tape, relu(tape, squeeze_(tape, mean))), Activation::sigmoid);
    return relu(tape, add(tape, shortcut_ ? (*shortcut_)(tape, x) : x, scale_channels(tape, h, gate)));
  }

 private:
  ConvBlock first_, second_;
  DenseLayer squeeze_, excite_;
  std::optional<ConvBlock> shortcut_;
};

class ResnetSe final : public Model {
 public:
  ResnetSe(const ModelOptions& o, const InputShape& input, std::int64_t classes)
      : relative_(o.relative),
        dropout_(static_cast<float>(o.dropout)),
        stem_(params_, "stem", o.relative ? 2 : 1, scaled(kResidualChannels[0], o.width), kStem) {
    Extents(o.architecture, input).pass(kStem);
    std::int64_t in = scaled(kResidualChannels[0], o.width);
    for (const std::int64_t out : scaled(kResidualChannels, o.width)) {
      blocks_.emplace_back(params_, "block" + std::to_string(blocks_.size() + 1), in, out,
                           blocks_.empty() ? 1 : 2);
      in = out;
    }
    pool_.emplace(params_, "pool", in, o.pooling, Pooling::max_mean);
    norm_.emplace(params_, "pool.norm", pool_->width());
    dense_.emplace(params_, "dense", pool_->width(), classes);
    if (o.modulation) modulation_.emplace(params_, "modulation.", o.architecture, input, classes);
  }

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    const std::int64_t examples = tape.value(x).dim(0);
    Var h = stem_(tape, relative_ ? beside_mean(tape, x, kRelativeScale) : x);
    for (const GatedBlock& block : blocks_) h = block(tape, h);
    h = (*norm_)(tape, (*pool_)(tape, h, examples));
    return modulation_ ? concat(tape, {h, modulation_->features(tape, x)}) : h;
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return (*dense_)(tape, dropout(tape, h, random.dropout(dropout_, 1)));
  }
  std::vector<Var> answers_of(Tape& tape, Var h, const RandomSource& random) override {
    if (!modulation_) return {classify(tape, h, random)};
    const std::int64_t width = pool_->width();
    h = dropout(tape, h, random.dropout(dropout_, 1));
    return {(*dense_)(tape, columns(tape, h, 0, width)),
            modulation_->answer(tape, columns(tape, h, width, modulation_->width()))};
  }

 private:
  static constexpr ConvBlockOptions kStem{.kernel_t = 7, .kernel_f = 5, .conv = {4, 2, 3, 2}, .pool = {1, 2}};

  bool relative_;
  float dropout_;
  ConvBlock stem_;
  std::vector<GatedBlock> blocks_;
  std::optional<TimePool> pool_;
  std::optional<BatchNormLayer> norm_;
  std::optional<DenseLayer> dense_;
  std::optional<ModulationBranch> modulation_;
};

}  // namespace

std::unique_ptr<Model> make_resnet_se(const ModelOptions& options, const InputShape& input,
                                      std::int64_t classes) {
  return std::make_unique<ResnetSe>(options, input, classes);
}

}  // namespace melgrad
