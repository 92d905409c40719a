// melgrad_bench: Google Benchmark's program, whose results also say which devices and libraries they are
// from.
#include <benchmark/benchmark.h>

#include "apps/terminal/screen.h"
#include "bench/devices.h"
#include "kernels/devices/make_device.h"
#include "models/runs/version.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("melgrad", MELGRAD_VERSION);
  benchmark::AddCustomContext("commit", melgrad::commit());
  for (const char* name : {"cpu", "cuda:0"}) {
    try {
      benchmark::AddCustomContext(name, melgrad::make_device(name)->description());
    } catch (const melgrad::Error&) {
      continue;  // not in this build, or not on this machine
    }
  }
  try {
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    melgrad::flush_output();
  } catch (const melgrad::Error& e) {
    melgrad::say("melgrad_bench: {}", e.what());
    return static_cast<int>(e.kind());
  }
}
