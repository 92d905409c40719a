#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

TEST_P(OpTest, fill) {
  for (const Index n : cases::lengths()) {
    Check c = check("fill");
    const Tensor y = c.output_exact(Array<float>({n}, -1.5F));
    c.run([&](Ops& ops, Write) { ops.fill(y, -1.5F); });
  }
}

TEST_P(OpTest, add) {
  for (const Index n : cases::lengths()) {
    Random random(1);
    const auto x = random.array<float>({n});
    Check c = check("add");
    const Tensor from = c.input(x), to = c.gradient(x.as<double>(), tolerance::kElementwise);
    c.run([&](Ops& ops, Write write) { ops.add(from, to, write); });
  }
}

TEST_P(OpTest, relu_forward) {
  for (const Index n : cases::lengths()) {
    Random random(2);
    auto x = random.array<float>({n});
    if (n > 1) x[1] = 0;
    const auto expected = reference::relu_forward(x);
    Check c = check("relu_forward");
    const Tensor from = c.input(x), to = c.output_exact(expected);
    c.run([&](Ops& ops, Write) { ops.relu_forward(from, to); });
    Check in_place = check("relu_forward");
    const Tensor both = in_place.state_exact(x, expected);
    in_place.run([&](Ops& ops, Write) { ops.relu_forward(both, both); });
  }
}

TEST_P(OpTest, relu_backward) {
  for (const Index n : cases::lengths()) {
    Random random(3);
    const auto y = reference::relu_forward(random.array<float>({n})), dy = random.array<float>({n});
    Check c = check("relu_backward");
    const Tensor ty = c.input(y), tdy = c.input(dy);
    const Tensor dx = c.gradient(reference::relu_backward(y, dy).as<double>(), tolerance::kElementwise);
    c.run([&](Ops& ops, Write write) { ops.relu_backward(ty, tdy, dx, write); });
  }
}

}  // namespace
}  // namespace melgrad
