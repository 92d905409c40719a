// What the network of Dong 2018 listens for, read from its weights: spectro-temporal receptive fields of both
// convolutions, and what the physiology of hearing measures of such fields (Theunissen and Elie 2014;
// Depireux et al. 2001).
#pragma once

#include <string>
#include <vector>

#include "apps/analysis/projection.h"
#include "io/arrays/checkpoint.h"

namespace melgrad {

struct ReceptiveField {
  std::size_t filter = 0;  // its number in the layer
  double norm = 0;         // of the weights
  Matrix weight;           // [frames, bands], the field's own latest frame last
};

// The kernels of conv1, by falling norm.
std::vector<ReceptiveField> first_layer_fields(const Checkpoint& model, const std::string& path);
// The kernels of conv2 seen through conv1, by falling norm: conv2's weights times conv1's kernels, each
// shifted to where it acts; in place of max pooling (4 frames, 2 bands), which is not linear, its mean. 22
// frames, 8 bands.
std::vector<ReceptiveField> second_layer_fields(const Checkpoint& model, const std::string& path);

// The peak of a field's 2-D Fourier transform (magnitude, field padded to 128 by 64 with zeros).
struct Modulation {
  double rate = 0;      // cycles per frame, 0 ... 0.5
  double scale = 0;     // cycles per band, 0 ... 0.5
  bool rising = false;  // the preferred sweep goes up in frequency (where both are above 0)
  double separability =
      0;  // power of the first singular value by that of all: 1 is a product of time and band
};
Modulation modulation(const ReceptiveField& field);

}  // namespace melgrad
