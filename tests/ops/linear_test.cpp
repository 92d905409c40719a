#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

struct Operands {
  Array<float> x, w, b, dy;
};

Operands operands(const cases::Linear& l) {
  Random random(1);
  return {random.array<float>({l.rows, l.inputs}), random.array<float>({l.outputs, l.inputs}),
          random.array<float>({l.outputs}), random.array<float>({l.rows, l.outputs})};
}

TEST_P(OpTest, linear_forward) {
  for (const cases::Linear& l : cases::linear()) {
    SCOPED_TRACE(l.name);
    const Operands in = operands(l);
    Check c = check("linear_forward");
    const Tensor x = c.input(in.x), w = c.input(in.w), b = c.input(in.b);
    const auto expected = reference::linear_forward(in.x.as<double>(), in.w.as<double>(), in.b.as<double>());
    const Tensor y = c.output(expected, tolerance::kGemm);
    c.run([&](Ops& ops) { ops.linear_forward(x, w, b, y); });
  }
}

TEST_P(OpTest, linear_backward_input) {
  for (const cases::Linear& l : cases::linear()) {
    SCOPED_TRACE(l.name);
    const Operands in = operands(l);
    Check c = check("linear_backward_input");
    const Tensor dy = c.input(in.dy), w = c.input(in.w);
    const auto expected = reference::linear_backward_input(in.dy.as<double>(), in.w.as<double>());
    const Grad& dx = c.gradient(expected, tolerance::kGemm);
    c.run([&](Ops& ops) { ops.linear_backward_input(dy, w, dx); });
  }
}

TEST_P(OpTest, linear_backward_params) {
  for (const cases::Linear& l : cases::linear()) {
    SCOPED_TRACE(l.name);
    const Operands in = operands(l);
    Check c = check("linear_backward_params");
    const Tensor x = c.input(in.x), dy = c.input(in.dy);
    const auto expected = reference::linear_backward_params(in.x.as<double>(), in.dy.as<double>());
    const Grad& dw = c.gradient(expected.dw, tolerance::kGemm);
    const Grad& db = c.gradient(expected.db, tolerance::kGemm);
    c.run([&](Ops& ops) { ops.linear_backward_params(x, dy, dw, db); });
  }
}

}  // namespace
}  // namespace melgrad
