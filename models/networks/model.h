// Model: a network with its parameters. One file per architecture; networks.h knows their names.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/functions.h"
#include "engine/param.h"

namespace melgrad {

struct InputShape {
  std::int64_t frames = 0, bands = 0;  // of one segment
};

// Where a model's random layers take their numbers from.
struct RandomSource {
  std::uint64_t seed = 0;
  Tensor counter;  // device scalar i64: the training step

  // For a model's k-th dropout layer, k = 1, 2, ...; without a counter there is no dropout.
  Dropout dropout(float rate, std::uint32_t k) const { return {counter ? rate : 0, seed, k, counter}; }
};

class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  // Segments x [N, frames, bands, 1] -> logits [N, classes] of each branch of the network, of most the one;
  // each is trained by a loss of its own, so that none leaves to another what it could learn itself. x is
  // standardised in place if the model does that.
  std::vector<Var> answers(Tape& tape, Tensor x, const RandomSource& random);
  // What the network answers: their mean.
  Var logits(Tape& tape, Tensor x, const RandomSource& random);
  // What the last layer sees of the segments, N rows of the width of its input; no dropout.
  Var embedding(Tape& tape, Tensor x);

  // Subtract each band's mean and divide by its deviation first: statistics of the training tracks, [bands].
  void standardise_input(Device& device, const std::vector<float>& mean, const std::vector<float>& deviation);
  const Tensor& input_mean() const { return mean_; }    // [bands]; empty when the input is used as it is
  const Tensor& input_scale() const { return scale_; }  // [bands] 1 / deviation

  ParamStore& params() { return params_; }
  const ParamStore& params() const { return params_; }

 protected:
  // All but the last layer.
  virtual Var embed(Tape& tape, Var x, const RandomSource& random) = 0;
  // The last layer, and the dropout before it; of a network of several branches that of each, which then
  // overrides answers_of.
  virtual Var classify(Tape& tape, Var h, const RandomSource& random) = 0;
  virtual std::vector<Var> answers_of(Tape& tape, Var h, const RandomSource& random);
  ParamStore params_;

 private:
  Var input(Tape& tape, Tensor x) const;

  std::optional<Slab> input_;
  Tensor mean_, scale_;
};

}  // namespace melgrad
