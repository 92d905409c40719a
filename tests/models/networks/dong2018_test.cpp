#include <gtest/gtest.h>

#include "kernels/decorators/trace.h"
#include "kernels/devices/make_device.h"
#include "models/networks/networks.h"
#include "models/training/evaluator.h"
#include "tests/devices.h"
#include "tests/models/synthetic.h"

namespace melgrad {
namespace {

using namespace testing;

TEST(Dong2018, ParameterCountsOfThePublishedNetwork) {
  const std::pair<std::int64_t, std::int64_t> expected[] = {{32, 432874}, {64, 463914}, {96, 494954}};
  for (const auto& [filters, count] : expected) {
    Recipe recipe = load_recipe("dong2018");
    recipe.model.filters = filters;
    EXPECT_EQ(make_model(recipe.model, {256, 64}, 10)->params().count(), count);
  }
}

TEST(Dong2018, RefusesSegmentsThatAreTooSmall) {
  EXPECT_NO_THROW(make_model({}, {34, 10}, 10));
  EXPECT_THROW(make_model({}, {33, 10}, 10), Error);
  EXPECT_THROW(make_model({}, {34, 9}, 10), Error);
}

TEST(Dong2018, OverfitsTenExamples) {
  const auto device = make_device("cpu");
  const Synthetic data = synthetic(10, 5, 40, 16);
  Recipe recipe = small_recipe();
  recipe.model.dropout = 0;
  Trainee trainee(*device, data, recipe, 5, 1);
  for (int i = 0; i < 100; ++i) trainee.epoch();
  EXPECT_LT(trainee.step->last().loss, 0.05F);
  EXPECT_EQ(trainee.step->last().accuracy, 1.0F);
}

TEST(Dong2018, SameSeedSameWeightsToTheBit) {
  const auto device = make_device("cpu");
  const Synthetic data = synthetic(23, 4, 55, 16);
  std::vector<float> weights[3];
  for (int run = 0; run < 3; ++run) {
    Trainee trainee(*device, data, small_recipe(), 4, run == 2 ? 2 : 1);
    for (int i = 0; i < 5; ++i) trainee.epoch();
    weights[run] = values_of(*device, *trainee.model);
  }
  EXPECT_EQ(weights[0], weights[1]);
  EXPECT_NE(weights[0], weights[2]);
}

// What a CUDA graph needs: the third step issues exactly the calls of the fourth, on the same addresses.
TEST(Dong2018, StepsAreCapturable) {
  const auto device = make_device("cpu");
  for (const auto& [name, shards] :
       {std::pair{"dong2018", 1}, {"dong2018-fixed", 1}, {"dong2018-fixed", 2}}) {
    Recipe recipe = small_recipe();
    const Recipe protocol = load_recipe(name);
    recipe.train = protocol.train;
    recipe.train.batch = 10;
    recipe.train.shards = shards;
    recipe.model.l2_conv = protocol.model.l2_conv;
    recipe.model.l2_dense = protocol.model.l2_dense;
    TracingDevice traced(*device);
    const Synthetic data = synthetic(23, 4, 55, 16);
    Trainee trainee(traced, data, recipe, 4, 1);
    trainee.step->begin_epoch(trainee.order, 0);
    trainee.step->run();
    trainee.step->run();
    trainee.step->begin_epoch(trainee.order, 0);
    traced.ops().clear();
    trainee.step->run();
    const auto third = traced.ops().lines();
    traced.ops().clear();
    trainee.step->run();
    EXPECT_GT(third.size(), 20U);
    EXPECT_EQ(third, traced.ops().lines()) << name << ", shards: " << shards;
  }
}

// A recorded step is replayed as a whole where the device can; the tracing device never records.
TEST(Dong2018, RecordedStepsEqualEagerOnesToTheBit) {
  for (const DeviceParam& p : model_device_params()) {
    const auto device = p.make();
    TracingDevice eager(*device);
    const Synthetic data = synthetic(23, 4, 55, 16);
    for (const int shards : {1, 2}) {
      Recipe recipe = small_recipe();
      recipe.train.shards = shards;
      Trainee recorded(*device, data, recipe, 4, 1), issued(eager, data, recipe, 4, 1);
      for (int i = 0; i < 10; ++i) {
        recorded.epoch();
        issued.epoch();
      }
      EXPECT_GE(recorded.step->counter(), 20);
      EXPECT_EQ(values_of(*device, *recorded.model), values_of(*device, *issued.model)) << p.name;
    }
  }
}

// Memory that runs short as it is given away, as a GPU's does.
class SmallDevice final : public DeviceDecorator {
 public:
  SmallDevice(Device& inner, std::int64_t room) : DeviceDecorator(inner), ops_(&inner.ops()), room_(room) {}
  Ops& ops() override { return *ops_; }
  void* allocate(std::size_t bytes) override {
    room_ -= static_cast<std::int64_t>(bytes);
    return DeviceDecorator::allocate(bytes);
  }
  std::int64_t free_memory() const override { return room_; }

 private:
  Ops* ops_;
  std::int64_t room_;
};

TEST(TrackTable, GoesToTheDeviceIfAsMuchAgainStaysFree) {
  const auto cpu = make_device("cpu");
  const Synthetic data = synthetic(23, 4, 55, 16);
  const auto bytes = static_cast<std::int64_t>(data.features.size() * sizeof(float));
  for (const auto& [room, fits] : {std::pair{2 * bytes - 1, false}, {2 * bytes, true}, {4 * bytes, true}}) {
    SmallDevice device(*cpu, room);
    const TrackTable table = data.table(device, TrackTable::Place::automatic);
    EXPECT_EQ(table.on_device(), fits);
    EXPECT_EQ(static_cast<bool>(table.table), fits);
  }
}

// A table that stays in host memory: the host draws the same segments and sends them.
TEST(Dong2018, SentSegmentsEqualThoseCutOnTheDevice) {
  for (const DeviceParam& p : model_device_params()) {
    const auto device = p.make();
    for (const bool own_crop : {true, false}) {
      const Synthetic data = synthetic(23, 4, 55, 16);
      Recipe recipe = small_recipe();
      recipe.train.own_crop = own_crop;
      Trainee cut(*device, data, recipe, 4, 1, TrackTable::Place::device),
          sent(*device, data, recipe, 4, 1, TrackTable::Place::host);
      EXPECT_TRUE(cut.table.on_device());
      EXPECT_FALSE(sent.table.on_device());
      for (int i = 0; i < 4; ++i) {
        cut.epoch();
        sent.epoch();
        EXPECT_EQ(cut.step->last_rows(), sent.step->last_rows());
      }
      EXPECT_EQ(values_of(*device, *cut.model), values_of(*device, *sent.model)) << p.name;
      const std::vector<std::int64_t> rows = {0, 15, 56, 300};
      const SegmentOptions segment{.frames = 40};
      Evaluator one(*device, *cut.model, genre_task(), segment),
          other(*device, *sent.model, genre_task(), segment);
      EXPECT_EQ(one.probabilities(cut.table, rows), other.probabilities(sent.table, rows));
    }
  }
}

// The last layer of what the last layer sees is what the network says.
TEST(Dong2018, EmbeddingsLeadToTheProbabilities) {
  for (const DeviceParam& p : model_device_params()) {
    const auto device = p.make();
    const Synthetic data = synthetic(23, 4, 55, 16);
    Trainee trained(*device, data, small_recipe(), 4, 1);
    trained.epoch();
    const std::vector<std::int64_t> rows = {0, 15, 56, 300};
    Evaluator evaluator(*device, *trained.model, genre_task(), {.frames = 40});
    const auto hidden = evaluator.embeddings(trained.table, rows),
               probs = evaluator.probabilities(trained.table, rows);
    const auto width = hidden.size() / rows.size(), classes = probs.size() / rows.size();
    ASSERT_EQ(width, 32U);
    std::vector<float> w(classes * width), b(classes);
    for (Param& param : trained.model->params().all()) {
      if (param.name == "dense2.weight") device->to_host(w.data(), param.value);
      if (param.name == "dense2.bias") device->to_host(b.data(), param.value);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::vector<double> e(classes);
      double sum = 0;
      for (std::size_t c = 0; c < classes; ++c) {
        double logit = b[c];
        for (std::size_t k = 0; k < width; ++k) logit += double{w[c * width + k]} * hidden[i * width + k];
        sum += e[c] = std::exp(logit);
      }
      for (std::size_t c = 0; c < classes; ++c)
        EXPECT_NEAR(probs[i * classes + c], e[c] / sum, 1e-5) << p.name;
    }
    const auto segments = evaluator.segments(trained.table, rows);
    ASSERT_EQ(segments.size(), rows.size() * 40 * 16);
    EXPECT_EQ(segments[3 * 40 * 16 + 5], data.features[300 * 16 + 5]);
  }
}

// Padding a batch with weight-0 examples changes nothing but rounding.
TEST(Dong2018, PaddedExamplesDoNotCount) {
  const auto device = make_device("cpu");
  const Synthetic data = synthetic(10, 5, 40, 16);  // one possible crop per track
  Recipe recipe = small_recipe();
  recipe.model.dropout = 0;
  Trainee exact(*device, data, recipe, 5, 1);
  recipe.train.batch = 16;
  Trainee padded(*device, data, recipe, 5, 1);
  for (int i = 0; i < 3; ++i) {
    exact.epoch();
    padded.epoch();
    EXPECT_NEAR(exact.step->last().loss, padded.step->last().loss, 1e-5);
    EXPECT_EQ(exact.step->last().accuracy, padded.step->last().accuracy);
  }
}

TEST(SegmentStarts, AsTheAuthorCountsAndAsOneWould) {
  SegmentOptions options;
  options.skip_last_start = true;
  EXPECT_EQ(segment_starts(2584, options).size(), 18U);
  options.skip_last_start = false;
  EXPECT_EQ(segment_starts(2584, options).size(), 19U);
  EXPECT_EQ(segment_starts(255, options).size(), 0U);
  EXPECT_EQ(segment_starts(256, options).size(), 1U);
}

TEST(Recipe, EveryEmbeddedRecipeReadsBackWhatItPrints) {
  for (const char* name : {"dong2018", "dong2018-fixed"}) {
    const Recipe recipe = load_recipe(name);
    const Recipe again = parse_recipe(as_toml(recipe), "printed");
    EXPECT_EQ(recipe_fields(recipe), recipe_fields(again));
  }
}

TEST(Recipe, UnknownKeysNameTheNearest) {
  Recipe recipe = load_recipe("dong2018");
  try {
    set_recipe_fields(recipe, {"train.bacth=3"});
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(e.what()).find("train.batch"), std::string::npos) << e.what();
  }
  EXPECT_THROW(set_recipe_fields(recipe, {"train.batch=many"}), Error);
  EXPECT_THROW(set_recipe_fields(recipe, {"train.batch"}), Error);
  Recipe other = recipe;
  EXPECT_THROW(set_recipe_fields(other, {"train.optimizer=lion"}), Error);
  EXPECT_THROW(parse_recipe("[train]\nbatch = \n", "text"), Error);
  set_recipe_fields(recipe, {"train.batch=3", "features.n_mels=40"});
  EXPECT_EQ(recipe.train.batch, 3);
  EXPECT_EQ(recipe.features.n_mels, 40);
}

}  // namespace
}  // namespace melgrad
