#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

struct Operands {
  Array<float> x, w, b, dy;
};

Operands operands(const cases::Conv& k) {
  Random random(1);
  return {random.array<float>(k.x), random.array<float>(k.w), random.array<float>({k.w[0]}),
          random.array<float>(reference::conv2d_shape(k.x, k.w, k.conv))};
}

TEST_P(OpTest, conv2d_forward) {
  for (const cases::Conv& k : cases::conv()) {
    SCOPED_TRACE(k.name);
    const Operands in = operands(k);
    Check c = check("conv2d_forward");
    const Tensor x = c.input(in.x), w = c.input(in.w), b = c.input(in.b);
    const auto expected =
        reference::conv2d_forward(in.x.as<double>(), in.w.as<double>(), in.b.as<double>(), k.conv);
    const Tensor y = c.output(expected, tolerance::kConv);
    c.run([&](Ops& ops) { ops.conv2d_forward(x, w, b, k.conv, y); });
  }
}

// As max pooling and ReLU leave it: mostly zeros, in some channels and examples nothing else.
Operands sparse_operands(const cases::Conv& k) {
  Operands in = operands(k);
  for (Index i = 0; i < in.dy.size(); ++i)
    if (i * 2654435761 % 1000 > 70 || i % k.w[0] == 2) in.dy[i] = 0;
  return in;
}

// Every case with a dense dy and a sparse one, and some large enough for loops over what is not zero.
std::vector<std::pair<cases::Conv, Operands>> gradient_cases() {
  std::vector<std::pair<cases::Conv, Operands>> all;
  for (const cases::Conv& k : cases::conv()) {
    all.emplace_back(k, operands(k));
    all.emplace_back(k, sparse_operands(k));
  }
  const std::vector<cases::Conv> large = {
      {"sparse", {5, 19, 15, 67}, {9, 5, 3, 67}, {}},
      {"sparse, strided", {3, 20, 17, 16}, {33, 3, 4, 16}, {2, 3, 0, 0}},
      {"sparse, one example", {1, 9, 8, 72}, {17, 3, 3, 72}, {}},
  };
  for (const cases::Conv& k : large) all.emplace_back(k, sparse_operands(k));
  return all;
}

TEST_P(OpTest, conv2d_backward_input) {
  for (const auto& [k, in] : gradient_cases()) {
    SCOPED_TRACE(k.name);
    Check c = check("conv2d_backward_input");
    const Tensor dy = c.input(in.dy), w = c.input(in.w);
    const auto expected =
        reference::conv2d_backward_input(in.dy.as<double>(), in.w.as<double>(), k.conv, k.x);
    const Grad& dx = c.gradient(expected, tolerance::kConv);
    c.run([&, conv = k.conv](Ops& ops) { ops.conv2d_backward_input(dy, w, conv, dx); });
  }
}

TEST_P(OpTest, conv2d_backward_params) {
  for (const auto& [k, in] : gradient_cases()) {
    SCOPED_TRACE(k.name);
    Check c = check("conv2d_backward_params");
    const Tensor x = c.input(in.x), dy = c.input(in.dy);
    const auto expected =
        reference::conv2d_backward_params(in.x.as<double>(), in.dy.as<double>(), k.conv, k.w);
    const Grad& dw = c.gradient(expected.dw, tolerance::kConv);
    const Grad& db = c.gradient(expected.db, tolerance::kConv);
    c.run([&, conv = k.conv](Ops& ops) { ops.conv2d_backward_params(x, dy, conv, dw, db); });
  }
}

// The batch and the shape may change from call to call (the last batch of an epoch, another layer).
TEST_P(OpTest, conv2d_forward__changing_shapes) {
  for (const Index n : {3, 1, 2, 3, 2}) {
    const cases::Conv k{"", {n, 9, 7, 3}, {5, 3, 3, 3}, {1, 1, n % 2, 0}};
    const Operands in = operands(k);
    Check c = check("conv2d_forward");
    const Tensor x = c.input(in.x), w = c.input(in.w), b = c.input(in.b);
    const auto expected =
        reference::conv2d_forward(in.x.as<double>(), in.w.as<double>(), in.b.as<double>(), k.conv);
    const Tensor y = c.output(expected, tolerance::kConv);
    c.run([&](Ops& ops) { ops.conv2d_forward(x, w, b, k.conv, y); });
  }
}

}  // namespace
}  // namespace melgrad
