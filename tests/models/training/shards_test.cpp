// A step in shards: the same bits on any number of ranks.
#include "engine/shards.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "engine/device_ranks.h"
#include "engine/team.h"
#include "kernels/cpu/cpu_device.h"
#include "models/embedded.h"
#include "tests/io/scratch.h"
#include "tests/models/training/sharded.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_nccl.h"

namespace melgrad {
namespace {

// What every one of so many ranks ends with, which must be the same.
Outcome trained_on(int size, const Recipe& recipe, const Cache& cache, std::int64_t steps = 0,
                   const Checkpoint* from = nullptr,
                   TrainingData::Hold hold = TrainingData::Hold::automatic) {
  std::vector<Outcome> outcomes(static_cast<std::size_t>(size));
  on_ranks(size, [&](Collective& ranks) {
    const auto device = make_cpu_device({.threads = 1});
    outcomes[static_cast<std::size_t>(ranks.rank())] =
        trained(*device, recipe, cache, ranks, steps, from, hold);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.state.arrays, outcomes[0].state.arrays);
    EXPECT_EQ(outcome.state.text, outcomes[0].state.text);
    EXPECT_EQ(outcome.figures, outcomes[0].figures);
  }
  return outcomes[0];
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.figures, b.figures);
  EXPECT_EQ(a.state.text, b.state.text);
  ASSERT_EQ(a.state.arrays.size(), b.state.arrays.size());
  for (const auto& [name, array] : a.state.arrays) EXPECT_TRUE(b.state.arrays.at(name) == array) << name;
}

class EveryRecipe : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryRecipe, GivesTheSameBitsOnAnyNumberOfRanks) {
  const Recipe recipe = narrow(GetParam());
  const Cache cache = noise_for(recipe);
  const Outcome one = trained_on(1, recipe, cache);
  EXPECT_FALSE(one.figures.empty());
  for (const int ranks : {2, 4, 8}) {
    SCOPED_TRACE(ranks);
    expect_same(trained_on(ranks, recipe, cache), one);
  }
}

// At any step, with the data on the device or sent to it.
TEST(ShardedRun, GoesOnWithAnotherNumberOfRanks) {
  Recipe recipe = narrow("dong2018-fixed");
  recipe.train.epochs = 3;
  const Cache cache = noise_for(recipe);
  const Outcome straight = trained_on(2, recipe, cache);
  for (const std::int64_t stop : {1, 2, 3}) {
    SCOPED_TRACE(stop);
    const Checkpoint half = trained_on(8, recipe, cache, stop).state;
    EXPECT_EQ(trained_on(1, recipe, cache, 0, &half).state.arrays, straight.state.arrays);
    EXPECT_EQ(trained_on(4, recipe, cache, 0, &half, TrainingData::Hold::memory).state.arrays,
              straight.state.arrays);
  }
}

// Where nothing is drawn and nothing normed over a shard, the shards of a batch are the batch, but for
// rounding: also of the last one, of two tracks, and where some tracks weigh more.
TEST(ShardedRun, SumsToTheWholeBatch) {
  Recipe recipe = narrow("dong2018-fixed");
  recipe.model.dropout = 0;
  recipe.train.epochs = 2;
  recipe.train.class_weights = Weighting::balanced;
  Cache cache = noise_for(recipe, 1);
  for (std::size_t k = 0; k < 4; ++k) cache.items[k].labels = {1, 0};  // 8 of 12
  recipe.train.shards = 1;
  const Outcome whole = trained_on(1, recipe, cache);
  recipe.train.shards = 8;
  const Outcome shards = trained_on(2, recipe, cache);
  ASSERT_EQ(whole.figures.size(), shards.figures.size());
  for (std::size_t i = 0; i < whole.figures.size(); ++i)
    EXPECT_NEAR(shards.figures[i], whole.figures[i], 1e-5 * std::abs(whole.figures[i])) << i;
  EXPECT_NE(shards.figures, whole.figures);
}

// A gradient that is no number in one of eight shards: all ranks stop after the same step, or leave it out.
TEST(ShardedRun, DivergesOnAllRanksAlike) {
  Recipe recipe = narrow("dong2018-fixed");
  recipe.train.epochs = 3;
  recipe.input.standardise = Standardise::none;
  Cache cache = noise_for(recipe);
  std::vector<float> values(cache.features.as<float>().begin(), cache.features.as<float>().end());
  values[static_cast<std::size_t>((recipe.segment.frames / 2) * cache.bands)] =
      std::numeric_limits<float>::infinity();  // in every segment of the first track
  cache.features = HostArray::of<float>(cache.features.shape, values);
  const auto told = [&](int ranks) {
    return error_of(ErrorKind::diverged, [&] { trained_on(ranks, recipe, cache); });
  };
  EXPECT_TRUE(told(1).starts_with("step ")) << told(1);
  EXPECT_EQ(told(4), told(1));
  recipe.train.on_nan = OnNan::skip;
  const Outcome one = trained_on(1, recipe, cache);
  expect_same(trained_on(8, recipe, cache), one);
  EXPECT_NE(one.state.text.at("state").find("\"skipped\":3"), std::string::npos)
      << one.state.text.at("state");
}

// CUDA's kernels and NCCL, both simulated, with the exchange in the recorded step.
TEST(ShardedRun, GivesTheSameBitsOnGpusThatExchangeByThemselves) {
  Recipe recipe = narrow("dong2018-fixed");
  recipe.model.filters = 4;
  recipe.train.shards = 4;
  recipe.train.epochs = 2;
  const Cache cache = noise_for(recipe);
  const auto device = make_sim_device(sim::Order::shuffled);
  const Outcome single = trained(*device, recipe, cache, alone());
  for (const int size : {1, 2}) {
    SCOPED_TRACE(size);
    on_ranks(size, [&](Collective& hosts) {
      const auto own = make_sim_device(sim::Order::shuffled);
      DeviceRanks ranks(*own, hosts, 120);
      expect_same(trained(*own, recipe, cache, ranks), single);
    });
    // Of each step one of either, twice before it is recorded.
    const std::vector<std::string> calls = sim_nccl_calls();
    for (const std::string what : {"send", "all_gather"})
      for (const bool recorded : {false, true})
        EXPECT_EQ(std::count_if(calls.begin(), calls.end(),
                                [&](const std::string& call) {
                                  return call.starts_with(what) && call.ends_with(" recorded") == recorded;
                                }),
                  2)
            << what << recorded;
  }
}

TEST(ShardedRun, RefusesWhatCannotBeDealt) {
  Recipe recipe = narrow("dong2018-fixed");
  const Cache cache = noise_for(recipe);
  const auto refusal = [&](int ranks) {
    return error_of(ErrorKind::usage, [&] { trained_on(ranks, recipe, cache); });
  };
  EXPECT_EQ(refusal(3), "train.shards: 8 cannot be dealt to 3 ranks: they must divide them");
  recipe.train.shards = 2;
  EXPECT_EQ(refusal(4), "train.shards: 2 cannot be dealt to 4 ranks: they must divide them");
  recipe.train.batch = 32;
  recipe.train.shards = 4;
  EXPECT_EQ(refusal(1), "train.shards: 4 do not divide a batch of 10, which are all training tracks");
  for (const auto& [setting, reason] :
       {std::pair{"train.shards=3", "train.shards: 3 is no power of two"},
        std::pair{"train.shards=64", "train.shards: 64 do not divide train.batch, which is 32"}}) {
    EXPECT_EQ(error_of(ErrorKind::usage, [&, what = setting] { set_recipe_fields(recipe, {what}); }), reason);
  }
}

// What a rank cannot do ends the others too, wherever they wait.
TEST(Ranks, EndTogether) {
  const auto ended = [](ErrorKind kind, const std::function<void(Collective&)>& work) {
    return error_of(kind, [&] { on_ranks(4, work); });
  };
  EXPECT_EQ(ended(ErrorKind::input,
                  [](Collective& ranks) {
                    for (int i = 0; i < 5; ++i) {
                      if (ranks.rank() == 2 && i == 3) fail(ErrorKind::input, "rank 2 has had enough");
                      EXPECT_EQ(ranks.agree(ranks.rank() + i), 3 + i);
                    }
                  }),
            "rank 2 has had enough");
  EXPECT_EQ(ended(ErrorKind::device,
                  [](Collective& ranks) {
                    if (ranks.rank() == 1) ranks.abort("that will do", 5);
                    ranks.agree(0);
                  }),
            "that will do");
}

INSTANTIATE_TEST_SUITE_P(Shards, EveryRecipe, ::testing::ValuesIn(names_of(embedded_recipes())),
                         [](const auto& of) {
                           std::string name = of.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace melgrad
