// How a spectrogram moves: what share of its energy rises and falls at which rate and over which distance in
// frequency, wherever that happens in time. Filters of the shape of an auditory model's (Chi, Ru and Shamma
// 2005, "Multiresolution spectrotemporal analysis of complex sounds") or of joint time-frequency scattering
// (Andén, Lostanlen and Mallat 2019) that are not trained: a thousand tracks are too few to find them.
#pragma once

#include <string>
#include <vector>

#include "engine/layers.h"
#include "models/networks/model.h"

namespace melgrad {

// Gabor filters g(t, f) = exp(-(t / s)^2 / 2 - (f / u)^2 / 2) cos(2 pi (r t +- c f)), at rates r of 0.375,
// 0.375 / 2 ... 0.375 / 16 cycles a frame (at 43 frames a second 16 Hz to 1 Hz) and scales c of 0, 1/32,
// 1/16, 1/8 and 1/4 cycles a band, + and - being falling and rising; s = 1 / (pi r), u = 1 / (pi c), of scale
// 0 eight bands. Each is a filter over the bands and one over time. Of what it leaves, the mean of the
// positive part over time, in dB, at every eighth band.
class ModulationBank {
 public:
  // Throws Error (usage) where a segment is shorter than the longest filter.
  ModulationBank(ParamStore& params, const std::string& model, const InputShape& input);

  std::int64_t width() const;
  // Spectrograms x [N, T, F, 1], standardised -> [N, width()]
  Var operator()(Tape& tape, Var x) const;

 private:
  struct Rate {
    Param* filters;
    Conv2d conv;
  };
  std::int64_t positions_;
  Param &bands_, &floor_;
  std::vector<Rate> rates_;
};

// The network `modulation`, or a branch of another: the bank, a norm, a dense layer.
class ModulationBranch {
 public:
  // `prefix` is of the names of its parameters; throws as the bank does.
  ModulationBranch(ParamStore& params, const std::string& prefix, const std::string& model,
                   const InputShape& input, std::int64_t classes);

  std::int64_t width() const { return bank_.width(); }
  Var features(Tape& tape, Var x) const { return norm_(tape, bank_(tape, x)); }
  Var answer(Tape& tape, Var features) const { return dense_(tape, features); }

 private:
  ModulationBank bank_;
  BatchNormLayer norm_;
  DenseLayer dense_;
};

}  // namespace melgrad
