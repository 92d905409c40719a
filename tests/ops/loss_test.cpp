#include <cmath>
#include <limits>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

struct Operands {
  Array<float> logits, weights;
  Array<std::int32_t> labels;
};

// Weights of 0 (padding, with a label that must not be read), 1 and fractions.
Operands operands(const cases::Classes& k, double range) {
  Random random(1);
  Operands in{random.array<float>({k.examples, k.classes}, -range, range), Array<float>({k.examples}),
              Array<std::int32_t>({k.examples})};
  for (Index n = 0; n < k.examples; ++n) {
    const bool padding = n % 5 == 3;
    in.weights[n] = padding ? 0.0F : n % 3 == 1 ? 0.37F : 1.0F;
    in.labels[n] = padding ? std::numeric_limits<std::int32_t>::max()
                           : static_cast<std::int32_t>(random.below(k.classes));
  }
  return in;
}

constexpr double kRanges[] = {1, 10, 300};  // of the logits; exp(300) overflows in float

TEST_P(OpTest, softmax_forward) {
  for (const cases::Classes& k : cases::classes())
    for (const double range : kRanges) {
      SCOPED_TRACE(k.name);
      const auto logits = operands(k, range).logits;
      const auto expected = reference::softmax_forward(logits.as<double>());
      Check c = check("softmax_forward");
      const Tensor x = c.input(logits), y = c.output(expected, tolerance::kSoftmax);
      c.run([&](Ops& ops) { ops.softmax_forward(x, y); });
      Check in_place = check("softmax_forward");
      const Tensor both = in_place.state(logits, expected, tolerance::kSoftmax);
      in_place.run([&](Ops& ops) { ops.softmax_forward(both, both); });
    }
}

TEST_P(OpTest, cross_entropy_forward) {
  for (const cases::Classes& k : cases::classes())
    for (const double range : kRanges) {
      SCOPED_TRACE(k.name);
      const Operands in = operands(k, range);
      const auto expected =
          reference::cross_entropy_forward(in.logits.as<double>(), in.labels, in.weights.as<double>());
      Check c = check("cross_entropy_forward");
      const Tensor logits = c.input(in.logits), labels = c.input(in.labels), weights = c.input(in.weights);
      const Tensor probs = c.output(expected.probs, tolerance::kSoftmax);
      const Tensor loss = c.output(expected.loss, tolerance::kLoss);
      const Tensor hits = c.output(expected.hits, tolerance::kReduction);
      c.run([&](Ops& ops) { ops.cross_entropy_forward(logits, labels, weights, probs, loss, hits); });
    }
}

TEST_P(OpTest, cross_entropy_forward__no_weight) {
  const auto logits_ = Random(1).array<float>({3, 5});
  Check c = check("cross_entropy_forward");
  const Tensor logits = c.input(logits_), labels = c.input(Array<std::int32_t>({3}, -7)),
               weights = c.input(Array<float>({3}, 0));
  const Tensor probs = c.output(reference::softmax_forward(logits_.as<double>()), tolerance::kSoftmax);
  const Tensor loss = c.output_exact(Array<float>({1}, 0)), hits = c.output_exact(Array<float>({1}, 0));
  c.run([&](Ops& ops) { ops.cross_entropy_forward(logits, labels, weights, probs, loss, hits); });
}

// Equal logits: the first class is the one chosen, as in the reference.
TEST_P(OpTest, cross_entropy_forward__ties) {
  for (const std::int32_t label : {0, 1}) {
    Check c = check("cross_entropy_forward");
    const Tensor logits = c.input(Array<float>({1, 4}, 2)), labels = c.input(Array<std::int32_t>({1}, label)),
                 weights = c.input(Array<float>({1}, 1));
    const Tensor probs = c.output(Array<double>({1, 4}, 0.25), tolerance::kSoftmax);
    const Tensor loss = c.output(Array<double>({1}, std::log(4.0)), tolerance::kLoss);
    const Tensor hits = c.output_exact(Array<float>({1}, label == 0 ? 1.0F : 0.0F));
    c.run([&](Ops& ops) { ops.cross_entropy_forward(logits, labels, weights, probs, loss, hits); });
  }
}

TEST_P(OpTest, cross_entropy_backward) {
  for (const cases::Classes& k : cases::classes()) {
    SCOPED_TRACE(k.name);
    const Operands in = operands(k, 3);
    const auto probs_ = reference::softmax_forward(in.logits);
    const auto expected =
        reference::cross_entropy_backward(probs_.as<double>(), in.labels, in.weights.as<double>(), -1.75);
    Check c = check("cross_entropy_backward");
    const Tensor probs = c.input(probs_), labels = c.input(in.labels), weights = c.input(in.weights),
                 dloss = c.input(Array<float>({1}, -1.75F));
    const Grad& dlogits = c.gradient(expected, tolerance::kSoftmax);
    c.run([&](Ops& ops) { ops.cross_entropy_backward(probs, labels, weights, dloss, dlogits); });
  }
}

// What mixup makes of labels: shares of two classes, of one, and padding.
Array<float> shares(const cases::Classes& k) {
  Random random(4);
  Array<float> shares({k.examples, k.classes});
  for (Index n = 0; n < k.examples; ++n) {
    const auto lambda = n % 4 == 0 ? 1.0F : static_cast<float>(random.below(1000)) / 1000;
    const Index first = random.below(k.classes);
    shares(n, first) += lambda;
    shares(n, (first + 1) % k.classes) += 1 - lambda;
  }
  return shares;
}

TEST_P(OpTest, cross_entropy_forward__shares) {
  for (const cases::Classes& k : cases::classes())
    for (const double range : kRanges) {
      SCOPED_TRACE(k.name);
      const Operands in = operands(k, range);
      const auto shares_ = shares(k);
      const auto expected = reference::cross_entropy_forward(in.logits.as<double>(), shares_.as<double>(),
                                                             in.weights.as<double>());
      Check c = check("cross_entropy_forward");
      const Tensor logits = c.input(in.logits), labels = c.input(shares_), weights = c.input(in.weights);
      const Tensor probs = c.output(expected.probs, tolerance::kSoftmax);
      const Tensor loss = c.output(expected.loss, tolerance::kLoss);
      const Tensor hits = c.output(expected.hits, tolerance::kReduction);
      c.run([&](Ops& ops) { ops.cross_entropy_forward(logits, labels, weights, probs, loss, hits); });
    }
}

TEST_P(OpTest, cross_entropy_backward__shares) {
  for (const cases::Classes& k : cases::classes()) {
    SCOPED_TRACE(k.name);
    const Operands in = operands(k, 3);
    const auto probs_ = reference::softmax_forward(in.logits), shares_ = shares(k);
    const auto expected = reference::cross_entropy_backward(probs_.as<double>(), shares_.as<double>(),
                                                            in.weights.as<double>(), -1.75);
    Check c = check("cross_entropy_backward");
    const Tensor probs = c.input(probs_), labels = c.input(shares_), weights = c.input(in.weights),
                 dloss = c.input(Array<float>({1}, -1.75F));
    const Grad& dlogits = c.gradient(expected, tolerance::kSoftmax);
    c.run([&](Ops& ops) { ops.cross_entropy_backward(probs, labels, weights, dloss, dlogits); });
  }
}

TEST_P(OpTest, cross_entropy_backward__no_weight) {
  Check c = check("cross_entropy_backward");
  const Tensor probs = c.input(Array<float>({2, 3}, 1.0F / 3)),
               labels = c.input(Array<std::int32_t>({2}, 99)), weights = c.input(Array<float>({2}, 0)),
               dloss = c.input(Array<float>({1}, 1));
  const Grad& dlogits = c.gradient(Array<double>({2, 3}), tolerance::kExact);
  c.run([&](Ops& ops) { ops.cross_entropy_backward(probs, labels, weights, dloss, dlogits); });
}

struct Tagging {
  Array<float> logits, targets, weights, tag_weights;
};

// Targets of 0, 1 and between (mixup); a weight of 0 for padding.
Tagging tagging(const cases::Classes& k, double range) {
  Random random(6);
  Tagging in{random.array<float>({k.examples, k.classes}, -range, range),
             random.array<float>({k.examples, k.classes}, 0, 1), operands(k, 1).weights,
             random.array<float>({k.classes}, 0.5, 4)};
  for (Index i = 0; i < in.targets.size(); ++i)
    if (i % 3 != 0) in.targets[i] = in.targets[i] > 0.7F ? 1.0F : 0.0F;
  return in;
}

TEST_P(OpTest, sigmoid_cross_entropy_forward) {
  for (const cases::Classes& k : cases::classes())
    for (const double range : kRanges) {
      SCOPED_TRACE(k.name);
      const Tagging in = tagging(k, range);
      const auto expected =
          reference::sigmoid_cross_entropy_forward(in.logits.as<double>(), in.targets.as<double>(),
                                                   in.weights.as<double>(), in.tag_weights.as<double>());
      Check c = check("sigmoid_cross_entropy_forward");
      const Tensor logits = c.input(in.logits), targets = c.input(in.targets), weights = c.input(in.weights),
                   tag_weights = c.input(in.tag_weights);
      const Tensor probs = c.output(expected.probs, tolerance::kActivation);
      const Tensor loss = c.output(expected.loss, tolerance::kActivation);
      const Tensor hits = c.output(expected.hits, tolerance::kReduction);
      c.run([&](Ops& ops) {
        ops.sigmoid_cross_entropy_forward(logits, targets, weights, tag_weights, probs, loss, hits);
      });
    }
}

TEST_P(OpTest, sigmoid_cross_entropy_backward) {
  for (const cases::Classes& k : cases::classes()) {
    SCOPED_TRACE(k.name);
    const Tagging in = tagging(k, 3);
    const auto probs_ = reference::activation_forward(in.logits, Activation::sigmoid);
    const auto expected = reference::sigmoid_cross_entropy_backward(
        probs_.as<double>(), in.targets.as<double>(), in.weights.as<double>(), in.tag_weights.as<double>(),
        -1.75);
    Check c = check("sigmoid_cross_entropy_backward");
    const Tensor probs = c.input(probs_), targets = c.input(in.targets), weights = c.input(in.weights),
                 tag_weights = c.input(in.tag_weights), dloss = c.input(Array<float>({1}, -1.75F));
    const Grad& dlogits = c.gradient(expected, tolerance::kSoftmax);  // targets between 0 and 1 cancel
    c.run([&](Ops& ops) {
      ops.sigmoid_cross_entropy_backward(probs, targets, weights, tag_weights, dloss, dlogits);
    });
  }
}

// Padding alone: no loss and no gradient.
TEST_P(OpTest, sigmoid_cross_entropy_forward__no_weight) {
  const Tagging in = tagging({"", 3, 5}, 1);
  Check c = check("sigmoid_cross_entropy_forward");
  const Tensor logits = c.input(in.logits), targets = c.input(in.targets),
               weights = c.input(Array<float>({3}, 0)), tag_weights = c.input(in.tag_weights);
  const Tensor probs = c.output(reference::activation_forward(in.logits.as<double>(), Activation::sigmoid),
                                tolerance::kActivation);
  const Tensor loss = c.output_exact(Array<float>({1}, 0)), hits = c.output_exact(Array<float>({1}, 0));
  c.run([&](Ops& ops) {
    ops.sigmoid_cross_entropy_forward(logits, targets, weights, tag_weights, probs, loss, hits);
  });
}

constexpr float kLambda = 0.01F;

TEST_P(OpTest, l2_penalty_forward) {
  for (const Index n : cases::lengths()) {
    const auto w_ = Random(4).array<float>({n});
    Check c = check("l2_penalty_forward");
    const Tensor w = c.input(w_);
    const auto expected = reference::l2_penalty_forward(w_.as<double>(), static_cast<double>(kLambda));
    const Grad& loss = c.gradient(expected, tolerance::kReduction);
    c.run([&](Ops& ops) { ops.l2_penalty_forward(w, kLambda, loss); });
  }
}

TEST_P(OpTest, l2_penalty_backward) {
  for (const Index n : cases::lengths()) {
    const auto w_ = Random(5).array<float>({n});
    Check c = check("l2_penalty_backward");
    const Tensor w = c.input(w_), dloss = c.input(Array<float>({1}, 0.3F));
    const auto expected = reference::l2_penalty_backward(w_.as<double>(), static_cast<double>(kLambda),
                                                         static_cast<double>(0.3F));
    const Grad& dw = c.gradient(expected, tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.l2_penalty_backward(w, kLambda, dloss, dw); });
  }
}

}  // namespace
}  // namespace melgrad
