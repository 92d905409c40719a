// Log-mel extraction from PCM in memory, one case per preset: `x_real_time` is seconds of audio per second.
#include <benchmark/benchmark.h>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/log_mel.h"

namespace melgrad {
namespace {

void log_mel_case(benchmark::State& state, const std::string& preset) {
  const MelTables mel(mel_preset(preset));
  const std::int64_t samples = 30 * mel.options.sample_rate;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.1f);
  std::vector<float> pcm(static_cast<std::size_t>(samples));
  for (float& x : pcm) x = normal(random);
  std::vector<float> out(static_cast<std::size_t>(mel.frames(samples) * mel.bands()));
  for (auto _ : state) {
    log_mel(pcm.data(), samples, mel, out.data(), static_cast<int>(state.range(0)));
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.counters["x_real_time"] =
      benchmark::Counter(30.0 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

const bool registered = [] {
  for (const std::string& preset : mel_preset_names()) {
    benchmark::RegisterBenchmark(("log_mel/" + preset).c_str(), log_mel_case, preset)
        ->ArgName("threads")
        ->Arg(1)
        ->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
