#include <cmath>
#include <limits>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

TEST_P(OpTest, gradient_norm) {
  for (const Index n : cases::lengths())
    for (const float max_norm : {0.0F, 0.01F, 1000.0F}) {
      const auto g_ = Random(1).array<float>({n});
      const auto expected = reference::gradient_norm(g_.as<double>(), static_cast<double>(max_norm));
      Check c = check("gradient_norm");
      const Tensor g = c.input(g_), norm = c.output(expected, tolerance::kReduction);
      c.run([&](Ops& ops) { ops.gradient_norm(g, max_norm, norm); });
    }
}

// No gradient at all: nothing to clip, and no 0 / 0.
TEST_P(OpTest, gradient_norm__zero) {
  Check c = check("gradient_norm");
  Array<float> expected({2});
  expected[1] = 1;
  const Tensor g = c.input(Array<float>({33})), norm = c.output_exact(expected);
  c.run([&](Ops& ops) { ops.gradient_norm(g, 1.0F, norm); });
}

// What is no number, or too long for one, is left out of the update.
TEST_P(OpTest, gradient_norm__not_finite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float value : {kInfinity, -kInfinity, 3e38F})
    for (const float max_norm : {0.0F, 1.0F})
      for (const Index at : {Index{0}, Index{40000}}) {
        Check c = check("gradient_norm");
        Array<float> content({40001}, value == 3e38F ? value : 0.0F), expected({2});
        content[at] = value;
        expected[0] = kInfinity;
        const Tensor g = c.input(content), norm = c.output_exact(expected);
        c.run([&](Ops& ops) { ops.gradient_norm(g, max_norm, norm); });
      }
}

TEST_P(OpTest, learning_rate) {
  const double pi = std::acos(-1.0);
  const Schedule constant{.base = 0.25};
  const Schedule keras{Schedule::Kind::inverse_time, 1.0, 1e-5};
  const Schedule cosine{Schedule::Kind::cosine, 0.1, 0, 0.01, 1000};
  Schedule warm = cosine;
  warm.warmup = 10;
  const Schedule steps{.kind = Schedule::Kind::step, .base = 0.5, .decay = 0.1, .period = 100};
  struct Case {
    Schedule schedule;
    std::int64_t t;
    double rate;
  };
  const Case all[] = {{constant, 0, 0.25},
                      {constant, 123456789, 0.25},
                      {keras, 0, 1},
                      {keras, 1, 1 / 1.00001},
                      {keras, 11000, 1 / 1.11},
                      {cosine, 0, 0.1},
                      {cosine, 250, 0.1 * (0.01 + 0.99 * (1 + std::sqrt(0.5)) / 2)},
                      {cosine, 500, 0.1 * 0.505},
                      {cosine, 1000, 0.001},
                      {cosine, 5000, 0.001},  // past the end the final value stays
                      {steps, 99, 0.5},
                      {steps, 100, 0.05},
                      {steps, 250, 0.005},
                      {warm, 4, 0.5 * 0.1 * (0.01 + 0.99 * (1 + std::cos(pi * 4 / 1000)) / 2)},
                      {warm, 9, 0.1 * (0.01 + 0.99 * (1 + std::cos(pi * 9 / 1000)) / 2)},
                      {warm, 500, 0.1 * 0.505}};
  for (const Case& k : all) {
    SCOPED_TRACE("t = " + std::to_string(k.t));
    Check c = check("learning_rate");
    const Tensor counter = c.input(Array<std::int64_t>({1}, k.t));
    const Tensor rate = c.output(Array<double>({1}, k.rate), tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.learning_rate(k.schedule, counter, rate); });
  }
}

TEST_P(OpTest, learning_rate__factor) {
  Check c = check("learning_rate");
  Schedule schedule{.base = 0.25};
  schedule.factor = c.input(Array<float>({1}, 0.5F));
  const Tensor counter = c.input(Array<std::int64_t>({1}, 3));
  const Tensor rate = c.output(Array<double>({1}, 0.125), tolerance::kElementwise);
  c.run([&](Ops& ops) { ops.learning_rate(schedule, counter, rate); });
}

TEST_P(OpTest, advance) {
  constexpr std::int64_t kLarge = std::int64_t{1} << 40;
  for (const std::int64_t by : {std::int64_t{1}, std::int64_t{0}, std::int64_t{-3}, kLarge}) {
    Check c = check("advance");
    const Tensor counter = c.state_exact(Array<std::int64_t>({1}, 41), Array<std::int64_t>({1}, 41 + by));
    c.run([&](Ops& ops) { ops.advance(counter, by); });
  }
}

TEST_P(OpTest, record) {
  for (const std::int64_t step : {0, 6, 7, 700000006}) {
    Array<float> before = Random(1).array<float>({7, 3}), after = before;
    after(step % 7, 2) = 4.25F;
    Check c = check("record");
    const Tensor x = c.input(Array<float>({1}, 4.25F)), counter = c.input(Array<std::int64_t>({1}, step));
    const Tensor log = c.state_exact(before, after);
    c.run([&](Ops& ops) { ops.record(x, counter, 2, log); });
  }
}

}  // namespace
}  // namespace melgrad
