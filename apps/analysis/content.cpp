#include "apps/analysis/content.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/error.h"

namespace melgrad {
namespace {

enum : std::size_t {
  kLevel,
  kZeroCrossings,
  kCentroid,
  kRollOff,
  kFlatness,
  kOnsets,
  kTempo
};                                                                   // of kMeasures
constexpr double kTempoCentre = 120, kSlowest = 40, kFastest = 240;  // 1/min
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kOnsetRise = 0.7;  // dB

MelOptions spectrum_options() {
  MelOptions options;
  options.sample_rate = 22050;
  options.n_fft = options.win_length = 1024;
  options.hop_length = 256;
  options.n_mels = 0;
  options.padding = Padding::none;  // padding would end most clips with a click
  options.power = 1;
  options.log = LogKind::none;
  return options;
}

MelOptions band_options() {
  MelOptions options = spectrum_options();
  options.n_mels = kContentBands;
  options.fmax = options.sample_rate / 2.0;
  return options;
}

double level(const std::vector<float>& x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  return 10 * std::log10(sum / static_cast<double>(x.size()));
}

double zero_crossings(const std::vector<float>& x) {
  std::size_t changes = 0;
  for (std::size_t i = 1; i < x.size(); ++i) changes += (x[i] < 0) != (x[i - 1] < 0) ? 1 : 0;
  return static_cast<double>(changes) / static_cast<double>(std::max<std::size_t>(1, x.size() - 1));
}

// ---- one frame of |X|; `bin` is the distance of two bins in Hz
struct FrameShape {
  double centroid, roll_off, flatness;
};

FrameShape shape_of(std::span<const float> magnitude, double bin) {
  double sum = 0, weighted = 0, logs = 0, powers = 0;
  for (std::size_t k = 0; k < magnitude.size(); ++k) {
    const double m = static_cast<double>(magnitude[k]), power = std::max(m * m, 1e-10);
    sum += m;
    weighted += static_cast<double>(k) * m;
    logs += std::log(power);
    powers += power;
  }
  double below = 0;
  std::size_t roll = 0;
  for (; roll + 1 < magnitude.size(); ++roll) {
    below += static_cast<double>(magnitude[roll]);
    if (below >= 0.85 * sum) break;
  }
  const auto bins = static_cast<double>(magnitude.size());
  return {bin * weighted / sum, bin * static_cast<double>(roll), std::exp(logs / bins) / (powers / bins)};
}

void set_shape(const std::vector<float>& magnitude, std::size_t bins, double bin, Content& content) {
  const std::size_t frames = magnitude.size() / bins;
  std::vector<double> power(frames, 0);
  for (std::size_t i = 0; i < magnitude.size(); ++i)
    power[i / bins] += static_cast<double>(magnitude[i]) * static_cast<double>(magnitude[i]);
  const double floor = 1e-6 * *std::max_element(power.begin(), power.end());
  double centroid = 0, roll_off = 0, flatness = 0, count = 0;
  for (std::size_t t = 0; t < frames; ++t) {
    if (power[t] < floor) continue;
    const FrameShape shape = shape_of({magnitude.data() + t * bins, bins}, bin);
    centroid += shape.centroid;
    roll_off += shape.roll_off;
    flatness += shape.flatness;
    count += 1;
  }
  content.measures[kCentroid] = centroid / count;
  content.measures[kRollOff] = roll_off / count;
  content.measures[kFlatness] = flatness / count;
}

// ---- mel bands in dB, [frames, kContentBands], no lower than 80 dB below the largest value
std::vector<double> band_levels(const std::vector<float>& magnitude, std::size_t bins, const MelTables& mel) {
  const std::size_t frames = magnitude.size() / bins;
  std::vector<double> levels(frames * kContentBands, 0);
  for (std::size_t t = 0; t < frames; ++t) {
    for (std::size_t b = 0; b < kContentBands; ++b) {
      const float* m = magnitude.data() + t * bins + mel.filter_first[b];
      for (std::int32_t w = mel.filter_offset[b]; w < mel.filter_offset[b + 1]; ++w, ++m)
        levels[t * kContentBands + b] += static_cast<double>(mel.filter_weight[static_cast<std::size_t>(w)]) *
                                         static_cast<double>(*m) * static_cast<double>(*m);
    }
  }
  const double floor = 1e-8 * *std::max_element(levels.begin(), levels.end());
  for (double& v : levels) v = 10 * std::log10(std::max(v, floor));
  return levels;
}

std::vector<double> onset_envelope(const std::vector<double>& levels) {
  std::vector<double> envelope(levels.size() / kContentBands, 0);
  for (std::size_t i = kContentBands; i < levels.size(); ++i)
    envelope[i / kContentBands] += std::max(0.0, levels[i] - levels[i - kContentBands]) / kContentBands;
  return envelope;
}

}  // namespace

std::vector<std::size_t> find_onsets(const std::vector<double>& envelope, double rate) {
  const auto near = static_cast<std::size_t>(0.035 * rate), around = static_cast<std::size_t>(0.1 * rate);
  std::vector<std::size_t> onsets;
  const auto begin = envelope.begin();
  for (std::size_t t = 0; t < envelope.size(); ++t) {
    const auto at = [&](std::size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
    const auto from = [&](std::size_t reach) { return at(t - std::min(t, reach)); };
    const auto to = [&](std::size_t reach) { return at(std::min(t + reach + 1, envelope.size())); };
    const double mean =
        std::accumulate(from(around), to(around), 0.0) / static_cast<double>(to(around) - from(around));
    // max_element gives the first of equals: a plateau is one onset.
    if (envelope[t] >= mean + kOnsetRise && std::max_element(from(near), to(near)) == at(t))
      onsets.push_back(t);
  }
  return onsets;
}

double estimate_tempo(const std::vector<double>& envelope, double rate) {
  const auto shortest = static_cast<std::size_t>(60 * rate / kFastest),
             longest = static_cast<std::size_t>(std::ceil(60 * rate / kSlowest));
  const std::size_t n = envelope.size();
  if (n < 2 * longest) return kNone;
  // Smoothed over three frames, because a beat need not last a whole number of them.
  const double mean = std::accumulate(envelope.begin(), envelope.end(), 0.0) / static_cast<double>(n);
  std::vector<double> x(n, 0);
  for (std::size_t t = 1; t + 1 < n; ++t)
    x[t] = 0.25 * envelope[t - 1] + 0.5 * envelope[t] + 0.25 * envelope[t + 1] - mean;
  const auto correlation = [&](std::size_t lag) {
    return std::inner_product(x.begin(), x.end() - static_cast<std::ptrdiff_t>(lag),
                              x.begin() + static_cast<std::ptrdiff_t>(lag), 0.0);
  };
  std::vector<double> r(longest + 2);
  for (std::size_t lag = shortest - 1; lag < r.size(); ++lag) r[lag] = correlation(lag);
  double best = 0, tempo = kNone;
  for (std::size_t lag = shortest; lag <= longest; ++lag) {
    const double before = r[lag - 1], here = r[lag], after = r[lag + 1];
    if (here <= before || here < after) continue;  // not a peak
    const double shift =
        0.5 * (before - after) / (before - 2 * here + after);  // of the parabola through the three
    const double candidate = 60 * rate / (static_cast<double>(lag) + shift);
    const double octaves = std::log2(candidate / kTempoCentre),
                 weighted = here * std::exp(-0.5 * octaves * octaves);
    if (weighted <= best) continue;
    best = weighted;
    tempo = candidate;
  }
  return tempo;
}

ContentMeter::ContentMeter(Device& device) : spectrum_(device, spectrum_options()), mel_(band_options()) {}

Content ContentMeter::operator()(const std::vector<float>& samples, const std::string& clip) {
  const MelOptions& options = spectrum_.tables().options;
  if (samples.size() < static_cast<std::size_t>(options.n_fft)) {
    fail(ErrorKind::input, "{}: {} samples at {} Hz, too short for a frame of {}", clip, samples.size(),
         options.sample_rate, options.n_fft);
  }
  if (std::all_of(samples.begin(), samples.end(), [](float x) { return std::abs(x) < 1e-5F; }))
    fail(ErrorKind::input, "{}: silent, no sample is above -100 dBFS", clip);
  const auto bins = static_cast<std::size_t>(spectrum_.tables().bands());
  const std::vector<float> magnitude = spectrum_(samples);

  Content content;
  content.measures[kLevel] = level(samples);
  content.measures[kZeroCrossings] = zero_crossings(samples);
  set_shape(magnitude, bins, static_cast<double>(options.sample_rate) / options.n_fft, content);

  const std::vector<double> levels = band_levels(magnitude, bins, mel_);
  const std::vector<double> envelope = onset_envelope(levels);
  const double rate = static_cast<double>(options.sample_rate) / options.hop_length;
  const double seconds = static_cast<double>(samples.size()) / options.sample_rate;
  const std::size_t onsets = find_onsets(envelope, rate).size();
  content.measures[kOnsets] = static_cast<double>(onsets) / seconds;
  content.measures[kTempo] = onsets < 2 ? kNone : estimate_tempo(envelope, rate);
  for (std::size_t i = 0; i < levels.size(); ++i)
    content.bands[i % kContentBands] += levels[i] / static_cast<double>(envelope.size());
  return content;
}

}  // namespace melgrad
