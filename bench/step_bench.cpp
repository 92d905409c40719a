// Training steps of the shipped networks at their published shapes, on every device: examples per second.
#include <benchmark/benchmark.h>

#include "bench/devices.h"
#include "models/training.h"

namespace melgrad {
namespace {

struct StepShape {
  std::int64_t frames, bands, batch;
};

void dong2018_step(benchmark::State& state, const BenchDevice& where, const StepShape& s) {
  const auto device = where.make();
  Recipe recipe = load_recipe("dong2018");
  recipe.segment.frames = s.frames;
  const std::int64_t rows = s.frames * 2;
  std::vector<float> features(static_cast<std::size_t>(s.batch * rows * s.bands), 0.5F);
  for (std::size_t i = 0; i < features.size(); ++i)
    features[i] = static_cast<float>(i * 2654435761U % 1000) / 500;
  std::vector<TrackTable::Track> tracks;
  std::vector<std::int32_t> order;
  for (std::int64_t k = 0; k < s.batch; ++k) {
    tracks.push_back({k * rows, static_cast<std::int32_t>(rows), static_cast<std::int32_t>(k % 10)});
    order.push_back(static_cast<std::int32_t>(k));
  }
  const TrackTable data(*device, features.data(), DType::f32, s.batch * rows, s.bands, tracks);
  const auto model = make_model(recipe.model, {s.frames, s.bands}, 10);
  model->params().allocate(*device);
  model->params().initialise(*device, 1);
  // An epoch of many steps on the same tracks, so that the host does not interfere.
  constexpr std::int64_t kSteps = 20;
  std::vector<std::int32_t> plan;
  for (std::int64_t i = 0; i < kSteps; ++i) plan.insert(plan.end(), order.begin(), order.end());
  TrainingStep step(*device, *model, data, recipe, 1, s.batch, kSteps);
  const std::int64_t steps = device->name() == "cpu" ? 1 : kSteps;
  const auto run = [&] {
    step.begin_epoch(plan, 0);
    for (std::int64_t i = 0; i < steps; ++i) step.run();
    device->synchronise();
  };
  run();  // plans, memory, the recording
  run();
  run();
  while (state.KeepRunningBatch(steps)) run();
  state.SetItemsProcessed(state.iterations() * s.batch);
}

const bool registered = [] {
  for (const BenchDevice& device : bench_devices()) {
    for (const StepShape& s : {StepShape{256, 64, 150}, StepShape{50, 64, 150}}) {
      const std::string name =
          fmt::format("dong2018_step/{}x{}x{}/{}", s.frames, s.bands, s.batch, device.name);
      benchmark::RegisterBenchmark(name.c_str(), dong2018_step, device, s)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
