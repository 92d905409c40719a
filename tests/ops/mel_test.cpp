// Log-mel features: every device's kernel against the reference in double (reference/mel.h)
// and against golden files made with librosa and from published definitions (tests/golden/make_mel.py).
//
// The bound everywhere: |a - b| <= 1e-5 b + 1e-8 peak for band powers, peak = the loudest band of the frame;
// after a log 2e-5 more, plus what that power error amounts to. The second term is what an FFT in float
// leaves behind: rounding noise in every bin, about 1e-7 of the loudest amplitude.
#include "kernels/mel.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/log_mel.h"
#include "kernels/error.h"
#include "kernels/math/half.h"
#include "kernels/reference/mel.h"
#include "tests/ops/mel_settings.h"
#include "tests/ops/op_test.h"
#include "tests/places.h"

namespace melgrad {
namespace {

std::vector<float> read_golden(const std::string& name) {
  std::ifstream file(source_path("tests/golden/mel_" + name + ".f32"), std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("mel_" + name + ".f32: missing");
  std::vector<float> values(static_cast<std::size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

Device* under_test = nullptr;  // set by the fixture for each device in turn

// The features of a clip, with guard words around the output.
std::vector<float> features(const std::vector<float>& pcm, const MelOptions& options) {
  const MelTables mel(options);
  const auto samples = static_cast<std::int64_t>(pcm.size());
  const std::int64_t frames = mel.frames(samples);
  if (frames == 0) return {};
  Buffer x(*under_test, {samples}, DType::f32), y(*under_test, {frames, mel.bands()}, DType::f32);
  x.upload({reinterpret_cast<const std::byte*>(pcm.data()),
            reinterpret_cast<const std::byte*>(pcm.data() + samples)});
  y.fill_with_nan();
  under_test->ops().log_mel(x.tensor(), mel, y.tensor());
  const std::vector<float> out = host_array<float>(y).v;
  x.download();  // looks at the guards
  return out;
}

class LogMel : public testing::TestWithParam<DeviceParam> {
 protected:
  void SetUp() override {
    device_ = GetParam().make();
    under_test = device_.get();
  }
  void TearDown() override { under_test = nullptr; }

 private:
  std::unique_ptr<Device> device_;
};

INSTANTIATE_TEST_SUITE_P(Device, LogMel, testing::ValuesIn(device_params()),
                         [](const auto& param_info) { return param_info.param.name; });

double one_log(double power, const MelOptions& o) {
  reference::Matrix v = {{power}};
  MelOptions alone = o;
  alone.top_db = 0;
  if (o.log == LogKind::whisper) return std::log10(std::max(power, o.log_floor)) / 4.0;
  reference::apply_log(v, alone);
  return v[0][0];
}

// `want` holds the values, `power` the band powers (or magnitudes) before the log. Returns the largest error
// in units of its bound.
double expect_close(const std::vector<float>& got, const reference::Matrix& want,
                    const reference::Matrix& power, const MelOptions& o, const std::string& what) {
  const std::size_t bands = want.empty() ? 0 : want[0].size();
  EXPECT_EQ(got.size(), want.size() * bands) << what;
  if (got.size() != want.size() * bands) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t t = 0; t < want.size(); ++t) {
    // An error relative to the power is half as large relative to the magnitude.
    const double peak = *std::max_element(power[t].begin(), power[t].end());
    for (std::size_t b = 0; b < bands; ++b) {
      const double x = power[t][b];
      const double slack = 1e-5 * x + (o.power == 2 ? 1e-8 : 1e-6) * peak;
      const double bound = o.log == LogKind::none
                               ? slack
                               : 2e-5 + std::max(one_log(x + slack, o) - one_log(x, o),
                                                 one_log(x, o) - one_log(std::max(0.0, x - slack), o));
      const double error = std::abs(got[t * bands + b] - want[t][b]);
      if (error > bound) {
        ADD_FAILURE() << what << ": frame " << t << ", band " << b << ": " << got[t * bands + b]
                      << " instead of " << want[t][b] << ", bound " << bound;
        return error / bound;
      }
      if (bound > 0) worst = std::max(worst, error / bound);
    }
  }
  return worst;
}

reference::Matrix band_power(const std::vector<float>& pcm, MelOptions o) {
  o.log = LogKind::none;
  return reference::log_mel(pcm, o);
}

double expect_equals_reference(const std::vector<float>& pcm, const MelOptions& o, const std::string& what) {
  const reference::Matrix power = band_power(pcm, o);
  reference::Matrix log = power;
  reference::apply_log(log, o);
  return expect_close(features(pcm, o), log, power, o, what);
}

// All but `samples`.
std::vector<std::string> spectral_presets() {
  std::vector<std::string> names = mel_preset_names();
  std::erase_if(names, [](const std::string& name) { return mel_preset(name).n_fft == 0; });
  return names;
}

// The settings of tests/golden/make_mel.py's `linear`.
MelOptions linear() {
  return with(MelOptions{}, {{"n_fft", "120"},
                             {"win_length", "81"},
                             {"hop_length", "500"},
                             {"n_mels", "0"},
                             {"window", "hamming"},
                             {"padding", "zeros"},
                             {"power", "1"},
                             {"log", "none"}});
}

std::vector<float> noise(std::size_t samples, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.2f);
  std::vector<float> pcm(samples);
  for (float& x : pcm) x = normal(random);
  return pcm;
}

TEST_P(LogMel, EmptyFilterIsSilent) {
  const MelOptions o = with(mel_preset("torchaudio"), {{"n_fft", "512"}, {"win_length", "512"}});
  const std::vector<float> got = features(noise(5000), o);
  for (std::size_t at = 0; at < got.size(); at += 128) EXPECT_FLOAT_EQ(got[at], -100.0f);
}

TEST_P(LogMel, GoldenFiles) {
  const std::vector<float> pcm = read_golden("input");
  std::ifstream index(source_path("tests/golden/mel_index.txt"));
  std::string name;
  std::size_t frames = 0, bands = 0;
  int files = 0;
  while (index >> name >> frames >> bands) {
    const MelOptions o = name == "linear" ? linear() : mel_preset(name);
    const std::vector<float> golden = read_golden(name);
    ASSERT_EQ(golden.size(), frames * bands);
    reference::Matrix want(frames, std::vector<double>(bands));
    for (std::size_t i = 0; i < golden.size(); ++i)
      want[i / bands][i % bands] = static_cast<double>(golden[i]);

    const reference::Matrix power = band_power(pcm, o);
    RecordProperty(name, std::to_string(expect_close(features(pcm, o), want, power, o, name)));

    MelOptions plain = o;
    plain.log = LogKind::none;
    expect_close(features(pcm, plain), power, power, plain, name + ", power");

    // The reference is the specification: it must equal the golden files to their own rounding.
    reference::Matrix log = power;
    reference::apply_log(log, o);
    ASSERT_EQ(log.size(), frames) << name;
    for (std::size_t i = 0; i < golden.size(); ++i) {
      EXPECT_NEAR(log[i / bands][i % bands], want[i / bands][i % bands], 1e-5) << name << ", value " << i;
    }
    ++files;
  }
  EXPECT_EQ(files, 10);
}

// The presets without mel bands: their rows would make the golden files a third larger again.
TEST_P(LogMel, LinearPresetsEqualReference) {
  const std::vector<float> pcm = read_golden("input");
  for (const char* name : {"mtat-linear", "harmonic"}) {
    const MelOptions o = mel_preset(name);
    EXPECT_EQ(MelTables(o).bands(), 257);
    RecordProperty(name, std::to_string(expect_equals_reference(pcm, o, name)));
  }
}

TEST_P(LogMel, SamplesAreCopied) {
  for (const std::size_t n : {0, 1, 3, 257, 100001}) {
    const std::vector<float> pcm = noise(n);
    EXPECT_EQ(features(pcm, mel_preset("samples")), pcm);
    std::vector<float> scaled;
    const MelOptions o = with(mel_preset("samples"), {{"input_scale", "0.3"}});
    for (const auto& row : reference::log_mel(pcm, o)) scaled.push_back(static_cast<float>(row.at(0)));
    const std::vector<float> got = features(pcm, o);
    ASSERT_EQ(got.size(), n);
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(got[i], scaled[i], 1.2e-7 * std::abs(scaled[i]));
  }
}

TEST_P(LogMel, OddSettingsEqualReference) {
  const std::vector<std::vector<std::pair<std::string, std::string>>> cases = {
      {{"n_fft", "333"}, {"win_length", "333"}, {"hop_length", "100"}},                   // odd
      {{"n_fft", "202"}, {"win_length", "57"}, {"hop_length", "31"}},                     // prime factor 101
      {{"n_fft", "64"}, {"win_length", "1"}, {"n_mels", "5"}},                            // one sample
      {{"n_fft", "96"}, {"win_length", "96"}, {"n_mels", "0"}, {"log", "none"}},          // linear power
      {{"n_fft", "7"}, {"win_length", "3"}, {"n_mels", "0"}, {"hop_length", "1"}},        // tiny
      {{"power", "1"}, {"n_mels", "33"}, {"log", "log10_1p"}, {"log_multiplier", "50"}},  // magnitudes
      {{"padding", "none"}, {"win_length", "300"}, {"hop_length", "700"}},  // hop beyond the frame
      {{"padding", "zeros"}, {"log", "db"}, {"log_floor", "1e-5"}, {"top_db", "20"}},
      {{"remove_dc", "true"}, {"pre_emphasis", "0.9"}, {"window", "hamming"}, {"win_length", "401"}},
      {{"window", "rectangular"},
       {"mel_norm", "none"},
       {"mel_scale", "htk"},
       {"fmin", "300"},
       {"fmax", "3000"}},
      {{"triangles_in_mel", "true"},
       {"left_aligned_window", "true"},
       {"win_length", "200"},
       {"padding", "zeros"}},
  };
  std::vector<float> pcm = read_golden("input");
  pcm.resize(6001);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    MelOptions o = with(MelOptions{}, cases[i]);
    const std::string name = "case " + std::to_string(i);
    RecordProperty(name, std::to_string(expect_equals_reference(pcm, o, name)));
    o.log = LogKind::none;  // the powers themselves: a log hides errors of small values
    RecordProperty(name + ", power", std::to_string(expect_equals_reference(pcm, o, name + ", power")));
  }
}

// Powers of two, which the GPU takes in one kernel: few and many frames of a block, even and odd hops.
TEST_P(LogMel, PowersOfTwoEqualReference) {
  std::vector<float> pcm = read_golden("input");
  pcm.resize(5001);
  for (const int n_fft : {128, 256, 512, 1024, 2048, 4096, 8192}) {
    for (const int hop : {n_fft / 2, n_fft / 3 | 1}) {
      for (const char* bands : {"40", "0"}) {
        const std::string size = std::to_string(n_fft);
        const MelOptions o = with(MelOptions{}, {{"n_fft", size},
                                                 {"win_length", size},
                                                 {"hop_length", std::to_string(hop)},
                                                 {"n_mels", bands},
                                                 {"power", hop % 2 == 0 ? "2" : "1"},
                                                 {"log", "none"}});
        const std::string name = size + " hop " + std::to_string(hop) + ", " + bands + " bands";
        RecordProperty(name, std::to_string(expect_equals_reference(pcm, o, name)));
      }
    }
  }
}

// More frames than the GPU's blocks take in one go: the same as in pieces, and the largest of all is found.
TEST_P(LogMel, ManyFrames) {
  const MelOptions whole = with(MelOptions{}, {{"n_fft", "256"},
                                               {"win_length", "256"},
                                               {"hop_length", "1"},
                                               {"n_mels", "8"},
                                               {"padding", "none"},
                                               {"log", "db"},
                                               {"log_floor", "1e-10"}});
  std::vector<float> pcm = noise(17000);
  pcm[16990] = 30;  // the loudest frames come last
  std::vector<float> want;
  for (const std::ptrdiff_t first : {0, 6000, 12000}) {
    const std::ptrdiff_t last = std::min<std::ptrdiff_t>(first + 6000 + 255, 17000);
    const std::vector<float> piece = features({pcm.begin() + first, pcm.begin() + last}, whole);
    want.insert(want.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(features(pcm, whole), want);
  const float lowest = *std::max_element(want.begin(), want.end()) - 20;
  for (float& x : want) x = std::max(x, lowest);
  EXPECT_EQ(features(pcm, with(whole, {{"top_db", "20"}})), want);
}

TEST_P(LogMel, ShortClips) {
  const std::vector<float> pcm = noise(700);
  for (const std::string& name : spectral_presets()) {
    for (const char* padding : {"none", "reflect", "zeros"}) {
      const MelOptions o = with(mel_preset(name), {{"padding", padding}});
      for (std::size_t n : {0, 1, 2, 3, 5, 199, 200, 201, 256, 399, 400, 401, 512, 513, 700}) {
        expect_equals_reference({pcm.begin(), pcm.begin() + static_cast<std::ptrdiff_t>(n)}, o,
                                name + " " + padding + " " + std::to_string(n));
      }
    }
  }
}

TEST(LogMelOnCpu, SameBitsForAnyNumberOfThreads) {
  const std::vector<float> pcm = read_golden("input");
  for (const std::string& name : mel_preset_names()) {
    const MelTables mel(mel_preset(name));
    const auto samples = static_cast<std::int64_t>(pcm.size());
    const auto with_threads = [&](int threads) {
      std::vector<float> out(static_cast<std::size_t>(mel.frames(samples) * mel.bands()));
      log_mel(pcm.data(), samples, mel, out.data(), threads);
      return out;
    };
    for (int threads : {0, 2, 3, 7, 64}) EXPECT_EQ(with_threads(threads), with_threads(1)) << name << threads;
  }
}

// A frame's values depend on its samples alone: not on its lane, its block or where the clip was cut.
TEST_P(LogMel, FramesDoNotDependOnTheirPlace) {
  const std::vector<float> pcm = noise(20000);
  for (const char* name : {"dong2018", "kaldi", "torchaudio"}) {
    const MelOptions o = with(mel_preset(name), {{"padding", "none"}});
    const std::vector<float> whole = features(pcm, o);
    for (std::ptrdiff_t skipped : {1, 3, 8, 13}) {
      const std::vector<float> tail = features({pcm.begin() + skipped * o.hop_length, pcm.end()}, o);
      const std::vector<float> want(whole.begin() + skipped * o.n_mels, whole.end());
      EXPECT_EQ(tail, want) << name << ", " << skipped << " frames skipped";
    }
  }
}

TEST_P(LogMel, SilenceGivesTheFloor) {
  const std::vector<float> pcm(4000);
  const std::vector<std::pair<std::string, double>> expected = {{"dong2018", 0},
                                                                {"librosa", -100},
                                                                {"torchaudio", -100},
                                                                {"kaldi", std::log(std::pow(2.0, -23))},
                                                                {"whisper", (-10.0 + 4) / 4},
                                                                {"musicnn", 0},
                                                                {"musicnn-2019", 0},
                                                                {"mtat-linear", -100},
                                                                {"mtat-mel96", -100},
                                                                {"mtat-mel128", -100},
                                                                {"harmonic", 0},
                                                                {"samples", 0}};
  EXPECT_EQ(expected.size(), mel_preset_names().size());
  for (const auto& [name, value] : expected) {
    for (float x : features(pcm, mel_preset(name))) ASSERT_NEAR(x, value, 1e-5) << name;
  }
}

// Neither infinity nor NaN comes out of a log, however loud or broken the input.
TEST_P(LogMel, LoudAndBrokenInputStaysFinite) {
  for (const float scale : {1e4f, 1e10f, 1e19f, 1e30f, std::numeric_limits<float>::max()}) {
    std::vector<float> pcm = noise(3000);
    for (float& x : pcm) x *= scale;
    pcm[1500] = scale > 1e20f ? std::numeric_limits<float>::quiet_NaN() : pcm[1500];
    for (const std::string& name : mel_preset_names()) {
      if (mel_preset(name).log == LogKind::none) continue;
      for (float x : features(pcm, mel_preset(name)))
        ASSERT_TRUE(std::isfinite(x)) << name << " at " << scale;
    }
    if (scale < 1e5f) expect_equals_reference(pcm, mel_preset("dong2018"), "loud");
  }
}

// Samples and features may be f16, each for itself: the same computation, the features rounded at the end.
// Whisper's law, whose second pass reads what the first one wrote, rounds twice.
TEST_P(LogMel, HalfPrecisionInAndOut) {
  const auto pcm = noise(5000);
  std::vector<std::uint16_t> half(pcm.size());
  std::vector<float> rounded(pcm.size());
  float_to_half(pcm.data(), half.data(), static_cast<std::int64_t>(pcm.size()));
  half_to_float(half.data(), rounded.data(), static_cast<std::int64_t>(pcm.size()));
  std::vector<MelOptions> all = {linear()};
  for (const std::string& name : mel_preset_names()) all.push_back(mel_preset(name));
  for (const MelOptions& o : all) {
    SCOPED_TRACE(o.preset);
    const std::vector<float> expected = features(rounded, o);
    const MelTables mel(o);
    Buffer x(*under_test, {5000}, DType::f16);
    x.upload({reinterpret_cast<const std::byte*>(half.data()),
              reinterpret_cast<const std::byte*>(half.data() + 5000)});
    const Shape shape{mel.frames(5000), mel.bands()};
    Buffer single(*under_test, shape, DType::f32), y(*under_test, shape, DType::f16);
    single.fill_with_nan(), y.fill_with_nan();
    under_test->ops().log_mel(x.tensor(), mel, single.tensor());
    under_test->ops().log_mel(x.tensor(), mel, y.tensor());
    EXPECT_TRUE(host_array<float>(single).v == expected);
    const std::vector<std::uint16_t> got = host_array<std::uint16_t>(y).v;
    int largest = 0;
    for (std::size_t i = 0; i < got.size(); ++i)
      largest = std::max(largest, std::abs(int{got[i]} - int{float_to_half(expected[i])}));
    EXPECT_LE(largest, o.log == LogKind::whisper ? 1 : 0);
  }
}

}  // namespace
}  // namespace melgrad
