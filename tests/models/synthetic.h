// A small data set in memory: each class has its own ripple over the bands, so that it can be learned.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/math/philox.h"
#include "models/networks/networks.h"
#include "models/training/step.h"

namespace melgrad::testing {

struct Synthetic {
  std::vector<float> features;  // [rows, bands]
  std::vector<TrackTable::Track> tracks;
  std::int64_t bands = 0;

  TrackTable table(Device& device, TrackTable::Place place) const {
    return {device, features.data(), DType::f32, static_cast<std::int64_t>(features.size()) / bands,
            bands,  tracks,          place};
  }
};

inline Synthetic synthetic(int tracks, int classes, int rows, int bands) {
  Synthetic s;
  s.bands = bands;
  for (int k = 0; k < tracks; ++k) {
    s.tracks.push_back({static_cast<std::int64_t>(k) * rows, rows, k % classes});
    for (int t = 0; t < rows; ++t) {
      for (int f = 0; f < bands; ++f) {
        const auto element = static_cast<std::uint64_t>((k * rows + t) * bands + f);
        const float noise = uniform01(philox(7, 1, 0, element).word[0]);
        const double ripple = std::cos(0.4 * (1 + k % classes) * f + 0.3 * t);
        s.features.push_back(static_cast<float>(1 + ripple) + noise);
      }
    }
  }
  return s;
}

// The network of Dong 2018 on segments of 40 frames x 16 bands, small enough for any test.
inline Recipe small_recipe() {
  Recipe recipe = load_recipe("dong2018-fixed");
  recipe.segment.frames = 40;
  recipe.model.filters = 8;
  recipe.train.batch = 10;
  recipe.train.epochs = 100;
  recipe.train.rate = 3e-3;
  recipe.train.weight_decay = 0;
  recipe.train.warmup = 0;
  return recipe;
}

// Everything a training step needs, wired together.
struct Trainee {
  Trainee(Device& device, const Synthetic& data, const Recipe& recipe, std::int64_t classes,
          std::uint64_t seed, TrackTable::Place place = TrackTable::Place::device)
      : table(data.table(device, place)),
        model(make_model(recipe.model, {recipe.segment.frames, data.bands}, classes)) {
    model->params().allocate(device);
    model->params().initialise(device, seed);
    const auto tracks = static_cast<std::int64_t>(data.tracks.size());
    steps = (tracks + recipe.train.batch - 1) / recipe.train.batch;
    step.emplace(device, *model, table, targets, recipe, seed, recipe.train.batch, steps);
    for (std::int64_t i = 0; i < steps * recipe.train.batch; ++i) {
      const std::int64_t first = i - i % recipe.train.batch;  // of the batch
      order.push_back(static_cast<std::int32_t>(i < tracks ? i : ~first));
    }
  }
  void epoch() {
    step->begin_epoch(order, 0);
    for (std::int64_t s = 0; s < steps; ++s) step->run();
  }

  TrackTable table;
  Targets targets;
  std::unique_ptr<Model> model;
  std::int64_t steps = 0;
  std::optional<TrainingStep> step;
  std::vector<std::int32_t> order;
};

inline std::vector<float> values_of(Device& device, Model& model) {
  std::vector<float> host(static_cast<std::size_t>(model.params().values().numel()));
  device.to_host(host.data(), model.params().values());
  return host;
}

}  // namespace melgrad::testing
