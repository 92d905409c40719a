// The reference against itself: every backward function, in double, against central differences of its
// forward.
#include <cmath>
#include <functional>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

using Doubles = Array<double>;

// The largest difference between `gradient` and (f(x + h e) - f(x - h e)) / 2h, relative to the largest
// element of the gradient, for the best of three steps: large steps truncate, small ones round.
void expect_gradient(const std::function<double(const Doubles&)>& f, const Doubles& x,
                     const Doubles& gradient) {
  ASSERT_EQ(x.shape, gradient.shape);
  double best = INFINITY, largest = 0;
  for (const double g : gradient.v) largest = std::max(largest, std::abs(g));
  ASSERT_GT(largest, 0);
  for (const double h : {1e-3, 1e-4, 1e-5}) {
    double error = 0;
    for (Index i = 0; i < x.size(); ++i) {
      Doubles up = x, down = x;
      up[i] += h;
      down[i] -= h;
      error = std::max(error, std::abs((f(up) - f(down)) / (2 * h) - gradient[i]));
    }
    best = std::min(best, error / largest);
  }
  EXPECT_LE(best, 1e-6);
}

// A layer is made a scalar function by a fixed random direction: f(x) = dy . layer(x), so that df/dx =
// backward(dy).
TEST(ReferenceGradient, relu) {
  Random random(1);
  const auto x = random.array_off_zero<double>({33}, 0.01), dy = random.array<double>({33});
  expect_gradient([&](const Doubles& a) { return dot(dy, reference::relu_forward(a)); }, x,
                  reference::relu_backward(reference::relu_forward(x), dy));
}

TEST(ReferenceGradient, dropout) {
  Random random(2);
  const auto x = random.array<double>({33}), dy = random.array<double>({33});
  const auto keep = [](Index i) { return i % 3 != 1; };
  expect_gradient([&](const Doubles& a) { return dot(dy, reference::dropout(a, 0.3, keep)); }, x,
                  reference::dropout(dy, 0.3, keep));
}

TEST(ReferenceGradient, linear) {
  Random random(3);
  const auto x = random.array<double>({5, 7}), w = random.array<double>({3, 7}),
             b = random.array<double>({3}), dy = random.array<double>({5, 3});
  const auto f = [&](const Doubles& xx, const Doubles& ww, const Doubles& bb) {
    return dot(dy, reference::linear_forward(xx, ww, bb));
  };
  const auto params = reference::linear_backward_params(x, dy);
  expect_gradient([&](const Doubles& a) { return f(a, w, b); }, x, reference::linear_backward_input(dy, w));
  expect_gradient([&](const Doubles& a) { return f(x, a, b); }, w, params.dw);
  expect_gradient([&](const Doubles& a) { return f(x, w, a); }, b, params.db);
}

TEST(ReferenceGradient, conv2d) {
  for (const Conv2d& conv : {Conv2d{}, Conv2d{2, 1, 1, 2}, Conv2d{3, 2, 0, 1}}) {
    Random random(4);
    const auto x = random.array<double>({2, 7, 6, 3}), w = random.array<double>({4, 3, 2, 3}),
               b = random.array<double>({4});
    const auto dy = random.array<double>(reference::conv2d_shape(x.shape, w.shape, conv));
    const auto f = [&](const Doubles& xx, const Doubles& ww, const Doubles& bb) {
      return dot(dy, reference::conv2d_forward(xx, ww, bb, conv));
    };
    const auto params = reference::conv2d_backward_params(x, dy, conv, w.shape);
    expect_gradient([&](const Doubles& a) { return f(a, w, b); }, x,
                    reference::conv2d_backward_input(dy, w, conv, x.shape));
    expect_gradient([&](const Doubles& a) { return f(x, a, b); }, w, params.dw);
    expect_gradient([&](const Doubles& a) { return f(x, w, a); }, b, params.db);
  }
}

// A sum worked out by hand fixes what the gradients cannot: the direction of the kernel and the order of
// axes.
TEST(Reference, conv2d_by_hand) {
  Doubles x({1, 2, 3, 1}), w({1, 2, 2, 1}), b({1}, 0.5), expected({1, 1, 2, 1});
  x.v = {1, 2, 3,  //
         4, 5, 6};
  w.v = {1, 10,  //
         100, 1000};
  expected.v = {1 + 20 + 400 + 5000 + 0.5, 2 + 30 + 500 + 6000 + 0.5};
  EXPECT_EQ(reference::conv2d_forward(x, w, b, {}).v, expected.v);
}

TEST(ReferenceGradient, max_pool) {
  Random random(5);
  const Pool2d pool{3, 2};
  const auto x = random.array_distinct<double>({2, 7, 5, 3}, 0.05);
  const auto pooled = reference::max_pool_forward(x, pool);
  const auto dy = random.array<double>(pooled.y.shape);
  expect_gradient([&](const Doubles& a) { return dot(dy, reference::max_pool_forward(a, pool).y); }, x,
                  reference::max_pool_backward(dy, pooled.argmax, pool, x.shape));
}

TEST(ReferenceGradient, stem) {
  Random random(6);
  const Pool2d pool{2, 3};
  const auto x = random.array<double>({2, 6, 9, 1}), w = random.array<double>({3, 3, 2, 1}),
             b = random.array<double>({3});
  const auto f = [&](const Doubles& ww, const Doubles& bb) {
    return reference::stem_forward(x, ww, bb, pool);
  };
  const auto pooled = f(w, b);
  const auto dy = random.array<double>(pooled.y.shape);
  const auto params = reference::stem_backward_params(x, pooled.y, pooled.argmax, dy, pool, w.shape);
  expect_gradient([&](const Doubles& a) { return dot(dy, f(a, b).y); }, w, params.dw);
  expect_gradient([&](const Doubles& a) { return dot(dy, f(w, a).y); }, b, params.db);
}

TEST(ReferenceGradient, cross_entropy) {
  Random random(7);
  const auto logits = random.array<double>({4, 5}, -2, 2);
  Doubles weights({4});
  weights.v = {1, 0, 0.25, 1};
  Array<std::int32_t> labels({4});
  labels.v = {0, -1, 4, 2};
  const double dloss = 1.7;
  expect_gradient(
      [&](const Doubles& a) { return dloss * reference::cross_entropy_forward(a, labels, weights).loss[0]; },
      logits, reference::cross_entropy_backward(reference::softmax_forward(logits), labels, weights, dloss));
}

TEST(ReferenceGradient, l2_penalty) {
  const auto w = Random(8).array<double>({33});
  expect_gradient([&](const Doubles& a) { return 0.3 * reference::l2_penalty_forward(a, 0.02)[0]; }, w,
                  reference::l2_penalty_backward(w, 0.02, 0.3));
}

}  // namespace
}  // namespace melgrad
