// Simple measures of how a clip sounds, from its decoded samples x[0 ... n-1] (mono, 22,050 Hz) and their
// magnitude spectrum X[t, k] (Hann window of 1024 samples, hop 256: 86 frames a second, those that fit).
//
//   level           20 log10 sqrt(mean x^2), dB of full scale
//   zero crossings  share of neighbouring samples with different signs (0 counts as positive)
//   centroid        sum_k f_k |X| / sum_k |X|, Hz
//   roll-off        lowest f_k below which 85 % of sum_k |X| lie, Hz
//   flatness        geometric over arithmetic mean over k of max(|X|^2, 1e-10), 0 ... 1
//   onsets          peaks of the onset envelope per second
//   tempo           beats a minute, 40 to 240
// and the mean level of 40 mel bands in dB. Centroid, roll-off and flatness are means over the frames that
// are at most 60 dB weaker than the strongest; formulas from Peeters 2004, "A large set of audio features",
// as in librosa (spectral_centroid, spectral_rolloff, spectral_flatness).
//
// The onset envelope e[t] is the spectral flux: mean over the bands of max(0, dB[t] - dB[t-1]), dB no lower
// than 80 below the clip's peak (Boeck and Widmer 2013). A frame is an onset if it is the largest within
// 35 ms and at least 0.7 dB above the mean within 100 ms; steady noise stays below that. The tempo is the lag
// with the largest autocorrelation of the envelope minus its mean, weighted by exp(-log2(tempo / 120)^2 / 2)
// (Ellis 2007): a rough estimate that often takes double or half the tempo. It is NaN for clips under 3 s,
// with fewer than two onsets, or whose envelope never repeats itself.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "kernels/devices/feature_extractor.h"

namespace melgrad {

struct Measure {
  const char *name, *unit;
  int decimals;  // on screen
};
inline constexpr std::array<Measure, 7> kMeasures = {{{"level", "dBFS", 1},
                                                      {"zero_crossings", "/sample", 3},
                                                      {"centroid", "Hz", 0},
                                                      {"roll_off", "Hz", 0},
                                                      {"flatness", "0..1", 4},
                                                      {"onsets", "1/s", 2},
                                                      {"tempo", "1/min", 1}}};
constexpr std::size_t kContentBands = 40;

struct Content {
  std::array<double, kMeasures.size()> measures{};  // as kMeasures
  std::array<double, kContentBands> bands{};        // dB
};

// Onset envelope of one clip -> its onsets (frames) and its tempo (1/min or NaN); `rate` is frames a second.
std::vector<std::size_t> find_onsets(const std::vector<double>& envelope, double rate);
double estimate_tempo(const std::vector<double>& envelope, double rate);

// Several threads may call at once, each with a clip of its own.
class ContentMeter {
 public:
  explicit ContentMeter(Device& device);
  int sample_rate() const { return spectrum_.tables().options.sample_rate; }
  // Throws Error (input) that begins with `clip` if it is shorter than a frame or nowhere above -100 dBFS.
  Content operator()(const std::vector<float>& samples, const std::string& clip);

 private:
  FeatureExtractor spectrum_;
  MelTables mel_;
};

}  // namespace melgrad
