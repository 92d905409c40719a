// The study's networks on raw samples: a narrow Sample-level CNN, alone, with a recurrent layer behind it, or
// over several chunks of a clip. 16 kHz, 59,049 = 3^10 samples (3.69 s); channels times model.width.
//
//   layer                                    cnn1d [T, C]      cnn1d-rnn, -lstm, -gru    cnn1d-chunks
//   samples                                  59,049 x 1        59,049 x 1                K x 59,049 x 1
//   conv 64 @ 3 stride 3, norm, ReLU         19,683 x 64       19,683 x 64               as cnn1d
//   conv 64 @ 3, norm, ReLU, max pool 3       6,561 x 64        6,561 x 64
//   conv 64 @ 3, norm, ReLU, max pool 3       2,187 x 64        2,187 x 64
//   conv 128 @ 3, norm, ReLU, max pool 3        729 x 128         729 x 128
//   conv 128 @ 3, norm, ReLU, max pool 3        243 x 128         243 x 128
//   conv @ 3, norm, ReLU, max pool 3             81 x 128          81 x 256
//   conv 256 @ 3, norm, ReLU, max pool 3         27 x 256
//   conv 256 @ 3, norm, ReLU, max pool 3          9 x 256                                9 K x 256
//   recurrent layer, last state                                      128
//   max over time (and chunks)                                                             256
//   dropout .5 (cnn1d, recurrent ones)         2,304             128
//   dense, ReLU, dropout .5                      128                                       128
//   dense                                       tags              tags                     tags
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

constexpr std::int64_t kChunk = 59049;
constexpr float kDropout = 0.5F;

// The convolutions that all of them begin with.
class SampleStack {
 public:
  SampleStack(ParamStore& params, Extents& extents, const std::vector<std::int64_t>& channels)
      : out_(channels.back()) {
    const ConvBlockOptions first{.kernel_t = 3, .kernel_f = 1, .conv = {3, 1, 0, 0}};
    std::int64_t in = 1;
    for (std::size_t k = 0; k < channels.size(); ++k) {
      const ConvBlockOptions options = k == 0 ? first : over_time(3, 3);
      extents.pass(options);
      blocks_.emplace_back(params, "block" + std::to_string(k), in, channels[k], options);
      in = channels[k];
    }
  }
  Var operator()(Tape& tape, Var x) const {
    for (const ConvBlock& block : blocks_) x = block(tape, x);
    return x;
  }
  std::int64_t channels() const { return out_; }

 private:
  std::vector<ConvBlock> blocks_;
  std::int64_t out_;
};

class Cnn1d final : public Model {
 public:
  Cnn1d(const ModelOptions& o, Extents extents, std::int64_t classes)
      : stack_(params_, extents, scaled({64, 64, 64, 128, 128, 128, 256, 256}, o.width)),
        dense1_(params_, "dense1", extents.frames() * stack_.channels(), scaled(128, o.width)),
        dense2_(params_, "dense2", scaled(128, o.width), classes) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& random) override {
    const Var h = dropout(tape, stack_(tape, x), random.dropout(kDropout, 1));
    return relu(tape, dense1_(tape, h));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense2_(tape, dropout(tape, h, random.dropout(kDropout, 2)));
  }

 private:
  SampleStack stack_;
  DenseLayer dense1_, dense2_;
};

class Cnn1dRecurrent final : public Model {
 public:
  Cnn1dRecurrent(const ModelOptions& o, Extents extents, std::int64_t classes, Cell cell)
      : stack_(params_, extents, scaled({64, 64, 64, 128, 128, 256}, o.width)),
        recurrent_(params_, "recurrent", cell, stack_.channels(), scaled(128, o.width), 1),
        dense_(params_, "dense", scaled(128, o.width), classes) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    return recurrent_(tape, stack_(tape, x));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense_(tape, dropout(tape, h, random.dropout(kDropout, 1)));
  }

 private:
  SampleStack stack_;
  RecurrentStack recurrent_;
  DenseLayer dense_;
};

class Cnn1dChunks final : public Model {
 public:
  Cnn1dChunks(const ModelOptions& o, Extents extents, std::int64_t chunk, std::int64_t classes)
      : chunk_(chunk),
        stack_(params_, extents, scaled({64, 64, 64, 128, 128, 128, 256, 256}, o.width)),
        pool_(params_, "pool", stack_.channels(), o.pooling, Pooling::max),
        dense1_(params_, "dense1", pool_.width(), scaled(128, o.width)),
        dense2_(params_, "dense2", scaled(128, o.width), classes) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    const Tensor samples = tape.value(x);
    const std::int64_t examples = samples.dim(0);
    const Var chunks = tape.input(samples.reshape({samples.numel() / chunk_, chunk_, 1, 1}));
    return relu(tape, dense1_(tape, pool_(tape, stack_(tape, chunks), examples)));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense2_(tape, dropout(tape, h, random.dropout(kDropout, 1)));
  }

 private:
  std::int64_t chunk_;
  SampleStack stack_;
  TimePool pool_;
  DenseLayer dense1_, dense2_;
};

}  // namespace

std::unique_ptr<Model> make_cnn1d(const ModelOptions& options, const InputShape& input,
                                  std::int64_t classes) {
  const Extents extents(options.architecture, input);
  extents.expect_bands(1);
  return std::make_unique<Cnn1d>(options, extents, classes);
}

std::unique_ptr<Model> make_cnn1d_recurrent(const ModelOptions& options, const InputShape& input,
                                            std::int64_t classes, Cell cell) {
  const Extents extents(options.architecture, input);
  extents.expect_bands(1);
  return std::make_unique<Cnn1dRecurrent>(options, extents, classes, cell);
}

std::unique_ptr<Model> make_cnn1d_chunks(const ModelOptions& options, const InputShape& input,
                                         std::int64_t classes) {
  const std::int64_t chunk = std::min(kChunk, input.frames);
  const Extents extents(options.architecture, {chunk, input.bands});
  extents.expect_bands(1);
  if (input.frames % chunk != 0) {
    fail(ErrorKind::usage, "model {}: a segment of {} samples is not a whole number of chunks of {}",
         options.architecture, input.frames, chunk);
  }
  return std::make_unique<Cnn1dChunks>(options, extents, chunk, classes);
}

}  // namespace melgrad
