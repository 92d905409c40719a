// Transfer: weights of other classes, parts that stay as they are, rates of their own.
#include "models/training/transfer.h"

#include <cmath>
#include <gtest/gtest.h>

#include "engine/layers.h"
#include "models/training/model_file.h"
#include "models/training/run.h"
#include "tests/devices.h"
#include "tests/io/scratch.h"
#include "tests/models/synthetic.h"

namespace melgrad {
namespace {

constexpr int kTransferRows = 60, kTransferBands = 96;

Cache tracks_of(int classes) {
  constexpr int kTracks = 24;
  const auto data = testing::synthetic(kTracks, classes, kTransferRows, kTransferBands);
  Cache cache;
  cache.mel.preset = "imported";
  cache.dtype = DType::f32;
  cache.bands = kTransferBands;
  for (int c = 0; c < classes; ++c) cache.classes.push_back("class" + std::to_string(c));
  for (int k = 0; k < kTracks; ++k) {
    CacheItem item;
    item.name = "track" + std::to_string(k);
    item.first_row = k * kTransferRows;
    item.rows = kTransferRows;
    item.labels.assign(static_cast<std::size_t>(classes), 0);
    item.labels[static_cast<std::size_t>(k % classes)] = 1;
    cache.items.push_back(item);
  }
  cache.features = HostArray::of<float>({kTracks * kTransferRows, kTransferBands}, data.features);
  return cache;
}

// Musicnn, whose blocks have norms, on segments of 40 frames.
class Transfer : public ::testing::Test {
 protected:
  Transfer() : recipe_(testing::small_recipe()) {
    recipe_.model.architecture = "musicnn";
    recipe_.model.width = 0.05;
    recipe_.train.batch = 6;
    recipe_.train.epochs = 3;
    recipe_.input.standardise = Standardise::bands;
  }

  // Trains on tracks of so many classes, from `start` if there is one.
  Checkpoint trained(int classes, const Recipe& recipe, const Checkpoint* start = nullptr,
                     std::int64_t steps = 0, const Checkpoint* state = nullptr) {
    const TrainingData data(*device_, "tracks", CacheFile(tracks_of(classes)), recipe);
    TrainingRun run(*device_, data, data.random_split(recipe.split, 1), recipe, 7);
    if (start != nullptr) kept_last_ = run.start_from(*start, "start");
    if (state != nullptr) run.restore(*state, "state");
    run.run([&](std::int64_t done) { return done != steps; }, [](const TrainingRun::Epoch&) { return true; });
    parameters_ = run.parameters();
    return run.state();
  }
  static float largest_difference(const HostArray& a, const HostArray& b) {
    float largest = 0;
    for (std::size_t i = 0; i < a.as<float>().size(); ++i)
      largest = std::max(largest, std::abs(a.as<float>()[i] - b.as<float>()[i]));
    return largest;
  }

  std::unique_ptr<Device> device_ = training_device();
  Recipe recipe_;
  bool kept_last_ = false;
  std::int64_t parameters_ = 0;
};

TEST_F(Transfer, WhatIsFrozenStaysAndTheLastLayerIsNew) {
  const Checkpoint four = trained(4, recipe_);
  const auto last = last_layer(recipe_, kTransferBands, 3);
  ASSERT_EQ(last.size(), 2U);  // weight and bias
  recipe_.train.freeze = "*";
  const Checkpoint three = trained(3, recipe_, &four);
  EXPECT_FALSE(kept_last_);
  std::int64_t numbers = 0;
  for (const auto& [name, array] : three.arrays) {
    if (!name.starts_with("param/") && !name.starts_with("input/")) continue;
    const bool is_last = last.contains(name.substr(name.find('/') + 1));
    if (!is_last) EXPECT_EQ(array, four.arrays.at(name)) << name;  // running statistics, too
    else numbers += array.numel();
  }
  EXPECT_EQ(parameters_, numbers);
  // With the same classes the last layer is taken over, and trained on.
  recipe_.train.epochs = 1;
  const Checkpoint again = trained(4, recipe_, &four, 1);
  EXPECT_TRUE(kept_last_);
  for (const std::string& name : last) {
    const float moved = largest_difference(again.arrays.at("param/" + name), four.arrays.at("param/" + name));
    EXPECT_GT(moved, 0) << name;
    EXPECT_LT(moved, 0.01) << name;  // Adam's one step of 3e-3
  }
}

TEST_F(Transfer, ARunGoesOnToTheSameBits) {
  const Checkpoint four = trained(4, recipe_);
  recipe_.train.freeze = "timbre*, rhythm*";
  recipe_.train.rates = "*.norm.* 0.5, dense* 4";
  const Checkpoint straight = trained(3, recipe_, &four), half = trained(3, recipe_, &four, 3);
  const Checkpoint resumed = trained(3, recipe_, nullptr, 0, &half);
  EXPECT_EQ(resumed.arrays, straight.arrays);
  EXPECT_EQ(resumed.text, straight.text);
}

// Gradient descent without momentum: a step is rate times factor times gradient.
TEST_F(Transfer, ARateOfItsOwnMultipliesTheStep) {
  recipe_.train.optimizer = OptimizerKind::sgd;
  recipe_.train.momentum = 0;
  recipe_.train.rate = 0.01;
  const Checkpoint four = trained(4, recipe_);
  const Checkpoint plain = trained(4, recipe_, &four, 1);
  const std::string slow = *last_layer(recipe_, kTransferBands, 4).begin();
  recipe_.train.rates = slow + " 0.25";
  const Checkpoint other = trained(4, recipe_, &four, 1);
  for (const auto& [name, array] : other.arrays) {
    if (!name.starts_with("param/")) continue;
    if (name != "param/" + slow) {
      EXPECT_EQ(array, plain.arrays.at(name)) << name;
      continue;
    }
    const auto was = four.arrays.at(name).as<float>(), all = plain.arrays.at(name).as<float>(),
               quarter = array.as<float>();
    for (std::size_t i = 0; i < was.size(); ++i)
      EXPECT_NEAR(quarter[i] - was[i], 0.25F * (all[i] - was[i]), 1e-7) << i;
  }
}

// Between layers that learn: what comes through a frozen norm is the gradient of what it computes.
TEST_F(Transfer, GradientsPassThroughAFrozenNorm) {
  Arena arena(*device_);
  Tape tape(*device_, arena);
  ParamStore params;
  const ConvLayer conv(params, "conv", 1, 3, 3, 3);
  const BatchNormLayer norm(params, "norm", 3, {.epsilon = 1e-3F});
  for (Param& p : params.all())
    if (p.name.starts_with("norm")) p.trainable = false;
  params.allocate(*device_);
  params.initialise(*device_, 5);
  const std::vector<float> gamma = {0.5F, -2, 1.5F}, variance = {0.2F, 3, 1};
  for (const Param& p : params.all()) {
    if (p.name == "norm.gamma") device_->to_device(p.value, gamma.data());
    if (p.name == "norm.running_variance") device_->to_device(p.value, variance.data());
  }
  const std::vector<float> x = [] {
    std::vector<float> values;
    for (int i = 0; i < 2 * 8 * 8; ++i) values.push_back(std::sin(static_cast<float>(i)));
    return values;
  }();
  const std::vector<std::int32_t> labels = {0, 2};
  const std::vector<float> weights = {1, 1};
  const auto loss = [&](bool back) {
    tape.reset(true);
    const Tensor in = tape.take({2, 8, 8, 1}), label = tape.take({2}, DType::i32), weight = tape.take({2});
    device_->to_device(in, x.data());
    device_->to_device(label, labels.data());
    device_->to_device(weight, weights.data());
    const Var out =
        cross_entropy(
            tape,
            global_mean(tape, activation(tape, norm(tape, conv(tape, tape.input(in))), Activation::tanh), 2),
            label, weight)
            .loss;
    if (back) tape.backward(out, params);
    float value = 0;
    device_->to_host(&value, tape.value(out));
    return static_cast<double>(value);
  };
  loss(true);
  const Param& w = params.all().front();
  std::vector<float> gradient(static_cast<std::size_t>(w.shape.numel())), value(gradient.size());
  device_->to_host(gradient.data(), w.grad);
  device_->to_host(value.data(), w.value);
  constexpr float kStep = 1e-2F;
  for (const std::size_t i : {0U, 7U, 13U, 26U}) {
    const auto at = [&](float moved) {
      std::vector<float> other = value;
      other[i] += moved;
      device_->to_device(w.value, other.data());
      return loss(false);
    };
    EXPECT_NEAR(gradient[i], (at(kStep) - at(-kStep)) / (2 * kStep), 2e-4) << i;
  }
}

TEST_F(Transfer, WhatDoesNotFitIsNamed) {
  const Checkpoint four = trained(4, recipe_, nullptr, 1);
  const auto refused = [&](ErrorKind kind, const Recipe& recipe) {
    return error_of(kind, [&] { trained(3, recipe, &four, 1); });
  };
  Recipe other = recipe_;
  other.train.freeze = "fornt*";
  EXPECT_NE(refused(ErrorKind::usage, other).find("train.freeze: no parameter is called fornt*"),
            std::string::npos);
  other = recipe_;
  other.train.rates = "dense*";
  EXPECT_NE(refused(ErrorKind::usage, other).find("must be a pattern and a factor above 0"),
            std::string::npos);
  other.train.rates = "x* 2";
  EXPECT_NE(refused(ErrorKind::usage, other).find("train.rates: no parameter is called x*"),
            std::string::npos);
  other = recipe_;
  other.model.architecture = "dong2018";
  EXPECT_NE(refused(ErrorKind::input, other).find("start: holds a musicnn, the recipe asks for a dong2018"),
            std::string::npos);
  other = recipe_;
  other.model.width = 0.1;
  EXPECT_NE(refused(ErrorKind::input, other).find("start: param/"), std::string::npos);
  other = recipe_;
  other.input.standardise = Standardise::none;
  EXPECT_NE(refused(ErrorKind::input, other).find("input.standardise: bands against none"),
            std::string::npos);
}

}  // namespace
}  // namespace melgrad
