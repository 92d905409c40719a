// Training steps of the shipped networks at their published shapes, on every device: examples per second, and
// as counters the trainable parameters and what a step needs for activations and their gradients, in MB.
#include <benchmark/benchmark.h>

#include "bench/lab.h"
#include "kernels/mel.h"
#include "models/embedded.h"
#include "models/networks/networks.h"
#include "models/recipes/recipe.h"
#include "models/training/step.h"

namespace melgrad {
namespace {

constexpr std::int64_t kClasses = 10;

// Tracks twice as long as a segment, a batch of them, full of numbers in 0 ... 2.
TrackTable make_data(Device& device, const Recipe& recipe, std::int64_t bands) {
  const std::int64_t rows = recipe.segment.frames * 2, batch = recipe.train.batch;
  std::vector<float> features(static_cast<std::size_t>(batch * rows * bands));
  for (std::size_t i = 0; i < features.size(); ++i)
    features[i] = static_cast<float>(i * 2654435761U % 1000) / 500;
  std::vector<TrackTable::Track> tracks;
  for (std::int64_t k = 0; k < batch; ++k) {
    const std::int64_t label = task_of(recipe).one_answer() ? k % kClasses : k;
    tracks.push_back({k * rows, static_cast<std::int32_t>(rows), static_cast<std::int32_t>(label)});
  }
  return {device, features.data(), DType::f32, batch * rows, bands, tracks};
}

void step_bench(benchmark::State& state, const BenchDevice& where, const Recipe& recipe) {
  Lab lab(where);
  Device& device = lab.device();
  const std::int64_t bands = MelTables(recipe.features).bands(), batch = recipe.train.batch;
  const TrackTable data = make_data(device, recipe, bands);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(batch * kClasses));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 3 == 0 ? 1 : 0;
  const Targets targets = task_of(recipe).targets(device, labels, std::vector<float>(kClasses, 1.0F), recipe);
  const auto model = make_model(recipe.model, {recipe.segment.frames, bands}, kClasses);
  model->params().allocate(device);
  model->params().initialise(device, 1);
  // An epoch of many steps on the same tracks, so that the host does not interfere.
  constexpr std::int64_t kSteps = 4096;
  std::vector<std::int32_t> plan;
  for (std::int64_t i = 0; i < kSteps * batch; ++i) plan.push_back(static_cast<std::int32_t>(i % batch));
  const auto step_on = [&](Device& on) {
    auto step = std::make_unique<TrainingStep>(on, *model, data, targets, recipe, 1, batch, kSteps);
    step->begin_epoch(plan, 0);
    step->run();
    return step;
  };
  const double least = lab.least_seconds(step_on);
  const auto first = step_on(device);
  TrainingStep& step = *first;
  std::int64_t done = kSteps;
  const auto run = [&] {
    if (done == kSteps) {
      step.begin_epoch(plan, 0);
      done = 0;
    }
    step.run();
    ++done;
  };
  for (int k = 0; k < 3; ++k) run();  // memory, the recording
  lab.time(state, least, run);
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["parameters"] = static_cast<double>(model->params().count());
  state.counters["step_MB"] = static_cast<double>(step.step_memory()) / 1e6;
}

// What changes of the input cost: the same step without any, and with every one of them.
Recipe without_changes(Recipe recipe) {
  recipe.name += "-unchanged";
  recipe.augment = {};
  return recipe;
}
Recipe with_all_changes(Recipe recipe) {
  recipe.name += "-all-changes";
  AugmentOptions& all = recipe.augment;
  all.time_masks = all.band_masks = 2;
  all.time_mask = 30;
  all.band_mask = 16;
  all.mask_with = MaskWith::mean;
  all.noise = 1;
  all.reverse = 0.5;
  return recipe;
}

void add(const BenchDevice& device, const Recipe& recipe) {
  const std::string name = fmt::format("{}_step/{}x{}x{}/{}", recipe.name, recipe.segment.frames,
                                       MelTables(recipe.features).bands(), recipe.train.batch, device.name);
  add_case(name, device, benchmark::kMillisecond,
           [=](benchmark::State& state) { step_bench(state, device, recipe); });
}

const bool registered = [] {
  for (const BenchDevice& device : bench_devices()) {
    for (const std::int64_t frames : {256, 50}) {
      Recipe recipe = load_recipe("dong2018");
      recipe.segment.frames = frames;
      add(device, recipe);
    }
    for (const char* name : {"gtzan-modulation", "gtzan-small", "gtzan-best"}) {
      add(device, load_recipe(name));
      add(device, without_changes(load_recipe(name)));
      add(device, with_all_changes(load_recipe(name)));
    }
    for (const std::string& name : names_of(embedded_recipes()))
      if (name.starts_with("mtat-") && name != "mtat-sota") add(device, load_recipe(name));
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
