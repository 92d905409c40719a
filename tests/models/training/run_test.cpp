// Training runs: exact resume, the stopping rule, splits that keep identical tracks together.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/models/training/fixture.h"

namespace melgrad {
namespace {

TEST_F(Training, ResumesToTheSameBitsFromAnyStep) {
  for (const OptimizerKind optimizer : {OptimizerKind::adam, OptimizerKind::adadelta, OptimizerKind::sgd}) {
    recipe_.train.optimizer = optimizer;
    const Checkpoint straight = run(recipe_, nullptr, 0);
    for (const std::int64_t stop : {1, 4, 5, 13}) {  // 4 steps an epoch: inside and at the end of one
      const Checkpoint half = run(recipe_, nullptr, stop);
      ASSERT_EQ(half.arrays.at("state/counter").as<std::int64_t>()[0], stop);
      const Checkpoint resumed = run(recipe_, &half, 0);
      EXPECT_EQ(resumed.arrays, straight.arrays) << name_of(optimizer) << ", stopped after " << stop;
      EXPECT_EQ(resumed.text, straight.text) << name_of(optimizer) << ", stopped after " << stop;
    }
  }
}

TrainOptions balanced_weights() {
  TrainOptions train;
  train.class_weights = Weighting::balanced;
  return train;
}

// Genres of unlike size: what weighs, repeats and mixes their tracks changes the run, is off by default, and
// goes on to the same bits, wherever the features are.
TEST_F(Training, WeighedBalancedAndMixedGenresResumeToTheSameBits) {
  const auto train = [&](const Recipe& recipe, const Checkpoint* state, std::int64_t steps, Hold hold) {
    const TrainingData data(*device_, path_, recipe, hold);
    Split split = data.random_split(recipe.split, 1);
    int of_first = 0;
    std::erase_if(split.train, [&](std::int32_t track) { return track % kClasses == 0 && of_first++ > 0; });
    const auto weights = data.task().weights(data, balanced_weights(), split.train);
    EXPECT_FLOAT_EQ(weights[0], static_cast<float>(split.train.size()) / kClasses);
    TrainingRun run(*device_, data, split, recipe, 7);
    if (state != nullptr) run.restore(*state, "state");
    run.run([&](std::int64_t done) { return done != steps; }, [](const TrainingRun::Epoch&) { return true; });
    return run.state();
  };
  recipe_.train.partial_batch = false;
  const Checkpoint plain = train(recipe_, nullptr, 0, Hold::device);
  const auto check = [&](const Recipe& recipe, const char* what) {
    SCOPED_TRACE(what);
    const Checkpoint straight = train(recipe, nullptr, 0, Hold::device);
    EXPECT_NE(straight.arrays, plain.arrays);
    EXPECT_EQ(train(recipe, nullptr, 0, Hold::file).arrays, straight.arrays);
    const Checkpoint half = train(recipe, nullptr, 5, Hold::device);
    EXPECT_EQ(train(recipe, &half, 0, Hold::device).arrays, straight.arrays);
  };
  Recipe weighed = recipe_, balanced = recipe_;
  weighed.train.class_weights = Weighting::balanced;
  check(weighed, "class weights");
  balanced.train.sampling = Sampling::balanced;
  check(balanced, "sampling");
  balanced.augment.mixup = 0.4;
  check(balanced, "sampling and mixup");
}

// What melgrad 0.1.0 wrote instead of "state", at a step in the middle of an epoch and before any validation.
TEST_F(Training, ACheckpointOfVersion1GoesOnToTheSameBits) {
  const Checkpoint straight = run(recipe_, nullptr, 0);
  for (const std::int64_t stop : {3, 13}) {
    Checkpoint old = run(recipe_, nullptr, stop);
    const auto state = nlohmann::json::parse(old.text.at("state"));
    old.text.erase("state");
    const nlohmann::json &best = state.at("best_score"), &usual = state.at("usual_loss");
    const auto number = [](const nlohmann::json& json) { return json.get<double>(); };
    old.text["sums"] = fmt::format("{} {} {}", number(state.at("loss_sum")), number(state.at("hit_sum")),
                                   best.is_null() ? "-inf" : fmt::format("{}", number(best)));
    old.text["plateau"] = fmt::format("{} {}", number(state.at("rate_factor")), state.at("last_drop").dump());
    old.text["watch"] =
        fmt::format("{} {} {} {} {} {}", state.at("summed").dump(), state.at("skipped").dump(),
                    state.at("skipped_in_a_row").dump(), usual.at("steps").dump(), number(usual.at("mean")),
                    number(usual.at("variance")));
    const Checkpoint resumed = run(recipe_, &old, 0);
    EXPECT_EQ(resumed.arrays, straight.arrays) << stop;
    EXPECT_EQ(resumed.text, straight.text) << stop;
    old.text["watch"] = "1 2 x 4 5 6";
    EXPECT_EQ(error_of(ErrorKind::input, [&] { run(recipe_, &old, 0); }), "state: watch cannot be read");
  }
}

TEST_F(Training, AFinishedRunGoesOnWhenItsRecipeGrows) {
  recipe_.train.schedule = Schedule::Kind::inverse_time;  // knows no total
  const Checkpoint straight = run(recipe_, nullptr, 0);
  recipe_.train.epochs = 5;
  const Checkpoint finished = run(recipe_, nullptr, 0);
  EXPECT_EQ(run(recipe_, &finished, 0).arrays, finished.arrays);
  EXPECT_EQ(ending_, "all 5 epochs done");
  recipe_.train.epochs = 8;
  EXPECT_EQ(run(recipe_, &finished, 0).arrays, straight.arrays);
  EXPECT_EQ(ending_, "all 8 epochs done");
}

TEST_F(Training, GivesTheSameBitsWhereverTheFeaturesAre) {
  recipe_.input.standardise = Standardise::bands;
  const Checkpoint on_device = run(recipe_, nullptr, 0, Hold::device);
  for (const Hold hold : {Hold::memory, Hold::file, Hold::automatic}) {
    const Checkpoint other = run(recipe_, nullptr, 0, hold);
    EXPECT_EQ(other.arrays, on_device.arrays);
    EXPECT_EQ(other.text, on_device.text);
  }
}

TEST_F(Training, LearnsWhatIsThere) {
  recipe_.train.epochs = 40;
  const TrainingData data(*device_, path_, recipe_);
  TrainingRun run(*device_, data, data.random_split(recipe_.split, 1), recipe_, 7);
  run.run([](std::int64_t) { return true; }, [](const TrainingRun::Epoch&) { return true; });
  EXPECT_TRUE(run.finished());
  const auto result = data.task().test(run);
  EXPECT_EQ(result.at("test").at("tracks"), 12);
  EXPECT_GE(result.at("accuracy_best"), 0.9);
  EXPECT_GE(run.best_valid().value_or(0), 0.9);
}

TEST_F(Training, StandingStillEndsARun) {
  recipe_.train.epochs = 100;
  recipe_.train.rate = 0;  // validation cannot move
  recipe_.train.stop_block = 10;
  recipe_.train.stop_window = 3;
  const Checkpoint state = run(recipe_, nullptr, 0);
  EXPECT_EQ(state.arrays.at("history/epoch").numel(), 10);
  EXPECT_NE(ending_.find("stood still"), std::string::npos) << ending_;
}

TEST_F(Training, ADivergedRunSaysWhereAndWhat) {
  Checkpoint state = run(recipe_, nullptr, 5);
  for (float& weight : state.arrays.at("param/conv2.weight").as<float>()) weight = 3e38F;
  for (const DeviceParam& param : model_device_params()) {
    SCOPED_TRACE(param.name);
    const auto device = param.make();
    const TrainingData data(*device, path_, recipe_);
    TrainingRun run(*device, data, data.random_split(recipe_.split, 1), recipe_, 7);
    run.restore(state, "state");
    try {
      run.run([](std::int64_t) { return true; }, [](const TrainingRun::Epoch&) { return true; });
      FAIL() << "the run went on";
    } catch (const Diverged& diverged) {
      EXPECT_EQ(diverged.step, 6);
      EXPECT_EQ(diverged.kind(), ErrorKind::diverged);
      const std::string message = diverged.what(), trouble = run.first_trouble(&state, diverged.step);
      EXPECT_EQ(message.find("step 6 has loss "), 0U) << message;
      EXPECT_EQ(trouble.find("conv2d_forward("), 0U) << trouble;
      EXPECT_NE(trouble.find(", conv2.weight, conv2.bias) wrote "), std::string::npos) << trouble;
    }
  }
}

TEST_F(Training, ASkippedStepLeavesNoTrace) {
  const TrainingData data(*device_, path_, recipe_);
  const Split split = data.random_split(recipe_.split, 1);
  const std::int32_t wild = *std::find_if(split.train.begin(), split.train.end(),
                                          [](std::int32_t track) { return track != 0 && track != 4; });
  path_ = write_synthetic_cache(scratch_, wild);
  recipe_.input.standardise = Standardise::none;  // or the mean over all tracks would be infinite as well
  const Error stopped = [&] {
    try {
      run(recipe_, nullptr, 0);
    } catch (const Error& error) {
      return error;
    }
    return Error(ErrorKind::internal, "the run went on");
  }();
  EXPECT_EQ(stopped.kind(), ErrorKind::diverged) << stopped.what();
  recipe_.train.on_nan = OnNan::skip;
  for (const OptimizerKind optimizer : {OptimizerKind::adam, OptimizerKind::adadelta, OptimizerKind::sgd}) {
    SCOPED_TRACE(name_of(optimizer));
    recipe_.train.optimizer = optimizer;
    incidents_.clear();
    const Checkpoint straight = run(recipe_, nullptr, 0);
    const auto all = incidents_;
    ASSERT_EQ(all.size(), 8U);  // once an epoch
    for (std::size_t epoch = 0; epoch < all.size(); ++epoch) {
      EXPECT_TRUE(all[epoch].skipped);
      EXPECT_EQ((all[epoch].step - 1) / 4, static_cast<std::int64_t>(epoch));
    }
    for (const auto& [name, array] : straight.arrays) {
      if (array.dtype != DType::f32) continue;
      for (const float value : array.as<float>()) ASSERT_TRUE(std::isfinite(value)) << name;
    }
    const Checkpoint before = run(recipe_, nullptr, all[1].step - 1);
    Checkpoint after = run(recipe_, nullptr, all[1].step);
    for (auto& [name, array] : after.arrays) {
      if (!name.starts_with("param/") && !name.starts_with("moment")) continue;
      EXPECT_EQ(array, before.arrays.at(name)) << name;
    }
    const Checkpoint resumed = run(recipe_, &after, 0);
    EXPECT_EQ(resumed.arrays, straight.arrays);
    EXPECT_EQ(resumed.text, straight.text);
  }
}

TEST_F(Training, TooManySkippedStepsEndARun) {
  recipe_.train.on_nan = OnNan::skip;
  const auto message = [&] {
    Checkpoint state = run(recipe_, nullptr, 5);
    for (float& weight : state.arrays.at("param/conv2.weight").as<float>()) weight = 3e38F;
    return error_of(ErrorKind::diverged, [&] { run(recipe_, &state, 0); });
  };
  const std::string epoch = message();  // of 4 steps: 5 to 8, 9 to 12
  EXPECT_EQ(epoch.find("step 12 has loss "), 0U) << epoch;
  EXPECT_NE(epoch.find(", like every step of its epoch"), std::string::npos) << epoch;
  recipe_.train.batch = 1;
  const std::string row = message();
  EXPECT_EQ(row.find("step 15 has loss "), 0U) << row;
  EXPECT_NE(row.find(", the 10th in a row"), std::string::npos) << row;
}

TEST(LossWatch, NoticesWhatIsFarAboveTheUsual) {
  LossWatch watch;
  const auto usual = [](int step) { return 2 + 0.1 * std::sin(step * 1.7); };
  for (int step = 0; step < 99; ++step) EXPECT_FALSE(watch.add(usual(step)));
  LossWatch early = watch;
  EXPECT_FALSE(early.add(100));  // it does not know enough yet
  EXPECT_FALSE(watch.add(usual(99)));
  EXPECT_NEAR(watch.mean, 2, 0.01);
  EXPECT_NEAR(std::sqrt(watch.variance), 0.1 / std::sqrt(2.0), 0.01);
  for (const double loss : {2.3, 0.0}) {  // four deviations above, and below
    LossWatch other = watch;
    EXPECT_FALSE(other.add(loss)) << loss;
  }
  EXPECT_TRUE(watch.add(2.6));
  EXPECT_FALSE(watch.add(usual(100)));
  EXPECT_LT(watch.mean, 2.1);
}

TEST_F(Training, ACheckpointOfAnotherNetworkIsRefused) {
  const Checkpoint state = run(recipe_, nullptr, 2);
  recipe_.model.filters = 9;
  const std::string message = error_of(ErrorKind::input, [&] { run(recipe_, &state, 0); });
  EXPECT_NE(message.find("another model"), std::string::npos) << message;
}

TEST_F(Training, IdenticalTracksStayTogether) {
  const TrainingData data(*device_, path_, recipe_);
  EXPECT_NE(data.identical_tracks().find("track0 = track4"), std::string::npos) << data.identical_tracks();
  const auto part_of = [](const Split& s, std::int32_t track) {
    if (std::find(s.train.begin(), s.train.end(), track) != s.train.end()) return 0;
    return std::find(s.valid.begin(), s.valid.end(), track) != s.valid.end() ? 1 : 2;
  };
  int apart = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Split together = data.random_split(recipe_.split, seed);
    EXPECT_EQ(part_of(together, 0), part_of(together, 4));
    SplitOptions author = recipe_.split;
    author.keep_identical_together = false;
    const Split free = data.random_split(author, seed);
    apart += part_of(free, 0) != part_of(free, 4) ? 1 : 0;
  }
  EXPECT_GT(apart, 10);
}

TEST_F(Training, BandStatisticsStandardise) {
  recipe_.input.standardise = Standardise::bands;
  const TrainingData data(*device_, path_, recipe_);
  const auto statistics = data.band_statistics({0, 1, 2});
  const auto raw = testing::synthetic(kTracks, kClasses, kRows, kBands);
  for (std::size_t f = 0; f < kBands; ++f) {
    double sum = 0, squares = 0;
    for (std::size_t row = 0; row < 3 * kRows; ++row) {
      const double v = (raw.features[row * kBands + f] - statistics.mean[f]) / statistics.deviation[f];
      sum += v;
      squares += v * v;
    }
    EXPECT_NEAR(sum / (3 * kRows), 0, 1e-5);
    EXPECT_NEAR(squares / (3 * kRows), 1, 1e-5);
  }
}

}  // namespace
}  // namespace melgrad
