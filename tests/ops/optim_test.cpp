#include <limits>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

constexpr float kRate = 0.03F, kScale = 0.7F;

// Weights, gradient and two moments that are never negative, as in the middle of a training run.
struct Slabs {
  explicit Slabs(Index n) {
    Random random(1);
    w = random.array<float>({n});
    g = random.array<float>({n});
    m = random.array<float>({n}, 0, 0.1);
    v = random.array<float>({n}, 0, 0.1);
  }
  Array<float> w, g, m, v;
};

// What every update takes beside its moments.
struct Scalars {
  explicit Scalars(Check& c)
      : rate(c.input(Array<float>({1}, kRate))), scale(c.input(Array<float>({1}, kScale))) {}
  Tensor rate, scale;
};

// A scale of 0: the gradient is no number, and nothing changes.
struct Dropped {
  Dropped(Check& c, Index n)
      : slabs(n),
        g(c.input(Array<float>({n}, std::numeric_limits<float>::quiet_NaN()))),
        w(c.state_exact(slabs.w, slabs.w)),
        m(c.state_exact(slabs.m, slabs.m)),
        rate(c.input(Array<float>({1}, kRate))),
        scale(c.input(Array<float>({1}, 0.0F))) {}
  Slabs slabs;
  Tensor g, w, m, rate, scale;
};

TEST_P(OpTest, sgd_update__dropped) {
  for (const Index n : cases::lengths()) {
    Check c = check("sgd_update");
    const Dropped d(c, n);
    c.run([&](Ops& ops) { ops.sgd_update(d.w, d.g, d.m, d.rate, d.scale, 0.9F, true, 0.05F); });
  }
}

TEST_P(OpTest, adam_update__dropped) {
  for (const Index n : cases::lengths()) {
    Check c = check("adam_update");
    const Dropped d(c, n);
    const Tensor v = c.state_exact(d.slabs.v, d.slabs.v), counter = c.input(Array<std::int64_t>({1}, 7));
    c.run([&](Ops& ops) {
      ops.adam_update(d.w, d.g, d.m, v, d.rate, d.scale, counter, 0.9F, 0.999F, 1e-8F, 0.01F, 0.1F);
    });
  }
}

TEST_P(OpTest, adadelta_update__dropped) {
  for (const Index n : cases::lengths()) {
    Check c = check("adadelta_update");
    const Dropped d(c, n);
    const Tensor v = c.state_exact(d.slabs.v, d.slabs.v);
    c.run([&](Ops& ops) { ops.adadelta_update(d.w, d.g, d.m, v, d.rate, d.scale, 0.95F, 1e-7F); });
  }
}

TEST_P(OpTest, sgd_update) {
  for (const Index n : cases::lengths())
    for (const float momentum : {0.0F, 0.9F})
      for (const bool nesterov : {false, true}) {
        const float l2 = nesterov ? 0.05F : 0.0F;
        const Slabs s(n);
        auto w = s.w.as<double>(), v = s.m.as<double>();
        reference::sgd_update<double>(w, s.g.as<double>(), v, kRate, kScale, momentum, nesterov, l2);
        Check c = check("sgd_update");
        const Scalars in(c);
        const Tensor g = c.input(s.g), tw = c.state(s.w, w, tolerance::kOptimizer),
                     tv = c.state(s.m, v, tolerance::kOptimizer);
        c.run([&](Ops& ops) { ops.sgd_update(tw, g, tv, in.rate, in.scale, momentum, nesterov, l2); });
      }
}

TEST_P(OpTest, adam_update) {
  constexpr float kBeta1 = 0.9F, kBeta2 = 0.999F, kEpsilon = 1e-8F;
  for (const Index n : cases::lengths())
    for (const std::int64_t step : {0, 1, 1000, 100000})
      for (const float decay : {0.0F, 0.01F}) {
        const float l2 = 10 * decay;
        const Slabs s(n);
        auto w = s.w.as<double>(), m = s.m.as<double>(), v = s.v.as<double>();
        reference::adam_update<double>(w, s.g.as<double>(), m, v, kRate, kScale, step,
                                       {kBeta1, kBeta2, kEpsilon, decay, l2});
        Check c = check("adam_update");
        const Scalars in(c);
        const Tensor g = c.input(s.g), counter = c.input(Array<std::int64_t>({1}, step));
        const Tensor tw = c.state(s.w, w, tolerance::kOptimizer), tm = c.state(s.m, m, tolerance::kOptimizer),
                     tv = c.state(s.v, v, tolerance::kOptimizer);
        c.run([&](Ops& ops) {
          ops.adam_update(tw, g, tm, tv, in.rate, in.scale, counter, kBeta1, kBeta2, kEpsilon, decay, l2);
        });
      }
}

// Before its first step a mean is what it is given, whatever it held; then the plain mean; then it forgets.
TEST_P(OpTest, average) {
  constexpr std::int64_t kBegin = 5;
  for (const Index n : cases::lengths())
    for (const std::int64_t step : {0, 4, 5, 6, 30, 100000})
      for (const double decay : {0.9, 0.999, 1.0}) {
        const Slabs s(n);
        auto before = s.m;
        if (step <= kBegin) before.v[0] = std::numeric_limits<float>::quiet_NaN();
        Check c = check("average");
        const Averaging averaging{decay, kBegin, c.input(Array<std::int64_t>({1}, step))};
        const Tensor x = c.input(s.w), mean = c.state(before,
                                                      reference::average(s.w.as<double>(), decay, kBegin,
                                                                         step, before.as<double>()),
                                                      tolerance::kOptimizer);
        c.run([&](Ops& ops) { ops.average(x, averaging, mean); });
      }
}

TEST_P(OpTest, adadelta_update) {
  constexpr float kRho = 0.95F, kEpsilon = 1e-7F;
  for (const Index n : cases::lengths()) {
    const Slabs s(n);
    auto w = s.w.as<double>(), a = s.m.as<double>(), d = s.v.as<double>();
    reference::adadelta_update<double>(w, s.g.as<double>(), a, d, kRate, kScale, kRho, kEpsilon);
    Check c = check("adadelta_update");
    const Scalars in(c);
    const Tensor g = c.input(s.g), tw = c.state(s.w, w, tolerance::kOptimizer),
                 ta = c.state(s.m, a, tolerance::kOptimizer), td = c.state(s.v, d, tolerance::kOptimizer);
    c.run([&](Ops& ops) { ops.adadelta_update(tw, g, ta, td, in.rate, in.scale, kRho, kEpsilon); });
  }
}

}  // namespace
}  // namespace melgrad
