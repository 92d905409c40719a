#include <cmath>

#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

// Few different values, as after ReLU, so that most windows hold their maximum more than once.
Array<float> with_ties(const Shape& shape) {
  Random random(1);
  Array<float> x(shape);
  for (float& e : x.v) e = static_cast<float>(random.below(4)) - 2;
  return x;
}

// Every seventh value is no number: it has to come through, wherever it stands in its window.
Array<float> with_nan(Array<float> x) {
  for (Index i = 3; i < x.size(); i += 7) x[i] = NAN;
  return x;
}

TEST_P(OpTest, max_pool_forward) {
  for (const cases::Pool& p : cases::pool()) {
    SCOPED_TRACE(p.name);
    for (const auto& values : {with_ties(p.x), Random(2).array<float>(p.x), with_nan(with_ties(p.x))}) {
      const auto expected = reference::max_pool_forward(values, p.pool);
      Check c = check("max_pool_forward");
      const Tensor x = c.input(values), y = c.output_exact(expected.y),
                   argmax = c.output_exact(expected.argmax);
      c.run([&](Ops& ops) { ops.max_pool_forward(x, p.pool, y, argmax); });
    }
  }
}

TEST_P(OpTest, max_pool_backward) {
  for (const cases::Pool& p : cases::pool()) {
    SCOPED_TRACE(p.name);
    const auto pooled = reference::max_pool_forward(with_ties(p.x), p.pool);
    const auto dy = Random(3).array<float>(pooled.y.shape);
    Check c = check("max_pool_backward");
    const Tensor tdy = c.input(dy), argmax = c.input(pooled.argmax);
    const auto expected = reference::max_pool_backward(dy, pooled.argmax, p.pool, p.x).as<double>();
    const Grad& dx = c.gradient(expected, tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.max_pool_backward(tdy, argmax, p.pool, dx); });
  }
}

// For every case without lengths, and with some between 1 and all; what lies beyond them must not be read.
void for_each_global(const std::function<void(const Array<float>&, const Array<std::int32_t>&)>& body) {
  for (const cases::Channels& p : cases::channels()) {
    SCOPED_TRACE(p.name);
    for (auto x : {with_ties(p.x), Random(2).array<float>(p.x)}) {
      body(x, {});
      Random random(3);
      Array<std::int32_t> lengths({p.x[0]});
      for (Index n = 0; n < p.x[0]; ++n) {
        lengths[n] = static_cast<std::int32_t>(n == 1 ? p.x[1] : 1 + random.below(p.x[1]));
        for (Index i = lengths[n] * p.x[2]; i < p.x[1] * p.x[2]; ++i) x[n * p.x[1] * p.x[2] + i] = NAN;
      }
      body(x, lengths);
    }
  }
}

Tensor input_of(Check& c, const Array<std::int32_t>& lengths) {
  return lengths.size() == 0 ? Tensor{} : c.input(lengths);
}

TEST_P(OpTest, global_max_forward) {
  for_each_global([&](const Array<float>& numbers, const Array<std::int32_t>& lengths) {
    for (const Array<float>& x : {numbers, with_nan(numbers)}) {
      const auto expected = reference::global_max_forward(x, lengths);
      Check c = check("global_max_forward");
      const Tensor tx = c.input(x), counts = input_of(c, lengths), y = c.output_exact(expected.y),
                   argmax = c.output_exact(expected.argmax);
      c.run([&](Ops& ops) { ops.global_max_forward(tx, counts, y, argmax); });
    }
  });
}

TEST_P(OpTest, global_max_backward) {
  for_each_global([&](const Array<float>& x, const Array<std::int32_t>& lengths) {
    const auto pooled = reference::global_max_forward(x, lengths);
    const auto dy = Random(4).array<float>(pooled.y.shape);
    Check c = check("global_max_backward");
    const Tensor tdy = c.input(dy), argmax = c.input(pooled.argmax);
    const auto expected = reference::global_max_backward(dy.as<double>(), pooled.argmax, x.shape);
    const Grad& dx = c.gradient(expected, tolerance::kExact);
    c.run([&](Ops& ops) { ops.global_max_backward(tdy, argmax, dx); });
  });
}

TEST_P(OpTest, global_mean_forward) {
  for_each_global([&](const Array<float>& x, const Array<std::int32_t>& lengths) {
    Check c = check("global_mean_forward");
    const Tensor tx = c.input(x), counts = input_of(c, lengths);
    const Tensor y = c.output(reference::global_mean_forward(x.as<double>(), lengths), tolerance::kReduction);
    c.run([&](Ops& ops) { ops.global_mean_forward(tx, counts, y); });
  });
}

TEST_P(OpTest, global_mean_backward) {
  for_each_global([&](const Array<float>& x, const Array<std::int32_t>& lengths) {
    const auto dy = Random(4).array<float>({x.shape[0], x.shape[2]});
    Check c = check("global_mean_backward");
    const Tensor tdy = c.input(dy), counts = input_of(c, lengths);
    const Grad& dx = c.gradient(reference::global_mean_backward(dy.as<double>(), lengths, x.shape),
                                tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.global_mean_backward(tdy, counts, dx); });
  });
}

}  // namespace
}  // namespace melgrad
