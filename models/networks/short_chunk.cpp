// Short-chunk CNN, with max pooling or with residual blocks of stride 2 (Won et al. 2020).
// 16 kHz, 128 HTK mel bands in dB, 59,049 samples = 231 frames; channels times model.width.
//
//   layer                                     short-chunk [T, F, C]     short-chunk-res [T, F, C]
//   log-mel, norm                             231 x 128 x 1             231 x 128 x 1
//   conv 128 @ 3x3, norm, ReLU, pool 2x2      115 x  64 x 128           116 x  64 x 128   a block of stride 2
//   128                                        57 x  32 x 128            58 x  32 x 128   instead
//   256                                        28 x  16 x 256            29 x  16 x 256
//   256                                        14 x   8 x 256            15 x   8 x 256
//   256                                         7 x   4 x 256             8 x   4 x 256
//   256                                         3 x   2 x 256             4 x   2 x 256
//   512                                         1 x   1 x 512             2 x   1 x 512
//   max over time                             512                       512
//   dense 512, norm, ReLU, dropout .5         512                       512
//   dense                                    tags                      tags
//   parameters with 50 tags             3,687,348                12,104,244
//
// A block: conv @ 3x3 stride 2, norm, ReLU, conv @ 3x3, norm; plus conv @ 3x3 stride 2, norm of the input;
// ReLU.
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

const std::vector<std::int64_t> kShortChunkChannels = {128, 128, 256, 256, 256, 256, 512};

class ShortChunkBlock {
 public:
  ShortChunkBlock(ParamStore& params, const std::string& name, std::int64_t in, std::int64_t out)
      : first_(params, name + ".first", in, out, {.conv = kHalve}),
        second_(params, name + ".second", out, out, {.relu = ConvBlockOptions::Relu::none}),
        shortcut_(params, name + ".shortcut", in, out,
                  {.conv = kHalve, .relu = ConvBlockOptions::Relu::none}) {}
  static void pass(Extents& extents) { extents.convolve(3, 3, kHalve); }
  Var operator()(Tape& tape, Var x) const {
    const Var h = second_(tape, first_(tape, x));
    return relu(tape, add(tape, shortcut_(tape, x), h));
  }

 private:
  static constexpr Conv2d kHalve{2, 2, 1, 1};
  ConvBlock first_, second_, shortcut_;
};

class PoolingBlock {
 public:
  PoolingBlock(ParamStore& params, const std::string& name, std::int64_t in, std::int64_t out)
      : block_(params, name, in, out, kOptions) {}
  static void pass(Extents& extents) { extents.pass(kOptions); }
  Var operator()(Tape& tape, Var x) const { return block_(tape, x); }

 private:
  static constexpr ConvBlockOptions kOptions{.pool = {2, 2}};
  ConvBlock block_;
};

template <typename Block>
class ShortChunk final : public Model {
 public:
  ShortChunk(const ModelOptions& o, const InputShape& input, std::int64_t classes)
      : norm_(params_, "norm", 1),
        blocks_(make_blocks(params_, o, input)),
        pool_(params_, "pool", scaled(512, o.width), o.pooling, Pooling::max),
        dense1_(params_, "dense1", pool_.width(), scaled(512, o.width)),
        dense_norm_(params_, "dense1.norm", scaled(512, o.width)),
        dense2_(params_, "dense2", scaled(512, o.width), classes) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    Var h = norm_(tape, x);
    for (const Block& block : blocks_) h = block(tape, h);
    h = dense1_(tape, pool_(tape, h, tape.value(x).dim(0)));
    return relu(tape, dense_norm_(tape, h));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense2_(tape, dropout(tape, h, random.dropout(0.5F, 1)));
  }

 private:
  static std::vector<Block> make_blocks(ParamStore& params, const ModelOptions& o, const InputShape& input) {
    Extents extents(o.architecture, input);
    std::vector<Block> blocks;
    std::int64_t in = 1;
    for (const std::int64_t out : scaled(kShortChunkChannels, o.width)) {
      Block::pass(extents);
      blocks.emplace_back(params, "block" + std::to_string(blocks.size() + 1), in, out);
      in = out;
    }
    extents.expect_bands(1);
    return blocks;
  }

  BatchNormLayer norm_;
  std::vector<Block> blocks_;
  TimePool pool_;
  DenseLayer dense1_;
  BatchNormLayer dense_norm_;
  DenseLayer dense2_;
};

}  // namespace

std::unique_ptr<Model> make_short_chunk(const ModelOptions& options, const InputShape& input,
                                        std::int64_t classes) {
  return std::make_unique<ShortChunk<PoolingBlock>>(options, input, classes);
}

std::unique_ptr<Model> make_short_chunk_res(const ModelOptions& options, const InputShape& input,
                                            std::int64_t classes) {
  return std::make_unique<ShortChunk<ShortChunkBlock>>(options, input, classes);
}

}  // namespace melgrad
