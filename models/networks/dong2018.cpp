// The network of Dong 2018 (arXiv 1802.09697): two convolutions, two dense layers. In the paper's terms a
// segment is mel x time and kernels are (mel, time); here time comes first.
//
//   layer                            shape [T, F, C], 256 frames x 64 bands, c = filters
//   segment                          256 x 64 x 1
//   conv c @ 3x3, ReLU               254 x 62 x c
//   max pool 4 x 2                    63 x 31 x c
//   conv 64 @ 5x3, ReLU               59 x 29 x 64
//   max pool 4 x 2                    14 x 14 x 64
//   dropout, dense 32, ReLU           32              (input 12,544)
//   dropout, dense 10                 10
//   parameters                        432,874 / 463,914 / 494,954 for c = 32 / 64 / 96
#include "engine/param.h"
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

constexpr Pool2d kPool{4, 2};
constexpr std::int64_t kConv2 = 64, kHidden = 32;

class Dong2018 final : public Model {
 public:
  Dong2018(const ModelOptions& o, const Extents& flat, std::int64_t classes)
      : rate_(static_cast<float>(o.dropout)),
        conv1_(params_, "conv1", o.filters, 3, 3, kPool, static_cast<float>(o.l2_conv)),
        conv2_(params_, "conv2", o.filters, kConv2, 5, 3, {}, Init::glorot, static_cast<float>(o.l2_conv)),
        dense1_(params_, "dense1", flat.frames() * flat.bands() * kConv2, kHidden,
                static_cast<float>(o.l2_dense)),
        dense2_(params_, "dense2", kHidden, classes) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& random) override {
    // ReLU and max pooling commute, in value and in gradient; pooling first leaves an eighth of the work.
    const Var h = relu(tape, max_pool(tape, conv2_(tape, conv1_(tape, x)), kPool));
    return relu(tape, dense1_(tape, dropout(tape, h, random.dropout(rate_, 1))));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense2_(tape, dropout(tape, h, random.dropout(rate_, 2)));
  }

 private:
  float rate_;
  StemLayer conv1_;
  ConvLayer conv2_;
  DenseLayer dense1_, dense2_;
};

}  // namespace

std::unique_ptr<Model> make_dong2018(const ModelOptions& options, const InputShape& input,
                                     std::int64_t classes) {
  Extents extents(options.architecture, input);
  extents.convolve(3, 3, {});
  extents.pool(kPool);
  extents.convolve(5, 3, {});
  extents.pool(kPool);
  return std::make_unique<Dong2018>(options, extents, classes);
}

}  // namespace melgrad
