// Genres from how a spectrogram moves alone; all that learns is one dense layer.
//
//   layer                                          shape [T, F, C], 256 frames x 128 bands
//   spectrogram                                    256 x 128 x 1
//   modulation.h: 5 rates x 9 scales, mean, dB           16 x 45
//   norm                                           720
//   dropout, dense                                 classes
//   parameters with 10 classes                     8,650
#include "models/networks/modulation.h"

#include <cmath>
#include <numbers>

#include "models/networks/extents.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

constexpr int kRates = 5;
constexpr double kFastest = 0.375;                                // cycles a frame
constexpr double kScales[] = {1. / 32, 1. / 16, 1. / 8, 1. / 4};  // cycles a band
constexpr double kDeviations = 2.5;                               // of the envelope, to either side
constexpr double kSmoothing = 8;                                  // bands, deviation of the filter of scale 0
constexpr std::size_t kSums = 2 * std::size(kScales) + 1;
constexpr std::int64_t kBandStride = 8,
                       kSlowestStride = 8;  // neighbouring frames of a slow wave say the same
constexpr float kFloor = 0.01F;             // of the mean: silence is -20 dB

// A wave under a Gaussian envelope: cosines, then sines, over 2 half + 1 positions; the cosines add up to 0
// unless the wave is a constant. Their squares together are 1.
struct Wave {
  double cycles;
  std::int64_t half;
  std::vector<double> cosine, sine;

  Wave(double c, double deviation) : cycles(c), half(static_cast<std::int64_t>(kDeviations * deviation + 1)) {
    double sum = 0, envelope = 0, energy = 0;
    const auto bell = [&](std::int64_t x) {
      return std::exp(-std::pow(static_cast<double>(x) / deviation, 2) / 2);
    };
    for (std::int64_t x = -half; x <= half; ++x) {
      const double phase = 2 * std::numbers::pi * cycles * static_cast<double>(x);
      cosine.push_back(bell(x) * std::cos(phase));
      sine.push_back(bell(x) * std::sin(phase));
      sum += cosine.back();
      envelope += bell(x);
    }
    for (std::int64_t x = -half; x <= half; ++x) {
      double& value = cosine[static_cast<std::size_t>(x + half)];
      if (cycles > 0) value -= bell(x) * sum / envelope;
      energy += value * value + std::pow(sine[static_cast<std::size_t>(x + half)], 2);
    }
    for (auto* part : {&cosine, &sine})
      for (double& v : *part) v /= std::sqrt(energy);
  }
};

Wave wave_of(double cycles) { return {cycles, 1 / (std::numbers::pi * cycles)}; }

// The waves over the bands: of scale 0, then of each scale.
std::vector<Wave> waves_over_bands() {
  std::vector<Wave> waves{{0, kSmoothing}};
  for (const double scale : kScales) waves.push_back(wave_of(scale));
  return waves;
}

// Cosines and sines around each band that is heard, [positions * kSums, bands * 2]: of scale 0 the one, of
// the others both. The second of a band's two values is what they are of; what stands beyond the bands is 0,
// their mean.
std::vector<float> band_filters(std::int64_t bands, std::int64_t positions) {
  std::vector<float> w;
  const auto add = [&](const Wave& wave, const std::vector<double>& part, std::int64_t centre) {
    for (std::int64_t band = 0; band < bands; ++band) {
      const std::int64_t at = band - centre + wave.half;
      const bool inside = at >= 0 && at < std::ssize(part);
      w.push_back(0);
      w.push_back(inside ? static_cast<float>(part[static_cast<std::size_t>(at)]) : 0.0F);
    }
  };
  for (std::int64_t k = 0; k < positions; ++k)
    for (const Wave& wave : waves_over_bands()) {
      add(wave, wave.cosine, k * kBandStride);
      if (wave.cycles > 0) add(wave, wave.sine, k * kBandStride);
    }
  return w;
}

// [kSums, frames, 1, kSums]: cos(a +- b) = cos a cos b -+ sin a sin b
std::vector<float> time_filters(const Wave& wave) {
  const std::size_t frames = wave.cosine.size();
  std::vector<float> w(kSums * frames * kSums);
  const auto at = [&](std::size_t to, std::size_t frame, std::size_t from) -> float& {
    return w[(to * frames + frame) * kSums + from];
  };
  for (std::size_t t = 0; t < frames; ++t) {
    const auto cosine = static_cast<float>(wave.cosine[t]), sine = static_cast<float>(wave.sine[t]);
    at(0, t, 0) = cosine;
    for (std::size_t k = 1; k < kSums; k += 2) {
      at(k, t, k) = at(k + 1, t, k) = cosine;
      at(k, t, k + 1) = -sine;
      at(k + 1, t, k + 1) = sine;
    }
  }
  return w;
}

}  // namespace

ModulationBank::ModulationBank(ParamStore& params, const std::string& model, const InputShape& input)
    : positions_((input.bands - 1) / kBandStride + 1),
      bands_(params.fixed("filters.bands", band_filters(input.bands, positions_),
                          Shape{positions_ * std::int64_t{kSums}, 2 * input.bands})),
      floor_(params.fixed("filters.floor", std::vector<float>(kSums, kFloor))) {
  for (int k = 0; k < kRates; ++k) {
    const Wave wave = wave_of(kFastest / std::exp2(k));
    const std::int64_t frames = std::ssize(wave.cosine);
    const Conv2d conv{std::min(std::int64_t{1} << k, kSlowestStride), 1, 0, 0};
    Extents(model, input).convolve(frames, 1, conv);
    rates_.push_back({&params.fixed("filters.time" + std::to_string(k + 1), time_filters(wave),
                                    Shape{std::int64_t{kSums}, frames, 1, std::int64_t{kSums}}),
                      conv});
  }
}

std::int64_t ModulationBank::width() const { return kRates * positions_ * std::int64_t{kSums}; }

Var ModulationBank::operator()(Tape& tape, Var x) const {
  // Each wave adds up to 0 over time, so that the mean of a band plays no part; without it less is rounded.
  const Tensor in = tape.value(beside_mean(tape, x, 1));
  const std::int64_t examples = in.dim(0), frames = in.dim(1), bands = in.dim(2);
  const Var h = project(tape, in.reshape({examples * frames, 2 * bands}), tape.param(bands_),
                        {examples, frames, positions_, std::int64_t{kSums}});
  std::vector<Var> all;
  for (const Rate& rate : rates_)
    all.push_back(mean_over_time(tape, relu(tape, conv2d(tape, h, *rate.filters, floor_, rate.conv))));
  return activation(tape, concat(tape, all), Activation::decibels);
}

ModulationBranch::ModulationBranch(ParamStore& params, const std::string& prefix, const std::string& model,
                                   const InputShape& input, std::int64_t classes)
    : bank_(params, model, input),
      norm_(params, prefix + "norm", bank_.width()),
      dense_(params, prefix + "dense", bank_.width(), classes) {}

namespace {

class Modulation final : public Model {
 public:
  Modulation(const ModelOptions& o, const InputShape& input, std::int64_t classes)
      : branch_(params_, "", o.architecture, input, classes), dropout_(static_cast<float>(o.dropout)) {}

 protected:
  Var embed(Tape& tape, Var x, const RandomSource& /*random*/) override { return branch_.features(tape, x); }
  Var classify(Tape& tape, Var h, const RandomSource& random) override {
    return branch_.answer(tape, dropout(tape, h, random.dropout(dropout_, 1)));
  }

 private:
  ModulationBranch branch_;
  float dropout_;
};

}  // namespace

std::unique_ptr<Model> make_modulation(const ModelOptions& options, const InputShape& input,
                                       std::int64_t classes) {
  return std::make_unique<Modulation>(options, input, classes);
}

}  // namespace melgrad
