// Sample-level CNN (Lee et al. 2017) on raw samples, and its form with squeeze-and-excitation and residual
// blocks (Kim et al. 2018), both as in Won et al. 2020. 16 kHz, 59,049 = 3^10 samples; channels times
// model.width.
//
//   layer                                          sample-cnn [T, C]   sample-cnn-se [T, C]
//   samples                                        59,049 x 1          59,049 x 1
//   conv 128 @ 3 stride 3, norm, ReLU | block      19,683 x 128        19,683 x 128
//   9 x conv @ 3, norm, ReLU | block, max pool 3        1 x 512             1 x 512
//     of 128 128 256 256 256 256 256 256 512
//   conv 512 @ 1, norm, ReLU | block @ 1                1 x 512             1 x 512
//   dense 512, norm, ReLU                                                   512
//   dropout .5, dense                                tags                tags
//   parameters with 50 tags                        1,869,874           6,951,858
//
// A block: conv @ 3, norm, ReLU, conv @ 3, norm; scaled per channel by sigmoid(dense(ReLU(dense(mean over
// time)))); plus the input, by way of conv @ 3 and norm where the channels or the length change; ReLU.
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

const std::vector<std::int64_t> kSampleChannels = {128, 128, 256, 256, 256, 256, 256, 256, 512};
constexpr ConvBlockOptions kFirst{.kernel_t = 3, .kernel_f = 1, .conv = {3, 1, 1, 0}};

class SampleCnn final : public Model {
 public:
  SampleCnn(const ModelOptions& o, Extents extents, std::int64_t classes) {
    std::int64_t in = scaled(128, o.width);
    extents.pass(kFirst);
    blocks_.emplace_back(params_, "block1", 1, in, kFirst);
    for (const std::int64_t channels : scaled(kSampleChannels, o.width)) {
      const ConvBlockOptions options = over_time(3, 3);
      extents.pass(options);
      blocks_.emplace_back(params_, "block" + std::to_string(blocks_.size() + 1), in, channels, options);
      in = channels;
    }
    blocks_.emplace_back(params_, "block" + std::to_string(blocks_.size() + 1), in, in, over_time(1));
    dense_.emplace(params_, "dense", extents.frames() * in, classes);
  }

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    for (const ConvBlock& block : blocks_) x = block(tape, x);
    return x;
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return (*dense_)(tape, dropout(tape, h, random.dropout(0.5F, 1)));
  }

 private:
  std::vector<ConvBlock> blocks_;
  std::optional<DenseLayer> dense_;
};

class ExcitationBlock {
 public:
  // `conv` is the first convolution; the second has its kernel.
  ExcitationBlock(ParamStore& params, const std::string& name, std::int64_t in, std::int64_t out,
                  const ConvBlockOptions& conv, std::int64_t pool)
      : first_(params, name + ".first", in, out, conv),
        second_(params, name + ".second", out, out, without_relu(over_time(conv.kernel_t))),
        squeeze_(params, name + ".squeeze", out, out),
        excite_(params, name + ".excite", out, out),
        pool_(pool) {
    if (in != out || conv.conv.stride_t != 1)
      shortcut_.emplace(params, name + ".shortcut", in, out, without_relu(conv));
  }

  Var operator()(Tape& tape, Var x) const {
    Var h = second_(tape, first_(tape, x));
    const Var mean = global_mean(tape, h, tape.value(h).dim(0));
    const Var gate = activation(tape, excite_(tape, relu(tape, squeeze_(tape, mean))), Activation::sigmoid);
    h = scale_channels(tape, h, gate);
    h = relu(tape, add(tape, shortcut_ ? (*shortcut_)(tape, x) : x, h));
    return pool_ > 1 ? max_pool(tape, h, {pool_, 1}) : h;
  }

 private:
  static ConvBlockOptions without_relu(ConvBlockOptions options) {
    options.relu = ConvBlockOptions::Relu::none;
    return options;
  }

  ConvBlock first_, second_;
  DenseLayer squeeze_, excite_;
  std::optional<ConvBlock> shortcut_;
  std::int64_t pool_;
};

class SampleCnnSe final : public Model {
 public:
  SampleCnnSe(const ModelOptions& o, Extents extents, std::int64_t classes) {
    std::int64_t in = scaled(128, o.width);
    extents.pass(kFirst);
    blocks_.emplace_back(params_, "block1", 1, in, kFirst, 1);
    for (const std::int64_t channels : scaled(kSampleChannels, o.width)) {
      extents.pool({3, 1});
      blocks_.emplace_back(params_, "block" + std::to_string(blocks_.size() + 1), in, channels, over_time(3),
                           3);
      in = channels;
    }
    blocks_.emplace_back(params_, "block" + std::to_string(blocks_.size() + 1), in, in, over_time(1), 1);
    dense1_.emplace(params_, "dense1", extents.frames() * in, in);
    norm_.emplace(params_, "dense1.norm", in);
    dense2_.emplace(params_, "dense2", in, classes);
  }

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    for (const ExcitationBlock& block : blocks_) x = block(tape, x);
    return relu(tape, (*norm_)(tape, (*dense1_)(tape, x)));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return (*dense2_)(tape, dropout(tape, h, random.dropout(0.5F, 1)));
  }

 private:
  std::vector<ExcitationBlock> blocks_;
  std::optional<DenseLayer> dense1_, dense2_;
  std::optional<BatchNormLayer> norm_;
};

Extents samples(const ModelOptions& options, const InputShape& input) {
  Extents extents(options.architecture, input);
  extents.expect_bands(1);
  return extents;
}

}  // namespace

std::unique_ptr<Model> make_sample_cnn(const ModelOptions& options, const InputShape& input,
                                       std::int64_t classes) {
  return std::make_unique<SampleCnn>(options, samples(options, input), classes);
}

std::unique_ptr<Model> make_sample_cnn_se(const ModelOptions& options, const InputShape& input,
                                          std::int64_t classes) {
  return std::make_unique<SampleCnnSe>(options, samples(options, input), classes);
}

}  // namespace melgrad
