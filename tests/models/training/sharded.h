// One short training of any recipe on noise, as one rank of several.
#pragma once

#include <string>
#include <vector>

#include "engine/collective.h"
#include "io/arrays/cache.h"
#include "kernels/math/augment.h"
#include "kernels/math/philox.h"
#include "kernels/mel.h"
#include "models/training/run.h"

namespace melgrad {

inline constexpr int kNoiseTracks = 12, kNoiseClasses = 2;

// Noise with labels, as the recipe wants them; so many starts of a segment in each track.
inline Cache noise_for(const Recipe& recipe, std::int64_t starts = 6) {
  Cache cache;
  cache.mel.preset = "imported";
  cache.dtype = DType::f32;
  cache.bands = MelTables(recipe.features).bands();
  for (int c = 0; c < kNoiseClasses; ++c) cache.classes.push_back("class" + std::to_string(c));
  const std::int64_t rows = resampled_frames(recipe.segment.frames, recipe.augment.tempo) + starts - 1;
  for (int k = 0; k < kNoiseTracks; ++k) {
    CacheItem item;
    item.name = "track" + std::to_string(k);
    item.first_row = k * rows;
    item.rows = rows;
    item.source.content = static_cast<std::uint64_t>(k + 1);
    for (int c = 0; c < kNoiseClasses; ++c)
      item.labels.push_back(
          k % kNoiseClasses == c || (recipe.task == TaskKind::tags && k % (c + 2) == 0) ? 1 : 0);
    cache.items.push_back(item);
  }
  std::vector<float> values(static_cast<std::size_t>(kNoiseTracks * rows * cache.bands));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = uniform01(philox(3, 1, 0, i).word[0]);
  cache.features = HostArray::of<float>({kNoiseTracks * rows, cache.bands}, values);
  return cache;
}

struct Outcome {
  Checkpoint state;
  std::vector<double> figures;  // of every epoch
};

inline Outcome trained(Device& device, const Recipe& recipe, const Cache& cache, Collective& ranks,
                       std::int64_t steps = 0, const Checkpoint* from = nullptr,
                       TrainingData::Hold hold = TrainingData::Hold::automatic) {
  const TrainingData data(device, "noise", CacheFile(cache), recipe, hold);
  TrainingRun run(device, data, data.random_split({.train = 0.8, .valid = 0.2, .test = 0}, 1), recipe, 7,
                  ranks);
  if (from != nullptr) run.restore(*from, "state");
  Outcome out;
  run.run([&](std::int64_t done) { return done != steps; },
          [&](const TrainingRun::Epoch& epoch) {
            out.figures.insert(out.figures.end(), {epoch.loss, epoch.accuracy, epoch.norm, epoch.rate});
            if (epoch.valid)
              for (const auto& [name, value] : epoch.valid->figures) out.figures.push_back(value);
            return true;
          });
  out.state = run.state();
  return out;
}

inline Recipe narrow(const std::string& name) {
  Recipe recipe = load_recipe(name);
  if (recipe.model.architecture == "dong2018") recipe.model.filters = 8;
  else recipe.model.width = 0.25;
  recipe.train.batch = 8;
  recipe.train.shards = 8;
  recipe.train.epochs = 1;
  recipe.train.phases = "";
  return recipe;
}

}  // namespace melgrad
