// Log-mel features of PCM in the device's memory, one case per preset and device: `x_real_time` is seconds of
// audio per second. The CPU runs on one thread; the GPU gets an hour at once, so that it has something to do.
#include <benchmark/benchmark.h>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "bench/lab.h"
#include "engine/memory.h"

namespace melgrad {
namespace {

void log_mel_case(benchmark::State& state, const BenchDevice& where, const std::string& preset) {
  Lab lab(where, 1);
  Device& device = lab.device();
  const MelTables mel(mel_preset(preset));
  const std::int64_t seconds = lab.on_cpu() ? 30 : 3600, samples = seconds * mel.options.sample_rate;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.1f);
  std::vector<float> pcm(static_cast<std::size_t>(samples));
  for (float& x : pcm) x = normal(random);
  Arena arena(device);
  const Tensor x = arena.take({samples}), y = arena.take({mel.frames(samples), mel.bands()});
  device.to_device(x, pcm.data());
  const auto run = [&](Device& on) { on.ops().log_mel(x, mel, y); };
  lab.time(state, lab.least_seconds(run), [&] { run(device); });
  state.counters["x_real_time"] = benchmark::Counter(
      static_cast<double>(seconds) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

const bool registered = [] {
  for (const BenchDevice& device : bench_devices()) {
    if (device.name != "cpu" && device.name != "cuda/f32") continue;  // precision is not for features
    for (const std::string& preset : mel_preset_names()) {
      add_case("log_mel/" + preset + "/" + device.name, device, benchmark::kMicrosecond,
               [=](benchmark::State& state) { log_mel_case(state, device, preset); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
