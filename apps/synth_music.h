// Made-up music: ten styles, each a recipe of tempo, scale, sounds and rhythm, played with enough chance
// inside a style (key, tempo, sound, missed steps, level) that telling styles apart is a task, though a fair
// one. No recording and no sample goes in, so the result is free of anybody's licence. A track is a pure
// function of its arguments. Loudness says nothing about the style: every track is brought to a common one,
// then varied.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace melgrad {

// Names of the styles, in the order in which `melgrad synth --classes N` takes them.
std::vector<std::string> synth_styles();

// Mono samples in -1 ... 1. Sample rates from 8000 Hz.
std::vector<float> synth_track(std::size_t style, std::uint64_t seed, double seconds, int sample_rate);

}  // namespace melgrad
