// Training steps of the shipped networks at their published shapes: examples per second.
#include <benchmark/benchmark.h>

#include "models/training.h"

namespace melgrad {
namespace {

// state.range: frames, bands, batch
void dong2018_step(benchmark::State& state) {
  const auto device = make_device("cpu");
  Recipe recipe = load_recipe("dong2018");
  recipe.segment.frames = state.range(0);
  const std::int64_t bands = state.range(1), batch = state.range(2), rows = recipe.segment.frames * 2;
  std::vector<float> features(static_cast<std::size_t>(batch * rows * bands), 0.5F);
  for (std::size_t i = 0; i < features.size(); ++i)
    features[i] = static_cast<float>(i * 2654435761U % 1000) / 500;
  std::vector<ResidentData::Track> tracks;
  std::vector<std::int32_t> order;
  for (std::int64_t k = 0; k < batch; ++k) {
    tracks.push_back({k * rows, static_cast<std::int32_t>(rows), static_cast<std::int32_t>(k % 10)});
    order.push_back(static_cast<std::int32_t>(k));
  }
  const ResidentData data(*device, features.data(), DType::f32, batch * rows, bands, tracks);
  const auto model = make_model(recipe.model, {recipe.segment.frames, bands}, 10);
  model->params().allocate(*device);
  model->params().initialise(*device, 1);
  TrainingStep step(*device, *model, data, recipe, 1, batch, 1);
  for (auto _ : state) {
    step.begin_epoch(order, 0);
    step.run();
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(dong2018_step)
    ->Args({256, 64, 150})
    ->Args({50, 64, 150})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace melgrad
