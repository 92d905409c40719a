#include <cmath>
#include <limits>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

TEST_P(OpTest, fill) {
  for (const Index n : cases::lengths()) {
    Check c = check("fill");
    const Tensor y = c.output_exact(Array<float>({n}, -1.5F));
    c.run([&](Ops& ops) { ops.fill(y, -1.5F); });
  }
}

TEST_P(OpTest, add) {
  for (const Index n : cases::lengths()) {
    Random random(1);
    const auto x = random.array<float>({n});
    Check c = check("add");
    const Tensor from = c.input(x);
    const Grad& to = c.gradient(x.as<double>(), tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.add(from, to); });
  }
}

// Whoever calls each of kActivations calls all that there are.
TEST(Activations, are_all_listed) {
  int named = 0;
  while (std::string(name_of(static_cast<Activation>(named))) != "?") ++named;
  ASSERT_EQ(named, std::ssize(kActivations));
  for (int i = 0; i < named; ++i) EXPECT_EQ(kActivations[i], static_cast<Activation>(i));
}

// What f may be given: decibels are of powers, some below the floor.
Array<float> argument(Activation f, Index n) {
  auto x = Random(2).array<float>({n}, -10, 10);
  if (n > 1) x[1] = 0;
  if (f != Activation::decibels) return x;
  for (float& e : x.v) e = e == 0 ? 0 : std::pow(10.0F, 1.2F * e);
  return x;
}

double limit_of(Activation f) { return f == Activation::relu ? tolerance::kExact : tolerance::kActivation; }

TEST_P(OpTest, activation_forward) {
  for (const Activation f : kActivations)
    for (const Index n : cases::lengths()) {
      const auto x = argument(f, n);
      const auto expected = reference::activation_forward(x.as<double>(), f);
      Check c = check("activation_forward");
      const Tensor from = c.input(x), to = c.output(expected, limit_of(f));
      c.run([&](Ops& ops) { ops.activation_forward(from, f, to); });
      Check in_place = check("activation_forward");
      const Tensor both = in_place.state(x, expected, limit_of(f));
      in_place.run([&](Ops& ops) { ops.activation_forward(both, f, both); });
    }
}

TEST_P(OpTest, activation_backward) {
  for (const Activation f : kActivations)
    for (const Index n : cases::lengths()) {
      const auto x = argument(f, n), y = reference::activation_forward(x, f),
                 dy = Random(3).array<float>({n});
      // An x that is not needed must not matter.
      const Array<float> unread({n}, std::numeric_limits<float>::quiet_NaN());
      Check c = check("activation_backward");
      const Tensor tx = c.input(gradient_needs_x(f) ? x : unread), ty = c.input(y), tdy = c.input(dy);
      const Grad& dx =
          c.gradient(reference::activation_backward(x.as<double>(), y.as<double>(), dy.as<double>(), f),
                     std::max(limit_of(f), tolerance::kElementwise));
      c.run([&](Ops& ops) { ops.activation_backward(tx, ty, tdy, f, dx); });
    }
}

// Trouble goes on to the loss, where it is noticed.
TEST_P(OpTest, activation_forward__not_a_number) {
  for (const Activation f : kActivations) {
    Array<float> x({9}, 1.0F);
    x[3] = std::numeric_limits<float>::quiet_NaN();
    Buffer y(device(), {9}, DType::f32);
    y.fill_with_nan();
    Check c = check("activation_forward");
    const Tensor from = c.input(x);
    c.run([&](Ops& ops) { ops.activation_forward(from, f, y.tensor()); });
    const auto got = host_array<float>(y);
    for (Index i = 0; i < 9; ++i) EXPECT_EQ(std::isnan(got[i]), i == 3) << i;
  }
}

// Far outside: no overflow, no NaN, neither of a value nor of a gradient.
TEST_P(OpTest, activation_forward__extremes) {
  Array<float> x({8});
  x.v = {-3e38F, -1e4F, -100, -20, 20, 100, 1e4F, 3e38F};
  const auto expect_near = [](const Array<float>& got, const Array<double>& expected) {
    for (Index i = 0; i < got.size(); ++i)
      EXPECT_NEAR(static_cast<double>(got[i]), expected[i], 1e-6 * std::abs(expected[i]) + 1e-30) << i;
  };
  for (const Activation f : kActivations) {
    SCOPED_TRACE(name_of(f));
    Buffer y(device(), x.shape, DType::f32), dx(device(), x.shape, DType::f32);
    y.fill_with_nan();
    dx.fill_with_nan();
    Check c = check("activation_forward");
    const Tensor from = c.input(x), dy = c.input(Array<float>(x.shape, 1));
    c.run([&](Ops& ops) {
      ops.activation_forward(from, f, y.tensor());
      ops.activation_backward(from, y.tensor(), dy, f, {dx.tensor()});
    });
    expect_near(host_array<float>(y), reference::activation_forward(x.as<double>(), f));
    expect_near(host_array<float>(dx),
                reference::activation_backward(x.as<double>(), host_array<float>(y).as<double>(),
                                               Array<double>(x.shape, 1), f));
  }
}

}  // namespace
}  // namespace melgrad
