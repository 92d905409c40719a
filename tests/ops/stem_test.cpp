#include <cmath>
#include <limits>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

// Multiples of 1/8 below 2, weights of 1/8 below 1: every product and sum is exact in float, so the maximum
// of a window is the same one on every device, ties included.
Array<float> eighths(Random& random, const Shape& shape, Index range) {
  Array<float> a(shape);
  for (float& e : a.v) e = static_cast<float>(random.below(2 * range + 1) - range) / 8;
  return a;
}

struct Operands {
  Array<float> x, w, b;
};

Operands exact_operands(const cases::Stem& s) {
  Random random(1);
  Operands in{eighths(random, s.x, 16), eighths(random, s.w, 8), eighths(random, {s.w[0]}, 8)};
  for (float& e : in.b.v) e -= 1;  // some windows have no positive value
  return in;
}

Operands random_operands(const cases::Stem& s) {
  Random random(2);
  return {random.array<float>(s.x), random.array<float>(s.w), random.array<float>({s.w[0]})};
}

TEST_P(OpTest, stem_forward) {
  for (const cases::Stem& s : cases::stem()) {
    SCOPED_TRACE(s.name);
    const Operands in = exact_operands(s);
    const auto expected = reference::stem_forward(in.x, in.w, in.b, s.pool);
    Check c = check("stem_forward");
    const Tensor x = c.input(in.x), w = c.input(in.w), b = c.input(in.b);
    const Tensor y = c.output_exact(expected.y), argmax = c.output_exact(expected.argmax);
    c.run([&](Ops& ops) { ops.stem_forward(x, w, b, s.pool, y, argmax); });
  }
}

// With values that round, an argmax may point at any element that equals the maximum but for rounding.
TEST_P(OpTest, stem_forward__rounding) {
  for (const cases::Stem& s : cases::stem()) {
    SCOPED_TRACE(s.name);
    const Operands in = random_operands(s);
    const auto before = reference::relu_forward(
        reference::conv2d_forward(in.x.as<double>(), in.w.as<double>(), in.b.as<double>(), {}));
    const auto expected = reference::max_pool_forward(before, s.pool);
    Buffer x(device(), in.x.shape, DType::f32), w(device(), in.w.shape, DType::f32),
        b(device(), in.b.shape, DType::f32), argmax(device(), expected.y.shape, DType::u8);
    x.upload(bytes_of(in.x));
    w.upload(bytes_of(in.w));
    b.upload(bytes_of(in.b));
    argmax.fill_with_nan();
    Check c = check("stem_forward");
    const Tensor y = c.output(expected.y, tolerance::kConv);
    c.run(
        [&](Ops& ops) { ops.stem_forward(x.tensor(), w.tensor(), b.tensor(), s.pool, y, argmax.tensor()); });

    const auto got = host_array<std::uint8_t>(argmax);
    double off = 0;
    for (Index n = 0; n < got.shape[0]; ++n)
      for (Index t = 0; t < got.shape[1]; ++t)
        for (Index f = 0; f < got.shape[2]; ++f)
          for (Index o = 0; o < got.shape[3]; ++o) {
            const Index k = got(n, t, f, o);
            ASSERT_LT(k, s.pool.frames * s.pool.bands);
            const double there =
                before(n, t * s.pool.frames + k / s.pool.bands, f * s.pool.bands + k % s.pool.bands, o);
            off = std::max(off, expected.y(n, t, f, o) - there);
          }
    EXPECT_LE(off, 1e-5) << "argmax points at a smaller element";
  }
}

// Trouble goes on to the loss, where it is noticed.
TEST_P(OpTest, stem_forward__not_a_number) {
  for (const cases::Stem& s : cases::stem()) {
    SCOPED_TRACE(s.name);
    Operands in = exact_operands(s);
    const Shape shape = reference::stem_forward(in.x, in.w, in.b, s.pool).y.shape;
    in.b[0] = std::numeric_limits<float>::quiet_NaN();
    Buffer y(device(), shape, DType::f32), argmax(device(), shape, DType::u8);
    y.fill_with_nan();
    argmax.fill_with_nan();
    Check c = check("stem_forward");
    const Tensor x = c.input(in.x), w = c.input(in.w), b = c.input(in.b);
    c.run([&](Ops& ops) { ops.stem_forward(x, w, b, s.pool, y.tensor(), argmax.tensor()); });
    const auto got = host_array<float>(y);
    for (Index i = 0; i < got.size(); ++i) ASSERT_EQ(std::isnan(got[i]), i % shape[3] == 0) << i;
  }
}

// Wherever it stands under a window.
TEST_P(OpTest, stem_forward__not_a_number_in_a_place) {
  for (const cases::Stem& s : cases::stem()) {
    SCOPED_TRACE(s.name);
    Operands in = exact_operands(s);
    for (Index i = 7; i < in.x.size(); i += 53) in.x[i] = std::numeric_limits<float>::quiet_NaN();
    const auto expected = reference::stem_forward(in.x, in.w, in.b, s.pool);
    Buffer y(device(), expected.y.shape, DType::f32);
    y.fill_with_nan();
    Check c = check("stem_forward");
    const Tensor x = c.input(in.x), w = c.input(in.w), b = c.input(in.b),
                 argmax = c.output_exact(expected.argmax);
    c.run([&](Ops& ops) { ops.stem_forward(x, w, b, s.pool, y.tensor(), argmax); });
    const auto got = host_array<float>(y);
    for (Index i = 0; i < got.size(); ++i)
      ASSERT_TRUE(std::isnan(expected.y[i]) ? std::isnan(got[i]) : got[i] == expected.y[i]) << i;
  }
}

TEST_P(OpTest, stem_backward_params) {
  for (const cases::Stem& s : cases::stem()) {
    SCOPED_TRACE(s.name);
    const Operands in = exact_operands(s);
    const auto pooled = reference::stem_forward(in.x, in.w, in.b, s.pool);
    const auto dy = Random(3).array<float>(pooled.y.shape);
    Check c = check("stem_backward_params");
    const Tensor x = c.input(in.x), y = c.input(pooled.y), argmax = c.input(pooled.argmax), tdy = c.input(dy);
    const auto expected = reference::stem_backward_params(in.x.as<double>(), pooled.y.as<double>(),
                                                          pooled.argmax, dy.as<double>(), s.pool, s.w);
    const Grad& dw = c.gradient(expected.dw, tolerance::kConv);
    const Grad& db = c.gradient(expected.db, tolerance::kConv);
    c.run([&](Ops& ops) { ops.stem_backward_params(x, y, argmax, tdy, s.pool, dw, db); });
  }
}

}  // namespace
}  // namespace melgrad
