// Memory, tape and optimizer on small hand-made programs; whole networks are in tests/models.
#include <cmath>
#include <functional>
#include <gtest/gtest.h>

#include "engine/functions.h"
#include "engine/optimizer.h"
#include "engine/param.h"
#include "engine/step.h"
#include "kernels/devices/make_device.h"
#include "kernels/math/philox.h"

namespace melgrad {
namespace {

class Engine : public ::testing::Test {
 protected:
  std::vector<float> host(Tensor t) {
    std::vector<float> values(static_cast<std::size_t>(t.numel()));
    device_->to_host(values.data(), t);
    return values;
  }
  Tensor put(Tensor t, const std::vector<float>& values) {
    device_->to_device(t, values.data());
    return t;
  }
  // Pseudo-random values in -1 ... 1.
  std::vector<float> noise(std::int64_t count, std::uint32_t stream) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < count; ++i) {
      values.push_back(2 * uniform01(philox(3, stream, 0, static_cast<std::uint64_t>(i)).word[0]) - 1);
    }
    return values;
  }
  // The gradient of a loss against the difference along a direction.
  void expect_slope(ParamStore& params, Tape& tape, const std::function<Var()>& loss_of) {
    const auto value = [&] { return host(tape.value(loss_of()))[0]; };
    const std::vector<float> start = host(params.values());
    tape.backward(loss_of(), params);
    const std::vector<float> gradient = host(params.grads()), direction = noise(params.values().numel(), 11);
    double slope = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i)
      slope += static_cast<double>(gradient[i]) * direction[i];
    constexpr float kStep = 1e-3F;
    std::vector<float> moved[2] = {start, start};
    for (std::size_t i = 0; i < start.size(); ++i) {
      moved[0][i] += kStep * direction[i];
      moved[1][i] -= kStep * direction[i];
    }
    put(params.values(), moved[0]);
    const double up = value();
    put(params.values(), moved[1]);
    const double down = value();
    EXPECT_GT(std::abs(slope), 0.1);
    EXPECT_NEAR((up - down) / (2 * kStep), slope, 0.02 * std::abs(slope));
  }
  // Of three examples of unlike weight, with labels 0, 1, 2.
  Var entropy_of_three(Tape& tape, Var logits) {
    const Tensor labels = tape.take({3}, DType::i32), weights = put(tape.take({3}), {1, 0.5F, 2});
    const std::int32_t host_labels[] = {0, 1, 2};
    device_->to_device(labels, host_labels);
    return cross_entropy(tape, logits, labels, weights).loss;
  }
  std::unique_ptr<Device> device_ = make_device("cpu");
};

TEST_F(Engine, ArenaGivesTheSameAddressesEveryStep) {
  Arena arena(*device_);
  const auto take_all = [&] {
    arena.reset();
    std::vector<void*> addresses;
    for (const std::int64_t n : {100, 30'000'000, 7, 20'000'000}) addresses.push_back(arena.take({n}).data);
    return addresses;
  };
  take_all();  // grows
  const auto second = take_all();
  arena.seal();
  EXPECT_EQ(take_all(), second);
  for (void* p : second) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 256, 0U);
  EXPECT_GE(arena.high_water(), 4 * (100 + 30'000'000 + 7 + 20'000'000));
}

TEST_F(Engine, SealedArenaRefusesToGrow) {
  Arena arena(*device_);
  arena.take({10});
  arena.reset();
  arena.seal();
  arena.take({10});
  EXPECT_THROW(arena.take({100'000'000}), Error);
}

#ifdef MELGRAD_ADDRESS_SANITIZER
TEST_F(Engine, DeadViewsAreCaught) {
  Arena arena(*device_);
  const Tensor dead = arena.take({10});
  arena.reset();
  EXPECT_DEATH(dead.f32()[3] = 1, "use-after-poison");
}
#endif

TEST_F(Engine, SlabIsZeroAndItsTensorsAreNeighbours) {
  Slab slab(*device_, 3 * 256);
  const Tensor a = slab.take({5}), b = slab.take({64}), c = slab.take({2, 3});
  EXPECT_EQ(b.f32() - a.f32(), 64);
  EXPECT_EQ(c.f32() - b.f32(), 64);
  EXPECT_EQ(host(slab.all()), std::vector<float>(192, 0.0F));
  EXPECT_THROW(slab.take({1}), Error);
}

// y = relu(x w' + b) used twice: the gradient of each use must arrive, once.
TEST_F(Engine, FanOutAddsGradients) {
  ParamStore params;
  Param &w = params.weight("w", {3, 4}), &b = params.bias("b", 3), &unused = params.bias("unused", 2);
  params.allocate(*device_);
  params.initialise(*device_, 1);
  device_->ops().fill(unused.grad, 7.0F);
  Arena arena(*device_);
  Tape tape(*device_, arena);
  const auto gradient = [&](bool twice) {
    tape.reset(true);
    const Var x = tape.input(put(tape.take({2, 4}), noise(8, 1)));
    const Tensor labels = tape.take({2}, DType::i32), weights = put(tape.take({2}), {1, 1});
    const std::int32_t host_labels[] = {0, 2};
    device_->to_device(labels, host_labels);
    const Var y = linear(tape, x, w, b);
    const Var loss = cross_entropy(tape, twice ? add(tape, y, y) : y, labels, weights).loss;
    tape.backward(twice ? loss : add(tape, loss, loss), params);
    return host(w.grad);
  };
  const auto once = gradient(false), again = gradient(false), twice = gradient(true);
  EXPECT_EQ(once, again);
  EXPECT_EQ(host(unused.grad), (std::vector<float>{0, 0}));
  double size = 0;
  for (const float g : twice) size += std::abs(g);
  EXPECT_GT(size, 0.01);
}

TEST_F(Engine, EvaluationRecordsNothing) {
  ParamStore params;
  Param &w = params.weight("w", {3, 4}), &b = params.bias("b", 3);
  params.allocate(*device_);
  Arena arena(*device_);
  Tape tape(*device_, arena);
  tape.reset(false);
  const Var y = linear(tape, tape.input(put(tape.take({2, 4}), noise(8, 1))), w, b);
  EXPECT_FALSE(tape.needs_grad(y));
  const Var same = dropout(tape, y, {0.5F, 1, 1, {}});
  EXPECT_EQ(same.index, y.index);
}

TEST_F(Engine, ShapesThatDoNotFitAreNamed) {
  ParamStore params;
  Param &w = params.weight("w", {3, 4}), &b = params.bias("b", 3);
  params.allocate(*device_);
  Arena arena(*device_);
  Tape tape(*device_, arena);
  tape.reset(true);
  try {
    linear(tape, tape.input(tape.take({2, 5})), w, b);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "linear: input [2, 5] does not fit weights [3, 4]");
  }
}

// The gradient of a network with every kind of layer, as one directional derivative: wiring errors are of
// order one, so two per cent is enough in float.
TEST_F(Engine, DirectionalDerivativeOfAWholeNetwork) {
  ParamStore params;
  Param &w1 = params.weight("w1", {8, 3, 3, 1}, 0.01F), &b1 = params.bias("b1", 8);
  Param &w2 = params.weight("w2", {6, 3, 2, 8}), &b2 = params.bias("b2", 6);
  Param &w3 = params.weight("w3", {4, 2 * 2 * 6}, 0.02F), &b3 = params.bias("b3", 4);
  params.allocate(*device_);
  params.initialise(*device_, 5);
  Slab state(*device_, 256);
  const Tensor counter = state.take({1}, DType::i64);
  Arena arena(*device_);
  Tape tape(*device_, arena);
  const std::vector<std::int32_t> host_labels{0, 1, 2, 3, 1};
  const auto loss_of = [&] {
    tape.reset(true);
    const Tensor x = put(tape.take({5, 14, 12, 1}), noise(5 * 14 * 12, 9));
    const Tensor labels = tape.take({5}, DType::i32), weights = put(tape.take({5}), {1, 0.5F, 2, 0, 1});
    device_->to_device(labels, host_labels.data());
    Var h = stem(tape, tape.input(x), w1, b1, {2, 2});  // 6 x 5 x 8
    h = conv2d(tape, h, w2, b2);                        // 4 x 4 x 6
    h = dropout(tape, relu(tape, max_pool(tape, h, {2, 2})), {0.3F, 2, 1, counter});
    const Var loss = cross_entropy(tape, linear(tape, h, w3, b3), labels, weights).loss;
    return add(tape, loss, l2_penalty(tape, params));
  };
  expect_slope(params, tape, loss_of);
}

// The same behind learned weights over time, of two heads.
TEST_F(Engine, DirectionalDerivativeOfAttention) {
  ParamStore params;
  Param &w1 = params.weight("w1", {6, 5}), &b1 = params.bias("b1", 6);
  Param &w2 = params.weight("w2", {2, 6}), &b2 = params.bias("b2", 2);
  Param &w3 = params.weight("w3", {4, 6}), &b3 = params.bias("b3", 4);
  params.allocate(*device_);
  params.initialise(*device_, 5);
  Arena arena(*device_);
  Tape tape(*device_, arena);
  const auto loss_of = [&] {
    tape.reset(true);
    const Tensor x = put(tape.take({3 * 7, 5}), noise(3 * 7 * 5, 9));
    const Var h = activation(tape, linear(tape, tape.input(x), w1, b1), Activation::tanh);
    const Var pooled = attention_pool(tape, h, linear_rows(tape, h, w2, b2), 3);
    return entropy_of_three(tape, linear(tape, pooled, w3, b3));
  };
  expect_slope(params, tape, loss_of);
}

// The same of two branches of one convolution, each with a loss of its own, and of their mean.
TEST_F(Engine, DirectionalDerivativeOfBranches) {
  ParamStore params;
  Param &w1 = params.weight("w1", {4, 3, 1, 2}), &b1 = params.bias("b1", 4);
  Param &w2 = params.weight("w2", {3, 8}), &b2 = params.bias("b2", 3);
  Param &w3 = params.weight("w3", {3, 4}), &b3 = params.bias("b3", 3);
  params.allocate(*device_);
  params.initialise(*device_, 5);
  Arena arena(*device_);
  Tape tape(*device_, arena);
  const auto loss_of = [&] {
    tape.reset(true);
    const Tensor x = put(tape.take({3, 6, 3, 2}), noise(3 * 6 * 3 * 2, 9));
    const Var h = mean_over_time(tape, conv2d(tape, tape.input(x), w1, b1));  // [3, 3 x 4]
    const Var a = linear(tape, columns(tape, h, 0, 8), w2, b2),
              b = linear(tape, columns(tape, h, 8, 4), w3, b3);
    Var loss = entropy_of_three(tape, mean(tape, {a, b}));
    for (const Var branch : {a, b}) loss = add(tape, loss, entropy_of_three(tape, branch));
    return loss;
  };
  expect_slope(params, tape, loss_of);
}

TEST_F(Engine, MeansOfColumnsAndFrames) {
  Arena arena(*device_);
  Tape tape(*device_, arena);
  tape.reset(false);
  const Var x = tape.input(put(tape.take({1, 3, 2, 2}), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14}));
  const Var frames = mean_over_time(tape, x);
  EXPECT_EQ(host(tape.value(frames)), (std::vector<float>{4, 5, 6, 8}));
  EXPECT_EQ(host(tape.value(columns(tape, frames, 1, 2))), (std::vector<float>{5, 6}));
  const Var both = mean(tape, {columns(tape, frames, 0, 2), columns(tape, frames, 2, 2)});
  EXPECT_EQ(host(tape.value(both)), (std::vector<float>{5, 6.5F}));
  EXPECT_EQ(mean(tape, {both}).index, both.index);
  EXPECT_THROW(columns(tape, frames, 3, 2), Error);
}

TEST_F(Engine, StepsReachAMinimum) {
  for (const auto kind : {OptimizerKind::sgd, OptimizerKind::adam}) {
    ParamStore params;
    Param &w = params.weight("w", {3, 4}), &b = params.bias("b", 3);
    params.allocate(*device_);
    params.initialise(*device_, 1);
    OptimizerOptions options;
    options.kind = kind;
    options.schedule.base = 0.1;
    Optimizer optimizer(*device_, params, options);
    Slab state(*device_, 4 * 256);
    const Tensor counter = state.take({1}, DType::i64), loss_out = state.take({1});
    const Tensor labels = state.take({3}, DType::i32), weights = put(state.take({3}), {1, 1, 1});
    const std::int32_t host_labels[] = {2, 0, 1};
    device_->to_device(labels, host_labels);
    Slab data(*device_, 256);
    const Tensor x = put(data.take({3, 4}), noise(12, 4));
    Step step(*device_, [&](Tape& tape) {
      const Var loss = cross_entropy(tape, linear(tape, tape.input(x), w, b), labels, weights).loss;
      tape.backward(loss, params);
      optimizer.update(counter);
      device_->ops().add(tape.value(loss), {loss_out, Write::overwrite});
      device_->ops().advance(counter, 1);
    });
    step.run();
    const float first = host(loss_out)[0];
    for (int i = 0; i < 300; ++i) step.run();
    EXPECT_LT(host(loss_out)[0], 0.1F * first);
  }
}

TEST(MakeDevice, SaysWhatThereIs) {
  for (const char* name : {"cuda:4096", "cuda:-1", "cuda:", "cuda:0x", "tpu", ""})
    EXPECT_THROW(make_device(name), Error) << name;
  EXPECT_THROW(make_device("cpu", {.precision = Precision::bf16}), Error);
  EXPECT_EQ(make_device("cpu", {1})->name(), "cpu");
}

}  // namespace
}  // namespace melgrad
