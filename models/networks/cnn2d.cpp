// Convolutions over a log spectrogram of a whole clip, then two recurrent layers: the study's three networks,
// and CRNN (Choi et al. 2017) in the form of Won et al. 2020, from which theirs differ by dropout and by the
// linear spectrogram. 16 kHz, n_fft 512, hop 256, 29 s = 1,813 frames; channels times model.width.
//
//   layer                              linear [T, F, C]      mel and crnn [T, F, C]
//   spectrogram without bin 0          1,813 x 256 x 1       1,813 x 96 x 1
//   norm
//   conv 64 @ 3x3, norm, ReLU, pool      906 x  64 x 64        906 x 48 x 64
//   conv 128 @ 3x3, norm, ReLU, pool     302 x  16 x 128       302 x 16 x 128
//   conv 128 @ 3x3, norm, ReLU, pool      75 x   4 x 128        75 x  4 x 128
//   conv 128 @ 3x3, norm, ReLU, pool      18 x   1 x 128        18 x  1 x 128
//   2 recurrent layers, last state        32                    32
//   dropout, dense                       tags                  tags
//
// Dropout: the study .1 behind each block and .3 before the dense layer; crnn .5 there only.
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

struct Shapes {
  bool drop_first_bin = false;
  Pool2d pool[4];
};
constexpr Shapes kLinear{true, {{2, 4}, {3, 4}, {4, 4}, {4, 4}}};
constexpr Shapes kMel{false, {{2, 2}, {3, 3}, {4, 4}, {4, 4}}};

struct Rates {
  float block, dense;
};

class Cnn2d final : public Model {
 public:
  Cnn2d(const ModelOptions& o, const InputShape& input, std::int64_t classes, Cell cell, Rates rates)
      : drop_first_bin_(input.bands > 256),
        rates_(rates),
        norm_(params_, "norm", 1),
        blocks_(make_blocks(params_, o, {input.frames, input.bands - (drop_first_bin_ ? 1 : 0)})),
        recurrent_(params_, "recurrent", cell, scaled(128, o.width), scaled(32, o.width), 2),
        dense_(params_, "dense", scaled(32, o.width), classes) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& random) override {
    Var h = norm_(tape, drop_first_bin_ ? without_first_bin(tape, x) : x);
    std::uint32_t stream = 1;
    for (const ConvBlock& block : blocks_)
      h = dropout(tape, block(tape, h), random.dropout(rates_.block, stream++));
    return recurrent_(tape, h);
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    const auto stream = static_cast<std::uint32_t>(blocks_.size()) + 1;
    return dense_(tape, dropout(tape, h, random.dropout(rates_.dense, stream)));
  }

 private:
  static std::vector<ConvBlock> make_blocks(ParamStore& params, const ModelOptions& o,
                                            const InputShape& input) {
    Extents extents(o.architecture, input);
    const Shapes& shapes = input.bands >= 256 ? kLinear : kMel;
    std::vector<ConvBlock> blocks;
    std::int64_t in = 1;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::int64_t out = scaled(k == 0 ? 64 : 128, o.width);
      const ConvBlockOptions options{.pool = shapes.pool[k]};
      extents.pass(options);
      blocks.emplace_back(params, "block" + std::to_string(k + 1), in, out, options);
      in = out;
    }
    extents.expect_bands(1);
    return blocks;
  }

  static Var without_first_bin(Tape& tape, Var x) {
    const Tensor in = tape.value(x);
    const std::int64_t bands = in.dim(2) - 1, rows = in.dim(0) * in.dim(1);
    const Tensor out = tape.take({in.dim(0), in.dim(1), bands, 1});
    tape.ops().copy_columns(in.reshape({rows, bands + 1}), 1, out.reshape({rows, bands}), 0, bands,
                            Write::overwrite);
    return tape.input(out);
  }

  bool drop_first_bin_;
  Rates rates_;
  BatchNormLayer norm_;
  std::vector<ConvBlock> blocks_;
  RecurrentStack recurrent_;
  DenseLayer dense_;
};

}  // namespace

std::unique_ptr<Model> make_cnn2d(const ModelOptions& options, const InputShape& input, std::int64_t classes,
                                  Cell cell) {
  return std::make_unique<Cnn2d>(options, input, classes, cell, Rates{0.1F, 0.3F});
}

std::unique_ptr<Model> make_crnn(const ModelOptions& options, const InputShape& input, std::int64_t classes) {
  return std::make_unique<Cnn2d>(options, input, classes, Cell::gru, Rates{0, 0.5F});
}

}  // namespace melgrad
