#include <cmath>
#include <limits>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

constexpr BatchNorm kNorm{1e-3F, 0.3F};

// Arguments of batch normalisation for x of some shape; parameters and running statistics differ by channel.
struct Arguments {
  Array<float> x, gamma, beta, running_mean, running_variance;

  explicit Arguments(const Shape& shape, double mean = 0) : x(shape) {
    Random random(1);
    const Index channels = shape[shape.rank() - 1];
    x = random.array<float>(shape, mean - 1, mean + 1);
    gamma = random.array<float>({channels}, 0.5, 2);
    beta = random.array<float>({channels});
    running_mean = random.array<float>({channels}, mean - 1, mean + 1);
    running_variance = random.array<float>({channels}, 0.1, 2);
  }
  auto reference() const {
    return reference::batch_norm_forward(
        x.as<double>(), gamma.as<double>(), beta.as<double>(), static_cast<double>(kNorm.epsilon),
        static_cast<double>(kNorm.momentum), running_mean.as<double>(), running_variance.as<double>());
  }
};

void check_forward(Check c, const Arguments& a, double limit = tolerance::kElementwise) {
  const auto expected = a.reference();
  const Tensor x = c.input(a.x), gamma = c.input(a.gamma), beta = c.input(a.beta),
               y = c.output(expected.y, limit), mean = c.output(expected.mean, tolerance::kReduction),
               scale = c.output(expected.scale, tolerance::kReduction),
               running_mean = c.state(a.running_mean, expected.running_mean, tolerance::kReduction),
               running_variance =
                   c.state(a.running_variance, expected.running_variance, tolerance::kReduction);
  c.run([&](Ops& ops) {
    ops.batch_norm_forward(x, gamma, beta, kNorm, y, mean, scale, running_mean, running_variance);
  });
}

TEST_P(OpTest, batch_norm_forward) {
  for (const cases::Channels& p : cases::norm()) {
    SCOPED_TRACE(p.name);
    check_forward(check("batch_norm_forward"), Arguments(p.x));
  }
}

// A variance from sums of squares in float would be 0 here or worse, and a mean rounded to float leaves a
// shift in y.
TEST_P(OpTest, batch_norm_forward__large_mean) {
  for (const Shape& shape : {Shape{257, 33}, Shape{3, 257, 31, 1}}) {
    Arguments a(shape, 1000);
    check_forward(check("batch_norm_forward"), a);
    a.x[0] = -1000;  // not like the others, in the row that the sums are shifted by
    check_forward(check("batch_norm_forward"), a);
  }
}

// A channel that never changes gives beta.
TEST_P(OpTest, batch_norm_forward__constant) {
  Arguments a({33, 3});
  for (float& v : a.x.v) v = 0.1F;
  check_forward(check("batch_norm_forward"), a);
}

// A channel that is no number somewhere keeps its running statistics; its neighbours go on.
TEST_P(OpTest, batch_norm_forward__not_finite) {
  for (const float value :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Arguments a({257, 33});
    a.x(Index{100}, Index{5}) = value;
    const auto expected = a.reference();
    EXPECT_EQ(expected.running_mean[5], static_cast<double>(a.running_mean[5]));
    Check c = check("batch_norm_forward");
    const Buffer y(device(), a.x.shape, DType::f32), mean(device(), {33}, DType::f32),
        scale(device(), {33}, DType::f32);
    const Tensor x = c.input(a.x), gamma = c.input(a.gamma), beta = c.input(a.beta),
                 running_mean = c.state(a.running_mean, expected.running_mean, tolerance::kReduction),
                 running_variance =
                     c.state(a.running_variance, expected.running_variance, tolerance::kReduction);
    c.run([&](Ops& ops) {
      ops.batch_norm_forward(x, gamma, beta, kNorm, y.tensor(), mean.tensor(), scale.tensor(), running_mean,
                             running_variance);
    });
  }
}

TEST_P(OpTest, batch_norm_inference) {
  for (const cases::Channels& p : cases::norm()) {
    SCOPED_TRACE(p.name);
    const Arguments a(p.x);
    const auto expected = reference::batch_norm_inference(
        a.x.as<double>(), a.gamma.as<double>(), a.beta.as<double>(), a.running_mean.as<double>(),
        a.running_variance.as<double>(), static_cast<double>(kNorm.epsilon));
    Check c = check("batch_norm_inference");
    const Tensor x = c.input(a.x), gamma = c.input(a.gamma), beta = c.input(a.beta),
                 mean = c.input(a.running_mean), variance = c.input(a.running_variance),
                 y = c.output(expected, tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.batch_norm_inference(x, gamma, beta, mean, variance, kNorm.epsilon, y); });
  }
}

// What the backward pass gets: the forward pass's statistics as floats, and a gradient.
struct Backward {
  Arguments a;
  Array<float> mean, scale, dy;
  reference::BatchNormGradients<double> expected;

  explicit Backward(const Shape& shape) : a(shape) {
    const auto forward = a.reference();
    mean = forward.mean.as<float>();
    scale = forward.scale.as<float>();
    dy = Random(2).array<float>(shape);
    expected = reference::batch_norm_backward(a.x.as<double>(), a.gamma.as<double>(), mean.as<double>(),
                                              scale.as<double>(), dy.as<double>());
  }
};

TEST_P(OpTest, batch_norm_backward) {
  for (const cases::Channels& p : cases::norm()) {
    SCOPED_TRACE(p.name);
    const Backward b(p.x);
    Check c = check("batch_norm_backward");
    const Tensor x = c.input(b.a.x), gamma = c.input(b.a.gamma), mean = c.input(b.mean),
                 scale = c.input(b.scale), dy = c.input(b.dy);
    const Grad& dx = c.gradient(b.expected.dx, tolerance::kElementwise);
    const Grad& dgamma = c.gradient(b.expected.dgamma, tolerance::kReduction);
    const Grad& dbeta = c.gradient(b.expected.dbeta, tolerance::kReduction);
    c.run([&](Ops& ops) { ops.batch_norm_backward(x, gamma, mean, scale, dy, dx, dgamma, dbeta); });
  }
}

// Each of the two Writes is its own; without dx the rest is the same.
TEST_P(OpTest, batch_norm_backward__params) {
  const Backward b({31, 33});
  const auto before = Random(3).array<float>(b.mean.shape);
  Check c = check("batch_norm_backward"), without = check("batch_norm_backward");
  const auto run = [&](Check& check, bool with_dx) {
    const Tensor x = check.input(b.a.x), gamma = check.input(b.a.gamma), mean = check.input(b.mean),
                 scale = check.input(b.scale), dy = check.input(b.dy),
                 dx = with_dx ? check.output(b.expected.dx, tolerance::kElementwise) : Tensor{},
                 dgamma = check.state(before, before.as<double>() + b.expected.dgamma, tolerance::kReduction),
                 dbeta = check.state(before, before.as<double>() + b.expected.dbeta, tolerance::kReduction);
    check.run([&](Ops& ops) {
      ops.batch_norm_backward(x, gamma, mean, scale, dy, {dx, Write::overwrite}, {dgamma, Write::accumulate},
                              {dbeta, Write::accumulate});
    });
  };
  run(c, true);
  run(without, false);
}

}  // namespace
}  // namespace melgrad
