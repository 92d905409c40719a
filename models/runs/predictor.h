// From audio to the answer of a trained network: features, segments, mean probabilities.
#pragma once

#include <string>
#include <vector>

#include "io/audio/audio.h"
#include "kernels/devices/feature_extractor.h"
#include "models/training/evaluator.h"
#include "models/training/model_file.h"

namespace melgrad {

struct Prediction {
  std::vector<float> mean;                   // [classes]
  std::vector<double> starts;                // seconds, one per segment
  std::vector<std::vector<float>> segments;  // [segments][classes]
};

struct SegmentEmbeddings {
  std::vector<float> starts;        // seconds, one per segment
  std::vector<float> values;        // [segments, width]
  std::vector<float> mean() const;  // [width], over the segments
};

class Predictor {
 public:
  // A run folder, a model file, or the name of a model at hand (model_library.h). Throws Error (input) where
  // there is none, and for a network trained on imported features.
  Predictor(Device& device, const std::string& path);

  // Of sound at the features' sample rate. Throws Error (input) that begins with `name` where it is shorter
  // than a segment.
  Prediction operator()(const Audio& audio, const std::string& name);
  // Of [frames, bands], as features() makes them.
  Prediction of_features(const std::vector<float>& values, const std::string& name);
  // What the network's last layer sees of the same segments (Model::embedding).
  SegmentEmbeddings embed(const Audio& audio, const std::string& name);
  // Of [rows, bands] of f32 or f16, as caches keep them.
  SegmentEmbeddings embed_features(const void* values, DType dtype, std::int64_t rows,
                                   const std::string& name);
  std::vector<float> features(const Audio& audio) { return features_(audio.samples); }

  // What the file held.
  LoadedModel& loaded() { return loaded_; }
  const std::string& file() const { return file_; }
  // XXH3 of the model file as it is now.
  std::uint64_t digest() const;
  const std::vector<std::string>& classes() const { return loaded_.classes; }
  const Recipe& recipe() const { return loaded_.recipe; }
  std::int64_t bands() const { return loaded_.bands; }
  double frame_seconds() const;

 private:
  Prediction of_table(const TrackTable& table, const std::string& name);
  SegmentEmbeddings embed_table(const TrackTable& table, const std::string& name);
  std::vector<std::int64_t> starts_of(const TrackTable& table, const std::string& name) const;

  Device* device_;
  std::string file_;  // of the model
  LoadedModel loaded_;
  FeatureExtractor features_;
  Evaluator evaluator_;
};

std::vector<std::size_t> most_probable_first(const std::vector<float>& probabilities);

}  // namespace melgrad
