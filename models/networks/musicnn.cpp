// Musicnn (Pons et al. 2018) in the form of Won et al. 2020: filters as high as a timbre and as long as a
// rhythm side by side, then three dense layers of convolutions over time.
// 16 kHz, 96 HTK mel bands in dB, 3 s = 188 frames; channels times model.width.
//
//   layer                                                      shape [T, F, C]
//   log-mel, norm                                              188 x 96 x 1
//   timbre: conv 204 @ 7x67 and @ 7x38, norm, ReLU, max over F 188 x  1 x 408
//   rhythm: mean over F, conv 51 @ 129, 65 and 33, norm, ReLU  188 x  1 x 153
//   side by side                                        h0     188 x  1 x 561
//   conv 64 @ 7, norm, ReLU                             h1     188 x  1 x 64
//   conv 64 @ 7, norm, ReLU, + h1                       h2     188 x  1 x 64
//   conv 64 @ 7, norm, ReLU, + h2                       h3     188 x  1 x 64
//   h0 h1 h2 h3 side by side, maximum and mean over T            1,506
//   dense, norm, ReLU, dropout .5                                200
//   dense                                                       tags
//   parameters                                                 784,300 with 50 tags
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

constexpr std::int64_t kTimbreHeights[] = {67, 38}, kRhythmLengths[] = {129, 65, 33};

class Musicnn final : public Model {
 public:
  Musicnn(const ModelOptions& o, const InputShape& input, std::int64_t classes) : norm_(params_, "norm", 1) {
    const std::int64_t timbre = scaled(204, o.width), rhythm = scaled(51, o.width), mid = scaled(64, o.width);
    for (const std::int64_t height : kTimbreHeights) {
      Extents extents(o.architecture, input);
      const ConvBlockOptions options{
          .kernel_t = 7, .kernel_f = height, .conv = {1, 1, 3, 0}, .pool = {1, input.bands - height + 1}};
      extents.pass(options);
      timbre_.emplace_back(params_, "timbre" + std::to_string(height), 1, timbre, options);
    }
    for (const std::int64_t length : kRhythmLengths)
      rhythm_.emplace_back(params_, "rhythm" + std::to_string(length), 1, rhythm, over_time(length));
    const std::int64_t front = 2 * timbre + 3 * rhythm;
    for (int k = 0; k < 3; ++k)
      mid_.emplace_back(params_, "mid" + std::to_string(k + 1), k == 0 ? front : mid, mid, over_time(7));
    const std::int64_t hidden = scaled(200, o.width);
    pool_.emplace(params_, "pool", front + 3 * mid, o.pooling, Pooling::max_mean);
    dense1_.emplace(params_, "dense1", pool_->width(), hidden);
    dense_norm_.emplace(params_, "dense1.norm", hidden);
    dense2_.emplace(params_, "dense2", hidden, classes);
  }

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    const Var h = norm_(tape, x);
    std::vector<Var> front;
    for (const ConvBlock& block : timbre_) front.push_back(block(tape, h));
    const Var mean = mean_over_bands(tape, h);
    for (const ConvBlock& block : rhythm_) front.push_back(block(tape, mean));

    const Var pooled =
        (*pool_)(tape, densely_connected(tape, concat(tape, front), mid_), tape.value(x).dim(0));
    return relu(tape, (*dense_norm_)(tape, (*dense1_)(tape, pooled)));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return (*dense2_)(tape, dropout(tape, h, random.dropout(0.5F, 1)));
  }

 private:
  BatchNormLayer norm_;
  std::vector<ConvBlock> timbre_, rhythm_, mid_;
  std::optional<TimePool> pool_;
  std::optional<DenseLayer> dense1_, dense2_;
  std::optional<BatchNormLayer> dense_norm_;
};

}  // namespace

std::unique_ptr<Model> make_musicnn(const ModelOptions& options, const InputShape& input,
                                    std::int64_t classes) {
  return std::make_unique<Musicnn>(options, input, classes);
}

}  // namespace melgrad
