// Training runs on a small synthetic cache: the fixture of run_test.cpp and options_test.cpp.
#pragma once

#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "models/training/run.h"
#include "tests/devices.h"
#include "tests/io/scratch.h"
#include "tests/models/synthetic.h"

namespace melgrad {

class Training : public ::testing::Test {
 public:
  static constexpr int kTracks = 40, kClasses = 4, kRows = 60, kBands = 16;

 protected:
  // The synthetic data set as a cache file; tracks 0 and 4 are the same. The features of track `wild`, if
  // any, are infinite.
  static std::string write_synthetic_cache(const Scratch& scratch, int wild = -1) {
    auto data = testing::synthetic(kTracks, kClasses, kRows, kBands);
    Cache cache;
    cache.mel.preset = "imported";
    cache.dtype = DType::f32;
    cache.bands = kBands;
    for (int c = 0; c < kClasses; ++c) cache.classes.push_back("class" + std::to_string(c));
    for (int k = 0; k < kTracks; ++k) {
      CacheItem item;
      item.name = "track" + std::to_string(k);
      item.first_row = k * kRows;
      item.rows = kRows;
      item.source = {1, static_cast<std::uint64_t>(k == 4 ? 1000 : 1000 + k)};
      item.labels.assign(kClasses, 0);
      item.labels[static_cast<std::size_t>(k % kClasses)] = 1;
      cache.items.push_back(item);
    }
    for (int i = 0; wild >= 0 && i < kRows * kBands; ++i)
      data.features[static_cast<std::size_t>(wild * kRows * kBands + i)] =
          std::numeric_limits<float>::infinity();
    cache.features = HostArray::of<float>({kTracks * kRows, kBands}, data.features);
    const std::string path = scratch / "cache.h5";
    write_cache(path, cache);
    return path;
  }

  Training() : recipe_(testing::small_recipe()) {
    recipe_.train.epochs = 8;
    recipe_.train.batch = 6;
    recipe_.train.validate_every = 1;
    path_ = write_synthetic_cache(scratch_);
  }
  using Hold = TrainingData::Hold;
  // Runs on from `state` (if any) and stops after `steps` steps in all (0 = to the end).
  Checkpoint run(const Recipe& recipe, const Checkpoint* state, std::int64_t steps,
                 Hold hold = Hold::automatic) {
    const TrainingData data(*device_, path_, recipe, hold);
    TrainingRun run(*device_, data, data.random_split(recipe.split, 1), recipe, 7);
    if (state != nullptr) run.restore(*state, "state");
    run.run([&](std::int64_t done) { return done != steps; }, [](const TrainingRun::Epoch&) { return true; },
            [&](const TrainingRun::Incident& incident) { incidents_.push_back(incident); });
    ending_ = run.ending();
    return run.state();
  }

  const Scratch scratch_;
  std::unique_ptr<Device> device_ = training_device();
  Recipe recipe_;
  std::string path_, ending_;
  std::vector<TrainingRun::Incident> incidents_;
};

}  // namespace melgrad
