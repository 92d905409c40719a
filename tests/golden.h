// Golden training runs of the Dong 2018 network, computed by PyTorch (golden/make_dong2018.py), and the
// generator of their initial weights and batches, so that the files hold results only.
//
// Two networks: "small" (40 frames x 24 bands, 8 filters, batch 6; losses and final weights of four
// optimizers) and "full" (256 x 64, 64 filters, batch 4; losses only). Dropout is off. losses[t] is the mean
// cross-entropy of batch t plus the L2 penalty, before update t; it was computed in double. float32_losses
// and float32_weight_nmse say what PyTorch itself reaches in float: no float implementation can be held to
// less.
//
// Layouts are melgrad's: x [N, T, F], conv [O, kT, kF, C], dense [O, I]. Parameters in order of the network,
// named conv1.weight, conv1.bias, conv2..., dense1..., dense2...
#pragma once

#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "kernels/tensor.h"

namespace melgrad::golden {

struct Network {
  std::int64_t frames, bands, filters, classes, batch;
};

struct Weight {
  std::string name;
  Shape shape;
  std::vector<float> values;
};

struct Run {
  std::string network, optimizer;
  std::map<std::string, double> settings;  // of the optimizer: rate, decay, rho, epsilon, beta1, beta2, ...
  std::vector<double> losses, float32_losses;
  double float32_weight_nmse = 0;
  std::vector<Weight> weights;  // after the last step; empty for "full"
};

struct Golden {
  std::map<std::string, Network> networks;
  std::map<std::string, double> l2;  // penalty by parameter name
  std::vector<Run> runs;
};

// ---- inputs
// SplitMix64's output function at position i = 0, 1, ... of stream `seed`.
inline std::uint64_t golden_word(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t z = seed * 0x9E3779B97F4A7C15 + (i + 1) * 0xD1B54A32D192ED03;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Uniform in [-scale, scale); the product is exact in double, so every machine rounds to the same float.
inline std::vector<float> uniform(std::uint64_t seed, std::int64_t count, double scale) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const double u = static_cast<double>(golden_word(seed, static_cast<std::uint64_t>(i)) >> 40) * 0x1p-24;
    values.push_back(static_cast<float>(static_cast<double>(static_cast<float>(scale)) * (2 * u - 1)));
  }
  return values;
}

// The k-th parameter (0, 1, ...) at the start: Glorot's bound for weights, 0.05 for biases.
inline std::vector<float> initial_weight(std::int64_t k, const Shape& shape) {
  double scale = 0.05;
  if (shape.rank() > 1) {
    const std::int64_t area = shape.rank() == 4 ? shape[1] * shape[2] : 1;
    scale = std::sqrt(6 / static_cast<double>(area * (shape[0] + shape[shape.rank() - 1])));
  }
  return uniform(static_cast<std::uint64_t>(k + 1), shape.numel(), scale);
}

// x [N, T, F] of batch `step`.
inline std::vector<float> batch_input(const Network& net, std::int64_t step) {
  auto x = uniform(static_cast<std::uint64_t>(1000 + step), net.batch * net.frames * net.bands, 2.0);
  for (float& e : x) e = std::abs(e);
  return x;
}

inline std::vector<std::int32_t> batch_labels(const Network& net, std::int64_t step) {
  std::vector<std::int32_t> labels;
  for (std::int64_t n = 0; n < net.batch; ++n) {
    const std::uint64_t word =
        golden_word(static_cast<std::uint64_t>(2000 + step), static_cast<std::uint64_t>(n));
    labels.push_back(static_cast<std::int32_t>(word % static_cast<std::uint64_t>(net.classes)));
  }
  return labels;
}

// ---- results
inline Shape shape_of(const std::vector<std::int64_t>& e) {
  if (e.size() == 1) return {e[0]};
  if (e.size() == 2) return {e[0], e[1]};
  if (e.size() == 3) return {e[0], e[1], e[2]};
  require(e.size() == 4, "golden: a weight of rank {}", e.size());
  return {e[0], e[1], e[2], e[3]};
}

inline Weight read_weight(const nlohmann::json& entry, std::ifstream& blob) {
  Weight w{entry["name"], shape_of(entry["shape"]), {}};
  w.values.resize(static_cast<std::size_t>(w.shape.numel()));
  blob.seekg(entry["offset"].get<std::int64_t>());
  blob.read(reinterpret_cast<char*>(w.values.data()), w.shape.numel() * 4);
  require(blob.good(), "golden: {} is cut short", w.name);
  return w;
}

// `folder`/dong2018.json and .bin; little-endian machines.
inline Golden load_dong2018(const std::string& folder) {
  std::ifstream text(folder + "/dong2018.json"), blob(folder + "/dong2018.bin", std::ios::binary);
  require(text.good() && blob.good(), "golden: {}/dong2018.json or .bin is missing", folder);
  const auto index = nlohmann::json::parse(text);
  Golden g;
  for (const auto& [name, n] : index["networks"].items())
    g.networks[name] = {n["frames"], n["bands"], n["filters"], n["classes"], n["batch"]};
  index["l2"].get_to(g.l2);
  for (const auto& r : index["runs"]) {
    Run run{r["network"],
            r["optimizer"],
            index["optimizers"][r["optimizer"].get<std::string>()],
            r["losses"],
            r["float32_losses"],
            r["float32_weight_nmse"],
            {}};
    for (const auto& entry : r["weights"]) run.weights.push_back(read_weight(entry, blob));
    g.runs.push_back(std::move(run));
  }
  return g;
}

}  // namespace melgrad::golden
