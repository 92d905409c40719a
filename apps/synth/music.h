// Made-up music: ten styles, each a recipe of tempo, scale, sounds and rhythm, played with enough chance
// inside a style (key, tempo, sound, missed steps, level) that telling styles apart is a task, though a fair
// one. No recording and no sample goes in, so the result is free of anybody's licence. A track is a pure
// function of its arguments. Loudness says nothing about the style: every track is brought to a common one,
// then varied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/synth/voices.h"

namespace melgrad {

// Names of the styles, in the order in which `melgrad synth --classes N` takes them.
std::vector<std::string> synth_styles();

// Mono samples in -1 ... 1. Sample rates from 8000 Hz.
std::vector<float> synth_track(std::size_t style, std::uint64_t seed, double seconds, int sample_rate);

// A piece by what is heard in it: a score (one of the styles above, "rock", "chamber" or "ballad"), its tempo
// and who plays it.
struct Scene {
  std::string_view score;
  double beats_per_minute = 100;
  Timbre lead, chord, bass;
  bool drums = false;  // as the score has them
};

// Excerpt number `excerpt` of the piece that `seed` fixes: the same key, tempo and sounds, other bars.
std::vector<float> synth_scene(const Scene& scene, std::uint64_t seed, int excerpt, double seconds,
                               int sample_rate);

}  // namespace melgrad
