// What a network is trained by, and what its logits say.
#include "engine/functions.h"
#include "engine/param.h"

namespace melgrad {

Var l2_penalty(Tape& tape, ParamStore& params) {
  const Tensor loss = tape.take({1});
  tape.ops().fill(loss, 0.0F);
  std::vector<std::pair<Var, float>> terms;
  for (Param& p : params.all()) {
    if (p.l2 == 0 || !p.trainable) continue;
    tape.ops().l2_penalty_forward(p.value, p.l2, {loss, Write::accumulate});
    terms.emplace_back(tape.param(p), p.l2);
  }
  if (terms.empty()) return tape.input(loss);
  return tape.result(loss, {terms[0].first}, [&tape, terms](Tensor dy) {
    for (const auto& [w, lambda] : terms)
      tape.ops().l2_penalty_backward(tape.value(w), lambda, dy, tape.gradient_of(w));
  });
}

CrossEntropy cross_entropy(Tape& tape, Var logits, Tensor labels, Tensor weights) {
  const Tensor z = tape.value(logits);
  const bool shares = labels.dtype == DType::f32;
  require(z.shape.rank() == 2 && (shares ? labels.shape == z.shape : labels.numel() == z.dim(0)) &&
              weights.numel() == z.dim(0),
          "cross_entropy: logits {}, labels {}, weights {}", z.shape.str(), labels.shape.str(),
          weights.shape.str());
  const Tensor probs = tape.take(z.shape), loss = tape.take({1}), hits = tape.take({1});
  tape.ops().cross_entropy_forward(z, labels, weights, probs, loss, hits);
  const Var out = tape.result(loss, {logits}, [&tape, logits, probs, labels, weights](Tensor dy) {
    tape.ops().cross_entropy_backward(probs, labels, weights, dy, tape.gradient_of(logits));
  });
  return {out, hits};
}

CrossEntropy sigmoid_cross_entropy(Tape& tape, Var logits, Tensor targets, Tensor weights,
                                   Tensor tag_weights) {
  const Tensor z = tape.value(logits);
  require(z.shape.rank() == 2 && targets.shape == z.shape && weights.numel() == z.dim(0) &&
              tag_weights.numel() == z.dim(1),
          "sigmoid_cross_entropy: logits {}, targets {}, weights {}, tag weights {}", z.shape.str(),
          targets.shape.str(), weights.shape.str(), tag_weights.shape.str());
  const Tensor probs = tape.take(z.shape), loss = tape.take({1}), hits = tape.take({1});
  tape.ops().sigmoid_cross_entropy_forward(z, targets, weights, tag_weights, probs, loss, hits);
  const Var out = tape.result(loss, {logits}, [=, &tape](Tensor dy) {
    tape.ops().sigmoid_cross_entropy_backward(probs, targets, weights, tag_weights, dy,
                                              tape.gradient_of(logits));
  });
  return {out, hits};
}

Tensor sigmoid(Tape& tape, Var logits) {
  const Tensor probs = tape.take(tape.value(logits).shape);
  tape.ops().activation_forward(tape.value(logits), Activation::sigmoid, probs);
  return probs;
}

Tensor softmax(Tape& tape, Var logits) {
  const Tensor probs = tape.take(tape.value(logits).shape);
  tape.ops().softmax_forward(tape.value(logits), probs);
  return probs;
}

}  // namespace melgrad
