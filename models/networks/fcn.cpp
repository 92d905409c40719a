// FCN (Choi et al. 2016) in the form of Won et al. 2020: convolutions over a whole clip down to one point.
// 16 kHz, 96 HTK mel bands in dB, 29 s = 1,813 frames; channels times model.width.
//
//   layer                                  shape [T, F, C]
//   log-mel, norm                          1,813 x 96 x 1
//   conv 64 @ 3x3, norm, ReLU, pool 4x2      453 x 48 x 64
//   conv 128 @ 3x3, norm, ReLU, pool 4x2     113 x 24 x 128
//   conv 128 @ 3x3, norm, ReLU, pool 4x2      28 x 12 x 128
//   conv 128 @ 3x3, norm, ReLU, pool 5x3       5 x  4 x 128
//   conv 64 @ 3x3, norm, ReLU, pool 4x4        1 x  1 x 64
//   dropout .5, dense                        tags
//   parameters                             447,732 with 50 tags
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

constexpr Pool2d kPools[] = {{4, 2}, {4, 2}, {4, 2}, {5, 3}, {4, 4}};

class Fcn final : public Model {
 public:
  Fcn(const ModelOptions& o, Extents extents, std::int64_t classes)
      : norm_(params_, "norm", 1),
        blocks_(make_blocks(params_, extents, scaled({64, 128, 128, 128, 64}, o.width))),
        dense_(params_, "dense", extents.frames() * extents.bands() * scaled(64, o.width), classes) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    Var h = norm_(tape, x);
    for (const ConvBlock& block : blocks_) h = block(tape, h);
    return h;
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense_(tape, dropout(tape, h, random.dropout(0.5F, 1)));
  }

 private:
  static std::vector<ConvBlock> make_blocks(ParamStore& params, Extents& extents,
                                            const std::vector<std::int64_t>& channels) {
    std::vector<ConvBlock> blocks;
    std::int64_t in = 1;
    for (std::size_t k = 0; k < channels.size(); ++k) {
      const ConvBlockOptions options{.pool = kPools[k]};
      extents.pass(options);
      blocks.emplace_back(params, "block" + std::to_string(k + 1), in, channels[k], options);
      in = channels[k];
    }
    return blocks;
  }

  BatchNormLayer norm_;
  std::vector<ConvBlock> blocks_;
  DenseLayer dense_;
};

}  // namespace

std::unique_ptr<Model> make_fcn(const ModelOptions& options, const InputShape& input, std::int64_t classes) {
  return std::make_unique<Fcn>(options, Extents(options.architecture, input), classes);
}

}  // namespace melgrad
