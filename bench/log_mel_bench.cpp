// Log-mel features of PCM in the device's memory, one case per preset and device: `x_real_time` is seconds of
// audio per second. The CPU runs on one thread; the GPU gets an hour at once, so that it has something to do,
// once in single and once in half precision.
#include <benchmark/benchmark.h>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "bench/lab.h"
#include "engine/memory.h"
#include "kernels/math/half.h"
#include "kernels/mel.h"
#include "kernels/ops.h"

namespace melgrad {
namespace {

void log_mel_case(benchmark::State& state, const BenchDevice& where, const std::string& preset,
                  DType stored) {
  Lab lab(where, 1);
  Device& device = lab.device();
  const MelTables mel(mel_preset(preset));
  const std::int64_t seconds = lab.on_cpu() ? 30 : 3600, samples = seconds * mel.options.sample_rate;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.1f);
  std::vector<float> pcm(static_cast<std::size_t>(samples));
  for (float& x : pcm) x = normal(random);
  std::vector<std::uint16_t> halves(pcm.size());
  float_to_half(pcm.data(), halves.data(), samples);
  Arena arena(device);
  const Tensor x = arena.take({samples}, stored), y = arena.take({mel.frames(samples), mel.bands()}, stored);
  device.to_device(x, stored == DType::f16 ? static_cast<const void*>(halves.data()) : pcm.data());
  const auto run = [&](Device& on) { on.ops().log_mel(x, mel, y); };
  lab.time(state, lab.least_seconds(run), [&] { run(device); });
  state.counters["x_real_time"] = benchmark::Counter(
      static_cast<double>(seconds) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

const bool registered = [] {
  for (const BenchDevice& device : bench_devices()) {
    if (device.name != "cpu" && device.name != "cuda/f32") continue;  // precision is not for features
    for (const std::string& preset : mel_preset_names()) {
      const auto add = [&](const std::string& name, DType stored) {
        add_case("log_mel/" + preset + "/" + name, device, benchmark::kMicrosecond,
                 [=](benchmark::State& state) { log_mel_case(state, device, preset, stored); });
      };
      add(device.name, DType::f32);
      if (device.name != "cpu") add("cuda/f16", DType::f16);
    }
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
