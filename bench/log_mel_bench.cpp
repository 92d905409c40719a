// Log-mel features of PCM in the device's memory, one case per preset and device: `x_real_time` is seconds of
// audio per second. The CPU runs on one thread; the GPU gets an hour at once, so that it has something to do.
#include <benchmark/benchmark.h>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "bench/devices.h"
#include "engine/memory.h"

namespace melgrad {
namespace {

void log_mel_case(benchmark::State& state, const BenchDevice& where, const std::string& preset) {
  const auto device = where.name == "cpu" ? make_device("cpu", {.threads = 1}) : where.make();
  const MelTables mel(mel_preset(preset));
  const std::int64_t seconds = device->name() == "cpu" ? 30 : 3600,
                     samples = seconds * mel.options.sample_rate;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.1f);
  std::vector<float> pcm(static_cast<std::size_t>(samples));
  for (float& x : pcm) x = normal(random);
  Arena arena(*device);
  const Tensor x = arena.take({samples}), y = arena.take({mel.frames(samples), mel.bands()});
  device->to_device(x, pcm.data());
  const auto run = [&] {
    device->ops().log_mel(x, mel, y);
    device->synchronise();
  };
  run();
  while (state.KeepRunning()) run();
  state.counters["x_real_time"] = benchmark::Counter(
      static_cast<double>(seconds) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

const bool registered = [] {
  for (const BenchDevice& device : bench_devices()) {
    if (device.name != "cpu" && device.name != "cuda/f32") continue;  // precision is not for features
    for (const std::string& preset : mel_preset_names()) {
      benchmark::RegisterBenchmark(("log_mel/" + preset + "/" + device.name).c_str(), log_mel_case, device,
                                   preset)
          ->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
