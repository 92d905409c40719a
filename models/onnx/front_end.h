// Log-mel features as nodes of ONNX, so that a network takes sound: one convolution with windowed cosines and
// sines, or STFT, then filters and logarithm. kernels/mel.h has the maths. Made to be taken elsewhere, not to
// be fast: melgrad's own kernel does the same in a fiftieth of the time.
#pragma once

#include <string>

#include "kernels/mel.h"
#include "models/onnx/graph.h"

namespace melgrad {

enum class OnnxFrontEnd {
  none,  // features go in
  conv,  // n_fft^2 multiplications a frame; DC removal and pre-emphasis are part of the weights
  stft,  // the operator STFT: for large n_fft; CUDA has none
};
template <>
inline constexpr const char* kNamesOf<OnnxFrontEnd>[] = {"none", "conv", "stft"};

// audio [n, length] f32, mono in -1 ... 1 at the features' sample rate -> [n, frames, bands]. What is no
// number or beyond 1e6 counts as 0. A clip of n_fft / 2 samples or less cannot be mirrored as
// Padding::reflect asks for: the runtime refuses it. `whole_clip`: the rows are whole clips, whose maximum
// some features depend on. Throws Error (usage) where they are not and it is asked for, and for what STFT
// cannot do.
std::string onnx_front_end(OnnxGraph& graph, const std::string& audio, const MelOptions& options,
                           OnnxFrontEnd form, bool whole_clip);

}  // namespace melgrad
