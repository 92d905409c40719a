// In the paper's terms a segment is mel x time and kernels are (mel, time); here time comes first.
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
#include "models/networks/dong2018.h"

#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr Pool2d kPool{4, 2};
constexpr std::int64_t kConv2Filters = 64, kHidden = 32;

std::int64_t pooled(std::int64_t in, std::int64_t kernel, std::int64_t pool) {
  return (in - kernel + 1) / pool;
}

class Dong2018 final : public Model {
 public:
  Dong2018(const ModelOptions& o, std::int64_t flat, std::int64_t classes)
      : rate_(static_cast<float>(o.dropout)),
        conv1_w_(params_.weight("conv1.weight", {o.filters, 3, 3, 1}, static_cast<float>(o.l2_conv))),
        conv1_b_(params_.bias("conv1.bias", o.filters)),
        conv2_w_(
            params_.weight("conv2.weight", {kConv2Filters, 5, 3, o.filters}, static_cast<float>(o.l2_conv))),
        conv2_b_(params_.bias("conv2.bias", kConv2Filters)),
        dense1_w_(params_.weight("dense1.weight", {kHidden, flat}, static_cast<float>(o.l2_dense))),
        dense1_b_(params_.bias("dense1.bias", kHidden)),
        dense2_w_(params_.weight("dense2.weight", {classes, kHidden})),
        dense2_b_(params_.bias("dense2.bias", classes)) {}

 protected:
  Var forward(Tape& tape, Var x, const RandomSource& random) override {
    const Var h = dropout(tape, embed(tape, x, random), random.dropout(rate_, 2));
    return linear(tape, h, dense2_w_, dense2_b_);
  }
  Var embed(Tape& tape, Var x, const RandomSource& random) override {
    Var h = stem(tape, x, conv1_w_, conv1_b_, kPool);
    h = conv2d(tape, h, conv2_w_, conv2_b_);
    // ReLU and max pooling commute, in value and in gradient; pooling first leaves an eighth of the work.
    h = relu(tape, max_pool(tape, h, kPool));
    h = dropout(tape, h, random.dropout(rate_, 1));
    return relu(tape, linear(tape, h, dense1_w_, dense1_b_));
  }

 private:
  float rate_;
  Param &conv1_w_, &conv1_b_, &conv2_w_, &conv2_b_, &dense1_w_, &dense1_b_, &dense2_w_, &dense2_b_;
};

}  // namespace

std::unique_ptr<Model> make_dong2018(const ModelOptions& options, const InputShape& input,
                                     std::int64_t classes) {
  const std::int64_t t = pooled(pooled(input.frames, 3, kPool.frames), 5, kPool.frames);
  const std::int64_t f = pooled(pooled(input.bands, 3, kPool.bands), 3, kPool.bands);
  if (t < 1 || f < 1) {
    fail(ErrorKind::usage, "model dong2018: {} frames x {} bands are too few; it needs at least 34 x 10",
         input.frames, input.bands);
  }
  return std::make_unique<Dong2018>(options, t * f * kConv2Filters, classes);
}

}  // namespace melgrad
