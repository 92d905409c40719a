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
TEST(ReferenceGradient, activation) {
  for (const Activation f : kActivations) {
    SCOPED_TRACE(name_of(f));
    Random random(1);
    auto x = random.array_off_zero<double>({33}, 0.1);
    if (f == Activation::decibels)
      for (double& e : x.v) e = e > 0 ? e : -1;  // below the floor
    const auto dy = random.array<double>({33});
    expect_gradient([&](const Doubles& a) { return dot(dy, reference::activation_forward(a, f)); }, x,
                    reference::activation_backward(x, reference::activation_forward(x, f), dy, f));
  }
}

// Phi(1) and Phi(-2) from a table of the normal distribution.
TEST(Reference, activations_by_hand) {
  constexpr double kPhiOf1 = 0.841344746068543, kPhiOfMinus2 = 0.022750131948179;
  EXPECT_NEAR(reference::activated(1.0, Activation::gelu), kPhiOf1, 1e-14);
  EXPECT_NEAR(reference::activated(-2.0, Activation::gelu), -2 * kPhiOfMinus2, 1e-14);
  EXPECT_NEAR(reference::activated(1.0, Activation::silu), std::exp(1) / (std::exp(1) + 1), 1e-14);
  EXPECT_NEAR(reference::activated(1.0, Activation::tanh), 1 - 2 / (std::exp(2) + 1), 1e-14);
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

TEST(ReferenceGradient, global_pooling) {
  Random random(10);
  Array<std::int32_t> lengths({3});
  lengths.v = {5, 1, 7};
  for (const auto& counts : {Array<std::int32_t>(), lengths}) {
    const auto x = random.array_distinct<double>({3, 7, 4}, 0.05), dy = random.array<double>({3, 4});
    const auto pooled = reference::global_max_forward(x, counts);
    expect_gradient([&](const Doubles& a) { return dot(dy, reference::global_max_forward(a, counts).y); }, x,
                    reference::global_max_backward(dy, pooled.argmax, x.shape));
    expect_gradient([&](const Doubles& a) { return dot(dy, reference::global_mean_forward(a, counts)); }, x,
                    reference::global_mean_backward(dy, counts, x.shape));
  }
}

TEST(ReferenceGradient, attention_pool) {
  Random random(12);
  for (const Index heads : {1, 2, 6}) {
    const auto x = random.array<double>({3, 5, 6}), scores = random.array<double>({3, 5, heads}, -2, 2),
               dy = random.array<double>({3, 6});
    const auto f = [&](const Doubles& xx, const Doubles& ss) {
      return dot(dy, reference::attention_pool_forward(xx, ss).y);
    };
    const auto weights = reference::attention_pool_forward(x, scores).weights;
    const auto d = reference::attention_pool_backward(x, weights, dy);
    expect_gradient([&](const Doubles& a) { return f(a, scores); }, x, d.dx);
    expect_gradient([&](const Doubles& a) { return f(x, a); }, scores, d.dscores);
  }
}

// Scores of equal size: the plain mean, of each head's channels.
TEST(Reference, attention_of_equal_scores_is_the_mean) {
  Doubles x({1, 2, 2}), scores({1, 2, 2});
  x.v = {1, 10, 3, 30};
  scores.v = {7, 0, 7, std::log(3.0)};
  const auto pooled = reference::attention_pool_forward(x, scores);
  EXPECT_DOUBLE_EQ(pooled.y[0], 2);
  EXPECT_DOUBLE_EQ(pooled.y[1], 10 * 0.25 + 30 * 0.75);
}

TEST(ReferenceGradient, batch_norm) {
  Random random(11);
  const auto x = random.array<double>({2, 3, 5}), gamma = random.array<double>({5}, 0.5, 2),
             beta = random.array<double>({5}), dy = random.array<double>(x.shape);
  const auto forward = [&](const Doubles& xx, const Doubles& g, const Doubles& b) {
    return reference::batch_norm_forward(xx, g, b, 1e-3, 0.1, beta, gamma);
  };
  const auto f = [&](const Doubles& xx, const Doubles& g, const Doubles& b) {
    return dot(dy, forward(xx, g, b).y);
  };
  const auto saved = forward(x, gamma, beta);
  const auto d = reference::batch_norm_backward(x, gamma, saved.mean, saved.scale, dy);
  expect_gradient([&](const Doubles& a) { return f(a, gamma, beta); }, x, d.dx);
  expect_gradient([&](const Doubles& a) { return f(x, a, beta); }, gamma, d.dgamma);
  expect_gradient([&](const Doubles& a) { return f(x, gamma, a); }, beta, d.dbeta);
}

// Three rows of one channel: mean 3, variance 8/3, 4 without bias.
TEST(Reference, batch_norm_by_hand) {
  Doubles x({3, 1}), gamma({1}, 10), beta({1}, 0.5), running_mean({1}, 1), running_variance({1}, 2);
  x.v = {1, 3, 5};
  const auto b = reference::batch_norm_forward(x, gamma, beta, 4.0 / 3, 0.25, running_mean, running_variance);
  EXPECT_DOUBLE_EQ(b.mean[0], 3);
  EXPECT_DOUBLE_EQ(b.scale[0], 0.5);
  EXPECT_DOUBLE_EQ(b.running_mean[0], 1.5);
  EXPECT_DOUBLE_EQ(b.running_variance[0], 2.5);
  for (const auto& [i, y] : {std::pair<Index, double>{0, -9.5}, {1, 0.5}, {2, 10.5}})
    EXPECT_DOUBLE_EQ(b.y[i], y);
  const auto y = reference::batch_norm_inference(x, gamma, beta, running_mean, running_variance, 2);
  for (const auto& [i, v] : {std::pair<Index, double>{0, 0.5}, {1, 10.5}, {2, 20.5}})
    EXPECT_DOUBLE_EQ(y[i], v);
}

TEST(ReferenceGradient, scale_channels) {
  Random random(12);
  const auto x = random.array<double>({3, 5, 4}), g = random.array<double>({3, 4}),
             dy = random.array<double>(x.shape);
  const auto f = [&](const Doubles& xx, const Doubles& gg) {
    return dot(dy, reference::scale_channels_forward(xx, gg));
  };
  const auto d = reference::scale_channels_backward(x, g, dy);
  expect_gradient([&](const Doubles& a) { return f(a, g); }, x, d.dx);
  expect_gradient([&](const Doubles& a) { return f(x, a); }, g, d.dg);
}

// The gradient of swapped axes are the axes swapped back, and that of copied columns the columns copied back.
TEST(ReferenceGradient, copies) {
  Random random(13);
  const auto x = random.array<double>({3, 5, 4}), dy = random.array<double>({5, 3, 4});
  expect_gradient([&](const Doubles& a) { return dot(dy, reference::swap_axes(a)); }, x,
                  reference::swap_axes(dy));
  const auto from = random.array<double>({3, 5}), dto = random.array<double>({3, 7});
  const auto copied = [&](const Doubles& a) {
    return reference::copy_columns(a, 1, Doubles({3, 7}), 4, 2, Write::overwrite);
  };
  expect_gradient([&](const Doubles& a) { return dot(dto, copied(a)); }, from,
                  reference::copy_columns(dto, 4, Doubles({3, 5}), 1, 2, Write::accumulate));
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

TEST(ReferenceGradient, cross_entropy_of_shares) {
  Random random(8);
  const auto logits = random.array<double>({4, 5}, -2, 2);
  auto shares = reference::softmax_forward(random.array<double>({4, 5}, -2, 2));
  Doubles weights({4});
  weights.v = {1, 0, 0.25, 1};
  const double dloss = 1.7;
  expect_gradient(
      [&](const Doubles& a) { return dloss * reference::cross_entropy_forward(a, shares, weights).loss[0]; },
      logits, reference::cross_entropy_backward(reference::softmax_forward(logits), shares, weights, dloss));
}

TEST(ReferenceGradient, sigmoid_cross_entropy) {
  Random random(9);
  const auto logits = random.array<double>({4, 5}, -2, 2), targets = random.array<double>({4, 5}, 0, 1),
             tag_weights = random.array<double>({5}, 0.5, 3);
  Doubles weights({4});
  weights.v = {1, 0, 0.25, 1};
  const double dloss = 1.7;
  expect_gradient(
      [&](const Doubles& a) {
        return dloss * reference::sigmoid_cross_entropy_forward(a, targets, weights, tag_weights).loss[0];
      },
      logits,
      reference::sigmoid_cross_entropy_backward(reference::activation_forward(logits, Activation::sigmoid),
                                                targets, weights, tag_weights, dloss));
}

TEST(ReferenceGradient, recurrent) {
  using reference::RecurrentLayer;
  const Index steps = 4, batch = 3, hidden = 3;
  for (const Cell cell : {Cell::rnn, Cell::lstm, Cell::gru})
    for (const bool reverse : {false, true})
      for (const std::vector<std::int32_t>& lengths : {std::vector<std::int32_t>{}, {2, 4, 1}}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(cell) << reverse << lengths.size());
        const RecurrentLayer layer{cell, reverse, lengths};
        const Index rows = gates_of(cell) * hidden;
        Random random(10);
        const auto x = random.array<double>({steps, batch, rows}), u = random.array<double>({rows, hidden}),
                   b = random.array<double>({rows}), dstates = random.array<double>({steps, batch, hidden});
        const auto f = [&](const Doubles& xx, const Doubles& uu, const Doubles& bb) {
          const auto states = reference::recurrent_forward(xx, uu, bb, layer).states;
          double sum = 0;
          for (Index i = 0; i < dstates.size(); ++i)
            sum += dstates[i] * states[reverse ? i : i + batch * hidden];
          return sum;
        };
        const auto out = reference::recurrent_forward(x, u, b, layer);
        const auto g = reference::recurrent_backward(u, layer, out.states, out.saved, dstates);
        expect_gradient([&](const Doubles& a) { return f(a, u, b); }, x, g.dx);
        expect_gradient([&](const Doubles& a) { return f(x, a, b); }, u, g.du);
        expect_gradient([&](const Doubles& a) { return f(x, u, a); }, b, g.db);
      }
}

TEST(ReferenceGradient, l2_penalty) {
  const auto w = Random(8).array<double>({33});
  expect_gradient([&](const Doubles& a) { return 0.3 * reference::l2_penalty_forward(a, 0.02)[0]; }, w,
                  reference::l2_penalty_backward(w, 0.02, 0.3));
}

TEST(ReferenceGradient, harmonic_filters) {
  const auto centres = Random(10).array<double>({33}, 20, 8000), dw = Random(11).array<double>({33, 257});
  const auto f = [&](const Doubles& q) {
    return dot(dw, reference::harmonic_filters_forward(centres, q, 31.25, 257));
  };
  for (const double start : {0.3, 1.0, 4.0}) {
    const Doubles q({1}, start);
    expect_gradient(f, q, reference::harmonic_filters_backward(centres, q, 31.25, dw));
  }
}

// A triangle about bin 2 that is four bins wide.
TEST(Reference, harmonic_filters_by_hand) {
  const Doubles centres({1}, 20), q({1}, (0.1079 * 20 + 24.7) / 40);
  const auto w = reference::harmonic_filters_forward(centres, q, 10, 6);
  const std::vector<double> expected = {0, 0.5, 1, 0.5, 0, 0};
  for (std::size_t k = 0; k < 6; ++k) EXPECT_NEAR(w.v[k], expected[k], 1e-15);
}

}  // namespace
}  // namespace melgrad
