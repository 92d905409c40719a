// Every shipped recipe, narrow: the same seed gives the same bits twice, and a run that is stopped in the
// middle of an epoch goes on to the same bits.
#include <filesystem>
#include <gtest/gtest.h>

#include "kernels/math/augment.h"
#include "kernels/math/philox.h"
#include "models/training/run.h"
#include "tests/devices.h"
#include "tests/io/scratch.h"
#include "tests/places.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr int kTracks = 12, kClasses = 3;

std::vector<std::string> recipes() {
  std::vector<std::string> names;
  for (const auto& file : fs::directory_iterator(source_path("models/recipes"))) {
    if (file.path().extension() != ".toml") continue;
    const std::string name = file.path().stem().string();
    if (name != "mtat" && name != "mtat-sota") names.push_back(name);  // bases of others
  }
  std::sort(names.begin(), names.end());
  return names;
}

Recipe narrow(const std::string& name) {
  Recipe recipe = load_recipe(name);
  recipe.model.width = 0.0625;
  recipe.model.filters = 4;
  recipe.train.batch = 2;
  recipe.train.epochs = 2;
  recipe.train.validate_every = 1;
  recipe.segment.test_crops = std::min<std::int64_t>(recipe.segment.test_crops, 1);
  if (name == "mtat-cnn1d-chunks") recipe.segment.frames = 2 * 59049;
  return recipe;
}

// Noise, one segment and a little more a track; of two classes in three for tags.
std::string write_cache_for(const Recipe& recipe, const Scratch& scratch) {
  Cache cache;
  cache.mel = recipe.features;
  cache.dtype = DType::f32;
  cache.bands = recipe.features.n_fft > 0 ? MelTables(recipe.features).bands() : 1;
  const std::int64_t rows = resampled_frames(recipe.segment.frames, recipe.augment.tempo) + 7;
  for (int c = 0; c < kClasses; ++c) cache.classes.push_back("class" + std::to_string(c));
  for (int k = 0; k < kTracks; ++k) {
    CacheItem item;
    item.name = "track" + std::to_string(k);
    item.first_row = k * rows;
    item.rows = rows;
    item.source = {1, static_cast<std::uint64_t>(k)};
    item.labels.assign(kClasses, 0);
    item.labels[static_cast<std::size_t>(k % kClasses)] = 1;
    if (recipe.task == TaskKind::tags) item.labels[static_cast<std::size_t>(k / kClasses % kClasses)] = 1;
    cache.items.push_back(item);
  }
  std::vector<float> values(static_cast<std::size_t>(kTracks * rows * cache.bands));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = uniform01(philox(3, 0, 0, i).word[0]);
  cache.features = HostArray::of<float>({kTracks * rows, cache.bands}, values);
  const std::string path = scratch / "cache.h5";
  write_cache(path, cache);
  return path;
}

class EveryRecipe : public ::testing::TestWithParam<std::string> {
 protected:
  // Runs on from `state` (if any) and stops after `steps` steps in all.
  Checkpoint run(const Checkpoint* state, std::int64_t steps) {
    Recipe recipe = recipe_;
    const TrainingData data(*device_, path_, recipe);
    TrainingRun run(*device_, data, data.random_split(recipe.split, 1), recipe, 7);
    EXPECT_GT(run.steps_per_epoch(), 1);
    if (state != nullptr) run.restore(*state, "state");
    run.run([&](std::int64_t done) { return done != steps; }, [](const TrainingRun::Epoch&) { return true; });
    return run.state();
  }

  const Scratch scratch_;
  const Recipe recipe_ = narrow(GetParam());
  const std::string path_ = write_cache_for(recipe_, scratch_);
  const std::unique_ptr<Device> device_ = training_device(1);
};

TEST_P(EveryRecipe, GivesTheSameBitsTwiceAndWhenResumed) {
  const Checkpoint first = run(nullptr, 3), half = run(nullptr, 1), resumed = run(&half, 3);
  EXPECT_EQ(first.arrays.at("state/counter").as<std::int64_t>()[0], 3);
  EXPECT_EQ(run(nullptr, 3).arrays, first.arrays);
  EXPECT_EQ(resumed.arrays, first.arrays);
  EXPECT_EQ(resumed.text, first.text);
  EXPECT_NE(half.arrays, first.arrays);
}

INSTANTIATE_TEST_SUITE_P(All, EveryRecipe, ::testing::ValuesIn(recipes()), [](const auto& recipe) {
  std::string name = recipe.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace melgrad
