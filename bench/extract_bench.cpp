// From files to a cache, end to end, and decoding alone, both on all cores: `x_real_time` is seconds of audio
// per second. Files of 30 s in three forms: as GTZAN's (WAV), as MagnaTagATune's (MP3 at 16 kHz), and FLAC
// at 44.1 kHz, which is resampled. The features alone are in log_mel_bench.cpp.
#include <benchmark/benchmark.h>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <random>
#include <unistd.h>

#include "apps/data/extract.h"
#include "bench/devices.h"
#include "io/audio/audio.h"
#include "io/audio/mpeg_parts.h"
#include "io/datasets/open_data_set.h"
#include "io/files/workers.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr int kFiles = 256, kDifferent = 16;  // the rest are copies
constexpr double kSeconds = 30;

struct Form {
  std::string name;
  AudioFormat format;
  int file_rate;
};
const std::vector<Form>& forms() {
  static const std::vector<Form> all = {
      {"wav", AudioFormat::wav, 22050}, {"flac", AudioFormat::flac, 44100}, {"mp3", AudioFormat::mp3, 16000}};
  return all;
}

// A folder of files that goes with the object; class "a" has them all.
class Files {
 public:
  explicit Files(const Form& form)
      : folder_(fs::temp_directory_path() / ("melgrad-bench-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_ / "a");
    std::mt19937 random(1);
    std::normal_distribution<float> hiss(0, 0.01F);
    std::vector<float> samples(static_cast<std::size_t>(kSeconds * form.file_rate));
    for (int file = 0; file < kDifferent; ++file) {
      // A chord that changes twice a second, with a little noise: neither trivial to compress nor impossible.
      for (std::size_t i = 0; i < samples.size(); ++i) {
        const double time = static_cast<double>(i) / form.file_rate, beat = std::floor(2 * time);
        const double pitch = 110 * std::pow(2.0, std::fmod(7 * beat + file, 24) / 12);
        double x = 0;
        for (const double ratio : {1.0, 1.25, 1.5, 2.0})
          x += std::sin(2 * std::numbers::pi * pitch * ratio * time);
        samples[i] = static_cast<float>(0.15 * x * std::exp(-3 * (2 * time - beat))) + hiss(random);
      }
      const std::string name = std::to_string(file) + "." + form.name;
      write_audio(folder_ / "a" / name, samples, form.file_rate, form.format);
      for (int copy = file + kDifferent; copy < kFiles; copy += kDifferent)
        fs::copy_file(folder_ / "a" / name, folder_ / "a" / (std::to_string(copy) + "." + form.name));
    }
  }
  ~Files() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  DataSet data_set() const { return open_data_set(folder_); }
  std::string cache() const { return (folder_ / "cache.h5").string(); }

 private:
  fs::path folder_;
};

void count(benchmark::State& state) {
  state.counters["x_real_time"] = benchmark::Counter(
      kFiles * kSeconds * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void decode_case(benchmark::State& state, const Form& form) {
  const Files files(form);
  const DataSet set = files.data_set();
  const int rate = mel_preset("dong2018").sample_rate;
  while (state.KeepRunning()) {
    parallel_for_each(set.tracks.size(), 0,
                      [&](std::size_t i) { benchmark::DoNotOptimize(read_audio(set.tracks[i].path, rate)); });
  }
  count(state);
}

// What finding the frames of MP3 costs beside decoding them, which reads the files again.
void frames_case(benchmark::State& state, const Form& form) {
  const Files files(form);
  const DataSet set = files.data_set();
  while (state.KeepRunning()) {
    parallel_for_each(set.tracks.size(), 0, [&](std::size_t i) {
      const InputFile file(set.tracks[i].path);
      MpegParts parts(file);
      std::int64_t frames = 0;
      while (const auto part = parts.next()) frames += part->frames;
      benchmark::DoNotOptimize(frames);
    });
  }
  count(state);
}

void extract_case(benchmark::State& state, const BenchDevice& where, const Form& form) {
  const Files files(form);
  const DataSet set = files.data_set();
  const auto device = where.make(0);
  while (state.KeepRunning()) {
    extract(set, mel_preset("dong2018"), DType::f16, *device, 0, files.cache());
    state.PauseTiming();
    fs::remove(files.cache());
    state.ResumeTiming();
  }
  count(state);
}

const bool registered = [] {
  for (const Form& form : forms()) {
    const auto add = [&](const std::string& name, auto... arguments) {
      benchmark::RegisterBenchmark((name + form.name).c_str(), arguments...)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime()
          ->MeasureProcessCPUTime();
    };
    add("decode/", decode_case, form);
    if (form.format == AudioFormat::mp3) add("frames/", frames_case, form);
    for (const BenchDevice& device : bench_devices())
      if (device.name == "cpu" || device.name == "cuda/f32")
        add("extract/" + device.name + "/", extract_case, device, form);
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
