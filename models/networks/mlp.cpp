// A network of one hidden layer over all values of a segment, for segments that are embeddings already
// (models/embeddings/probe.h); hidden units times model.width.
//
//   layer                    shape
//   segment                  frames bands
//   dense 512, ReLU          512
//   dropout, dense           classes
#include "engine/layers.h"
#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

class Mlp final : public Model {
 public:
  Mlp(const ModelOptions& o, const InputShape& input, std::int64_t classes)
      : hidden_(params_, "hidden", input.frames * input.bands, scaled(512, o.width)),
        dense_(params_, "dense", scaled(512, o.width), classes),
        dropout_(static_cast<float>(o.dropout)) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override {
    return relu(tape, hidden_(tape, x));
  }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return dense_(tape, dropout(tape, h, random.dropout(dropout_, 1)));
  }

 private:
  DenseLayer hidden_, dense_;
  float dropout_;
};

}  // namespace

std::unique_ptr<Model> make_mlp(const ModelOptions& options, const InputShape& input, std::int64_t classes) {
  return std::make_unique<Mlp>(options, input, classes);
}

}  // namespace melgrad
