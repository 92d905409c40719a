// Golden values of the tagging networks, computed by PyTorch (golden/make_tagging.py), and the generator of
// their weights and batches, so that the file holds results only.
//
// Each network at a small width, dropout off: logits and sigmoid cross-entropy on a tape that trains, the
// gradient of every parameter, the running statistics after that one pass, and the logits of an evaluation
// with these. A tensor is kept as a digest: its norm and its products with generated vectors, which a wrong
// or moved element changes. Layouts are melgrad's: convolutions [O, kT, kF, C], dense [O, I] with I
// flattening (T, F, C). All was computed in double; `float32` says what PyTorch itself reaches in float.
#pragma once

#include <algorithm>

#include "tests/golden.h"

namespace melgrad::golden {

struct TensorDigest {
  std::string name;
  Shape shape;
  std::vector<double> digest;  // norm, products
};

struct TaggingNetwork {
  std::string name;
  std::int64_t full_frames = 0, full_bands = 0;    // the input that the counts are of
  std::map<std::string, std::int64_t> parameters;  // at full width, by number of tags
  std::int64_t frames = 0, bands = 0, batch = 0;
  std::int64_t draw = 0;  // which batch
  double width = 1;
  double loss = 0;
  std::vector<double> logits, evaluated;  // [batch, tags]
  std::vector<TensorDigest> tensors;      // gradients; statistics and tables themselves
  std::map<std::string, double> float32;  // deviations: logits, evaluated, tensors
};

struct TaggingRun {  // Adam; steps = losses
  TaggingNetwork network;
  double rate = 0, epsilon = 0;
  std::vector<double> losses, float32_losses;
};

struct Tagging {
  std::int64_t tags = 0;
  std::vector<TaggingNetwork> networks;
  TaggingRun training;
};

// ---- inputs
// FNV-1a: the generator's stream for what is called `name`.
inline std::uint64_t stream_of(const std::string& name) {
  std::uint64_t h = 0xCBF29CE484222325;
  for (const char c : name) h = (h ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  return h;
}

// Glorot's bound for weights; 1 +- 0.25 for the scale and the running variance of a norm, else +-0.05.
inline std::vector<float> initial_value(const std::string& name, const Shape& shape) {
  const bool around_one = name.ends_with(".gamma") || name.ends_with(".running_variance");
  double scale = around_one ? 0.25 : 0.05;
  if (shape.rank() > 1) {
    const std::int64_t taps = shape.rank() == 4 ? shape[1] * shape[2] : 1;
    scale = std::sqrt(6 / static_cast<double>(taps * (shape[0] + shape[shape.rank() - 1])));
  }
  auto values = uniform(stream_of(name), shape.numel(), scale);
  for (float& v : values) v += around_one ? 1.0F : 0.0F;
  return values;
}

// x [N, T, F] and targets [N, tags] of 0 and 1.
struct TaggingBatch {
  std::vector<float> x, targets;
};
inline TaggingBatch tagging_batch(const TaggingNetwork& net, std::int64_t tags, std::int64_t step) {
  const std::string k = std::to_string(step);
  TaggingBatch batch;
  batch.x = uniform(stream_of(net.name + " input " + k), net.batch * net.frames * net.bands, 1.0);
  if (net.name == "harmonic") {  // a power spectrum
    for (float& e : batch.x) e = std::abs(e);
  }
  const std::uint64_t stream = stream_of(net.name + " targets " + k);
  for (std::int64_t i = 0; i < net.batch * tags; ++i)
    batch.targets.push_back(static_cast<float>(golden_word(stream, static_cast<std::uint64_t>(i)) >> 63));
  return batch;
}

inline std::vector<double> digest(const std::vector<float>& values, std::size_t products) {
  const auto n = static_cast<std::int64_t>(values.size());
  const auto vectors = uniform(stream_of("projections"), static_cast<std::int64_t>(products) * n, 1.0);
  std::vector<double> d(1 + products);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = values[i];
    d[0] += v * v;
    for (std::size_t k = 0; k < products; ++k)
      d[1 + k] += v * static_cast<double>(vectors[k * values.size() + i]);
  }
  d[0] = std::sqrt(d[0]);
  return d;
}

// ---- results
inline bool is_gradient(const std::string& name) {
  return !name.ends_with("running_mean") && !name.ends_with("running_variance") && !name.ends_with("centres");
}

// Norm of the difference of two tensors, from their digests: each product with a vector uniform in +-1 has
// a third of its square in the mean.
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t k = 1; k < b.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(3 * sum / static_cast<double>(b.size() - 1));
}

// What the deviation of each tensor is measured against: its norm; for gradients at least a hundredth of
// that of them all, and for a bias that of its layer's weights. For whatever shifts or scales the input of a
// batch norm (the bias before it, the norm of the spectrogram before the first convolution) has a gradient
// of nothing but rounding, or little more.
inline std::map<std::string, double> tensor_scales(const std::vector<TensorDigest>& tensors) {
  std::map<std::string, double> norms, scales;
  double squares = 0;
  for (const TensorDigest& t : tensors) {
    norms[t.name] = t.digest[0];
    squares += is_gradient(t.name) ? t.digest[0] * t.digest[0] : 0;
  }
  for (const auto& [name, norm] : norms) {
    scales[name] = norm;
    if (!is_gradient(name)) continue;
    const std::string weight = name.ends_with(".bias") ? name.substr(0, name.size() - 4) + "weight" : name;
    scales[name] = std::max({norm, 0.01 * std::sqrt(squares), norms.at(weight)});
  }
  return scales;
}

inline TaggingNetwork tagging_network(const nlohmann::json& n) {
  TaggingNetwork net;
  net.name = n["name"];
  net.full_frames = n["full_input"][0];
  net.full_bands = n["full_input"][1];
  n["parameters"].get_to(net.parameters);
  net.frames = n["frames"];
  net.bands = n["bands"];
  net.batch = n["batch"];
  net.draw = n["draw"];
  net.width = n["width"];
  net.loss = n["loss"];
  n["logits"].get_to(net.logits);
  n["evaluated"].get_to(net.evaluated);
  n["float32"].get_to(net.float32);
  for (const auto& t : n["tensors"]) net.tensors.push_back({t["name"], shape_of(t["shape"]), t["digest"]});
  return net;
}

// `folder`/tagging.json
inline Tagging load_tagging(const std::string& folder) {
  std::ifstream text(folder + "/tagging.json");
  require(text.good(), "golden: {}/tagging.json is missing", folder);
  const auto index = nlohmann::json::parse(text);
  Tagging g;
  g.tags = index["tags"];
  for (const auto& n : index["networks"]) g.networks.push_back(tagging_network(n));
  const auto& t = index["training"];
  g.training.network.name = t["network"];
  g.training.network.frames = t["frames"];
  g.training.network.bands = t["bands"];
  g.training.network.batch = t["batch"];
  g.training.network.width = t["width"];
  g.training.rate = t["rate"];
  g.training.epsilon = t["epsilon"];
  t["losses"].get_to(g.training.losses);
  t["float32_losses"].get_to(g.training.float32_losses);
  return g;
}

}  // namespace melgrad::golden
