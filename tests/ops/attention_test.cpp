#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

struct Attended {
  Array<float> x, scores;
};

// Shapes around those of blocks and warps; scores that a softmax makes certain of one position.
std::vector<Attended> attended() {
  std::vector<Attended> out;
  for (const auto& [shape, heads] : {std::pair{Shape{1, 1, 1}, 1},
                                     {Shape{3, 7, 5}, 1},
                                     {Shape{3, 7, 6}, 3},
                                     {Shape{2, 257, 31}, 31},
                                     {Shape{5, 33, 64}, 4},
                                     {Shape{1, 9001, 8}, 2}})
    for (const double large : {1.0, 60.0})
      out.push_back({Random(1).array<float>(shape),
                     Random(2).array<float>({shape[0], shape[1], heads}, -large, large)});
  return out;
}

TEST_P(OpTest, attention_pool_forward) {
  for (const auto& [x, scores] : attended()) {
    const auto expected = reference::attention_pool_forward(x.as<double>(), scores.as<double>());
    Check c = check("attention_pool_forward");
    const Tensor tx = c.input(x), ts = c.input(scores),
                 weights = c.output(expected.weights, tolerance::kSoftmax),
                 y = c.output(expected.y, tolerance::kSoftmax);
    c.run([&](Ops& ops) { ops.attention_pool_forward(tx, ts, weights, y); });
  }
}

TEST_P(OpTest, attention_pool_backward) {
  for (const auto& [x, scores] : attended()) {
    const auto weights =
        reference::attention_pool_forward(x.as<double>(), scores.as<double>()).weights.as<float>();
    const auto dy = Random(4).array<float>({x.shape[0], x.shape[2]});
    const auto expected =
        reference::attention_pool_backward(x.as<double>(), weights.as<double>(), dy.as<double>());
    Check c = check("attention_pool_backward");
    const Tensor tx = c.input(x), tw = c.input(weights), tdy = c.input(dy);
    const Grad &dx = c.gradient(expected.dx, tolerance::kElementwise),
               &dscores = c.gradient(expected.dscores, tolerance::kSoftmax);
    c.run([&](Ops& ops) { ops.attention_pool_backward(tx, tw, tdy, dx, dscores); });
  }
}

}  // namespace
}  // namespace melgrad
