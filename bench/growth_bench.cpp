// How time and memory grow: each case takes the size it grows with as its last argument, and `bytes` is what
// it holds meanwhile. bench/growth.py runs them and fits slopes.
#include <benchmark/benchmark.h>
#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <unistd.h>

#include "io/arrays/cache.h"
#include "io/datasets/dataset.h"
#include "io/datasets/open_data_set.h"
#include "io/datasets/split.h"
#include "kernels/devices/feature_extractor.h"
#include "kernels/devices/make_device.h"
#include "models/networks/networks.h"
#include "models/recipes/recipe.h"
#include "models/training/step.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

double allocated_bytes() {
  const auto info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

// Times make(), and counts what its result holds.
template <typename Make>
void held(benchmark::State& state, const Make& make) {
  while (state.KeepRunning()) benchmark::DoNotOptimize(make());
  const double before = allocated_bytes();
  const auto result = make();
  state.counters["bytes"] = allocated_bytes() - before;
}

std::string temporary(const std::string& name) {
  return (fs::temp_directory_path() / ("melgrad-growth-" + std::to_string(::getpid()) + name)).string();
}

void features(benchmark::State& state) {  // seconds of a clip
  const auto device = make_device("cpu");
  FeatureExtractor extractor(*device, mel_preset("dong2018"));
  const std::vector<float> pcm(static_cast<std::size_t>(22050 * state.range(0)), 0.1F);
  held(state, [&] { return extractor(pcm); });
}

void training_step(benchmark::State& state, const Recipe& base, bool by_batch) {
  Recipe recipe = base;
  if (by_batch) recipe.train.batch = state.range(0);
  else recipe.segment.frames = state.range(0);
  const auto device = make_device("cpu");
  const std::int64_t bands = MelTables(recipe.features).bands(), batch = recipe.train.batch,
                     rows = recipe.segment.frames;
  const std::vector<float> values(static_cast<std::size_t>(batch * rows * bands), 0.5F);
  std::vector<TrackTable::Track> tracks;
  for (std::int64_t k = 0; k < batch; ++k)
    tracks.push_back({k * rows, static_cast<std::int32_t>(rows), static_cast<std::int32_t>(k % 10)});
  const TrackTable data(*device, values.data(), DType::f32, batch * rows, bands, tracks);
  const auto model = make_model(recipe.model, {rows, bands}, 10);
  model->params().allocate(*device);
  model->params().initialise(*device, 1);
  std::vector<std::int32_t> plan;
  for (std::int64_t i = 0; i < batch; ++i) plan.push_back(static_cast<std::int32_t>(i));
  const Targets targets;
  TrainingStep step(*device, *model, data, targets, recipe, 1, batch, 1);
  const auto run = [&] {
    step.begin_epoch(plan, 0);
    step.run();
  };
  run();
  run();
  while (state.KeepRunning()) run();
  state.counters["bytes"] = static_cast<double>(step.step_memory());
}

// A GRU forward and backward, batch 16: 64 steps and growing width, or width 64 and growing length.
void recurrent(benchmark::State& state, bool by_width) {
  const auto device = make_device("cpu");
  const std::int64_t batch = 16, steps = by_width ? 64 : state.range(0),
                     hidden = by_width ? state.range(0) : 64;
  Arena arena(*device);
  const auto filled = [&](Shape shape) {
    const Tensor t = arena.take(shape);
    device->ops().fill(t, 0.01F);
    return t;
  };
  const Tensor x = filled({steps, batch, 3 * hidden}), u = filled({3 * hidden, hidden}),
               b = filled({3 * hidden}), states = filled({steps + 1, batch, hidden}),
               saved = filled({steps, batch, 4 * hidden}), dstates = filled({steps, batch, hidden}),
               dx = filled(x.shape), du = filled(u.shape), db = filled(b.shape);
  while (state.KeepRunning()) {
    device->ops().recurrent_forward(x, u, b, {}, states, saved);
    device->ops().recurrent_backward(u, {}, states, saved, dstates, dx, {du}, {db});
  }
  state.counters["bytes"] = static_cast<double>(
      4 * (2 * x.numel() + states.numel() + saved.numel() + dstates.numel() + 2 * u.numel() + 2 * b.numel()));
}

std::string clip_name(std::int64_t i) {
  return "clips/" + std::to_string(i % 1000) + "/" + std::to_string(i) + ".mp3";
}

void manifest(benchmark::State& state) {  // rows of a CSV manifest
  const std::string path = temporary(".csv");
  {
    std::ofstream out(path);
    out << "path,labels,split\n";
    for (std::int64_t i = 0; i < state.range(0); ++i)
      out << clip_name(i) << ",genre" << i % 10 << (i % 5 ? ",train\n" : ",test\n");
  }
  held(state, [&] { return open_data_set(path); });
  fs::remove(path);
}

void split(benchmark::State& state) {  // tracks
  std::vector<std::int32_t> label;
  std::vector<std::int64_t> group;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    label.push_back(static_cast<std::int32_t>(i % 10));
    group.push_back(i / 2);
  }
  held(state, [&] { return stratified_split(label, group, {}, 1); });
}

void cache_description(benchmark::State& state) {  // items
  const std::string path = temporary(".h5");
  {
    Cache cache;
    cache.mel = mel_preset("dong2018");
    cache.bands = 64;
    cache.classes = {"a", "b"};
    std::vector<float> row(64, 0.5F);
    cache.dtype = DType::f32;
    cache.features = HostArray(DType::f32, {state.range(0), 64});
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      CacheItem item;
      item.name = clip_name(i);
      item.first_row = i;
      item.rows = 1;
      item.labels = {1, 0};
      cache.items.push_back(item);
    }
    write_cache(path, cache);
  }
  held(state, [&] { return read_cache(path, {.features = false}); });
  fs::remove(path);
}

const bool registered = [] {
  const auto add = [](const std::string& name, std::vector<std::int64_t> sizes, auto... arguments) {
    auto* one = benchmark::RegisterBenchmark(("growth/" + name).c_str(), arguments...)
                    ->Unit(benchmark::kMillisecond)
                    ->UseRealTime();
    for (const std::int64_t size : sizes) one->Arg(size);
  };
  const std::vector<std::int64_t> clips = {1000, 10000, 100000, 1000000};
  Recipe recipe = load_recipe("dong2018");
  recipe.segment.frames = 50;
  add("features_by_seconds", {10, 30, 100, 300, 1000, 3000}, features);
  add("step_by_batch", {20, 40, 80, 160, 320}, training_step, recipe, true);
  recipe.train.batch = 20;
  add("step_by_frames", {50, 100, 200, 400, 800}, training_step, recipe, false);
  add("gru_by_hidden", {32, 64, 128, 256}, recurrent, true);
  add("gru_by_steps", {16, 64, 256, 1024}, recurrent, false);
  add("manifest_by_clips", clips, manifest);
  add("split_by_clips", clips, split);
  add("cache_by_clips", clips, cache_description);
  return true;
}();

}  // namespace
}  // namespace melgrad
