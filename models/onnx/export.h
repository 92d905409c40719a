// A trained network as one ONNX file: sound goes in, its features, its segments and the mean of their answers
// are part of the graph. The networks are recorded as they are (recorder.h).
//
//   input `audio` [samples], mono in -1 ... 1 at the rate in the metadata; with OnnxSegments::one [n,
//   samples], of which the first segment of each row is heard; without a front end `features` [n, frames,
//   bands], segments. outputs, n segments:
//     `probabilities` [classes], the mean over the segments; with one segment a row [n, classes]
//     `embedding` [n, width], what the last layer sees
//     `segments` [n, classes] and `starts` [n] in seconds, of a whole clip
//   metadata: `classes` (a JSON array), `recipe` (TOML); `sample_rate` in Hz and `segment_samples`, the
//   fewest that a segment needs; without a front end `frames` and `bands`
//
// A clip shorter than a segment is refused by the runtime.
#pragma once

#include <string>

#include "models/onnx/front_end.h"
#include "models/training/model_file.h"

namespace melgrad {

enum class OnnxSegments { all, one };
template <>
inline constexpr const char* kNamesOf<OnnxSegments>[] = {"all", "one"};

enum class OnnxPrecision {
  f32,
  f16,  // the network's weights are kept in half precision and computed with in single: half the size
};
template <>
inline constexpr const char* kNamesOf<OnnxPrecision>[] = {"f32", "f16"};

struct OnnxOptions {
  OnnxFrontEnd front_end = OnnxFrontEnd::conv;
  OnnxSegments segments = OnnxSegments::all;
  OnnxPrecision precision = OnnxPrecision::f32;
};

// `device`: where the model is. Throws Error: (usage) as onnx_front_end does; (input), beginning
// with `name`, for features that melgrad cannot compute, unless they are its input.
OnnxGraph onnx_graph(Device& device, LoadedModel& model, const OnnxOptions& options, const std::string& name);
}  // namespace melgrad
