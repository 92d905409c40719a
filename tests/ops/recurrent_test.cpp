#include "kernels/math/recurrent.h"

#include <algorithm>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

// Weights in the range that layers begin with: 1 / sqrt(H). Input beyond a sequence's length is NaN.
struct Operands {
  Array<float> x, u, b, dstates;

  Operands(const cases::Sequences& s, Cell cell) {
    Random random(1);
    const Index rows = gates_of(cell) * s.hidden;
    const double bound = 1 / std::sqrt(static_cast<double>(s.hidden));
    x = random.array<float>({s.steps, s.batch, rows}, -2, 2);
    u = random.array<float>({rows, s.hidden}, -bound, bound);
    b = random.array<float>({rows}, -bound, bound);
    dstates = random.array<float>({s.steps, s.batch, s.hidden});
    for (Index n = 0; n < static_cast<Index>(s.lengths.size()); ++n)
      for (Index t = s.lengths[static_cast<std::size_t>(n)]; t < s.steps; ++t)
        for (Index row = 0; row < rows; ++row) x(t, n, row) = NAN;
  }
};

// body(sequences, layer) for every cell, in both directions.
template <typename Body>
void for_each_layer(const Body& body) {
  for (const Cell cell : {Cell::rnn, Cell::lstm, Cell::gru})
    for (const bool reverse : {false, true})
      for (const cases::Sequences& s : cases::sequences()) {
        SCOPED_TRACE(testing::Message()
                     << "cell " << static_cast<int>(cell) << (reverse ? " reverse " : " ") << s.name);
        body(s, reference::RecurrentLayer{cell, reverse, s.lengths});
      }
}

Recurrent settings(Check& check, const reference::RecurrentLayer& layer) {
  Recurrent recurrent{layer.cell, layer.reverse, {}};
  if (layer.lengths.empty()) return recurrent;
  Array<std::int32_t> lengths({static_cast<Index>(layer.lengths.size())});
  lengths.v = layer.lengths;
  recurrent.lengths = check.input(lengths);
  return recurrent;
}

TEST_P(OpTest, recurrent_forward) {
  for_each_layer([&](const cases::Sequences& s, const reference::RecurrentLayer& layer) {
    const Operands in(s, layer.cell);
    const auto expected =
        reference::recurrent_forward(in.x.as<double>(), in.u.as<double>(), in.b.as<double>(), layer);
    Check c = check("recurrent_forward");
    const Recurrent recurrent = settings(c, layer);
    const Tensor x = c.input(in.x), u = c.input(in.u), b = c.input(in.b),
                 states = c.output(expected.states, tolerance::kRecurrent),
                 saved = layer.cell == Cell::rnn ? Tensor{} : c.output(expected.saved, tolerance::kRecurrent);
    c.run([&](Ops& ops) { ops.recurrent_forward(x, u, b, recurrent, states, saved); });
  });
}

TEST_P(OpTest, recurrent_backward) {
  for_each_layer([&](const cases::Sequences& s, const reference::RecurrentLayer& layer) {
    const Operands in(s, layer.cell);
    const auto forward = reference::recurrent_forward(in.x, in.u, in.b, layer);
    const auto expected = reference::recurrent_backward(in.u.as<double>(), layer, forward.states.as<double>(),
                                                        forward.saved.as<double>(), in.dstates.as<double>());
    Check c = check("recurrent_backward");
    const Recurrent recurrent = settings(c, layer);
    const Tensor u = c.input(in.u), states = c.input(forward.states),
                 saved = layer.cell == Cell::rnn ? Tensor{} : c.input(forward.saved),
                 dstates = c.input(in.dstates), dx = c.output(expected.dx, tolerance::kRecurrentGradient);
    const Grad& du = c.gradient(expected.du, tolerance::kRecurrentGradient);
    const Grad& db = c.gradient(expected.db, tolerance::kRecurrentGradient);
    c.run([&](Ops& ops) { ops.recurrent_backward(u, recurrent, states, saved, dstates, dx, du, db); });
  });
}

// The exponentials, from the smallest floats to beyond saturation: relative to their values in double.
TEST(Recurrent, exponentials_are_accurate) {
  double worst_tanh = 0, worst_sigmoid = 0, worst_exp = 0, worst_decay = 0;
  const auto relative = [](float got, double want) {
    return want == 0 ? std::abs(static_cast<double>(got)) : std::abs(static_cast<double>(got) / want - 1);
  };
  for (int i = -40000; i <= 40000; ++i) {
    const auto x = static_cast<float>(std::copysign(std::expm1(std::abs(i) * 1.12e-4), i));  // -87 ... 87
    const auto exact = static_cast<double>(x);
    worst_exp = std::max(worst_exp, relative(exp_minus_1(x), std::expm1(exact)));
    if (x >= 0 && x <= 87) worst_decay = std::max(worst_decay, relative(decay(x), std::exp(-exact)));
    worst_tanh = std::max(worst_tanh, relative(tanh_of(x), std::tanh(exact)));
    worst_sigmoid = std::max(worst_sigmoid, relative(sigmoid_of(x), 1 / (1 + std::exp(-exact))));
  }
  constexpr double kUlp = 0x1p-23;
  std::cout << "largest relative error in units of 2^-23: e^x - 1 " << worst_exp / kUlp << ", e^-x "
            << worst_decay / kUlp << ", tanh " << worst_tanh / kUlp << ", sigmoid " << worst_sigmoid / kUlp
            << "\n";
  EXPECT_LE(worst_exp, 2 * kUlp);
  EXPECT_LE(worst_decay, 2 * kUlp);
  EXPECT_LE(worst_tanh, 3 * kUlp);
  EXPECT_LE(worst_sigmoid, 3 * kUlp);
  for (const float x : {1e-30F, -1e-30F, 1e-10F}) EXPECT_EQ(tanh_of(x), x);
  EXPECT_EQ(tanh_of(INFINITY), 1);
  EXPECT_EQ(tanh_of(-1000), -1);
  EXPECT_EQ(sigmoid_of(1000), 1);
  EXPECT_LT(sigmoid_of(-INFINITY), 1e-37F);
  EXPECT_EQ(decay(0), 1);
  EXPECT_EQ(decay(INFINITY), 0);
  EXPECT_TRUE(std::isnan(decay(NAN)));
  EXPECT_TRUE(std::isnan(tanh_of(NAN)));
  EXPECT_TRUE(std::isnan(sigmoid_of(NAN)));
}

}  // namespace
}  // namespace melgrad
