#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

// Few different values, as after ReLU, so that most windows hold their maximum more than once.
Array<float> with_ties(const Shape& shape) {
  Random random(1);
  Array<float> x(shape);
  for (float& e : x.v) e = static_cast<float>(random.below(4)) - 2;
  return x;
}

TEST_P(OpTest, max_pool_forward) {
  for (const cases::Pool& p : cases::pool()) {
    SCOPED_TRACE(p.name);
    for (const auto& values : {with_ties(p.x), Random(2).array<float>(p.x)}) {
      const auto expected = reference::max_pool_forward(values, p.pool);
      Check c = check("max_pool_forward");
      const Tensor x = c.input(values), y = c.output_exact(expected.y),
                   argmax = c.output_exact(expected.argmax);
      c.run([&](Ops& ops, Write) { ops.max_pool_forward(x, p.pool, y, argmax); });
    }
  }
}

TEST_P(OpTest, max_pool_backward) {
  for (const cases::Pool& p : cases::pool()) {
    SCOPED_TRACE(p.name);
    const auto pooled = reference::max_pool_forward(with_ties(p.x), p.pool);
    const auto dy = Random(3).array<float>(pooled.y.shape);
    Check c = check("max_pool_backward");
    const Tensor tdy = c.input(dy), argmax = c.input(pooled.argmax);
    const auto expected = reference::max_pool_backward(dy, pooled.argmax, p.pool, p.x).as<double>();
    const Tensor dx = c.gradient(expected, tolerance::kElementwise);
    c.run([&](Ops& ops, Write write) { ops.max_pool_backward(tdy, argmax, p.pool, dx, write); });
  }
}

}  // namespace
}  // namespace melgrad
