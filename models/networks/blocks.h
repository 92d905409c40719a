// What most tagging networks are made of: convolution, batch normalisation, activation, max pooling; and the
// recurrent stack behind it. Extents are written [T, F, C].
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "engine/layers.h"
#include "models/networks/model.h"
#include "models/networks/options.h"

namespace melgrad {

// Channels times the recipe's model.width, at least 1.
inline std::int64_t scaled(std::int64_t channels, double width) {
  return std::max<std::int64_t>(1, std::llround(static_cast<double>(channels) * width));
}
inline std::vector<std::int64_t> scaled(std::vector<std::int64_t> channels, double width) {
  for (std::int64_t& c : channels) c = scaled(c, width);
  return channels;
}

struct ConvBlockOptions {
  std::int64_t kernel_t = 3, kernel_f = 3;
  Conv2d conv = {1, 1, 1, 1};  // the same size
  Pool2d pool = {1, 1};
  enum class Relu { behind_norm, before_norm, none } relu = Relu::behind_norm;
  BatchNorm norm = {};
};

class ConvBlock {
 public:
  ConvBlock(ParamStore& params, const std::string& name, std::int64_t in, std::int64_t out,
            const ConvBlockOptions& options = {})
      : conv_(params, name + ".conv", in, out, options.kernel_t, options.kernel_f, options.conv),
        norm_(params, name + ".norm", out, options.norm),
        options_(options) {}

  Var operator()(Tape& tape, Var x) const {
    using Relu = ConvBlockOptions::Relu;
    Var h = conv_(tape, x);
    h = norm_(tape, options_.relu == Relu::before_norm ? relu(tape, h) : h);
    if (options_.pool.frames * options_.pool.bands > 1) h = max_pool(tape, h, options_.pool);
    // ReLU and max pooling commute, in value and in gradient; pooling first leaves less work.
    return options_.relu == Relu::behind_norm ? relu(tape, h) : h;
  }

 private:
  ConvLayer conv_;
  BatchNormLayer norm_;
  ConvBlockOptions options_;
};

// Over time alone (bands 1): kernel k, `pool` frames; padding keeps the length unless told otherwise.
inline ConvBlockOptions over_time(std::int64_t kernel, std::int64_t pool = 1) {
  return {.kernel_t = kernel, .kernel_f = 1, .conv = {1, 1, kernel / 2, 0}, .pool = {pool, 1}};
}

// What is left of all positions of an example: x as [groups, P, channels] -> [groups, width()]
class TimePool {
 public:
  // `published`: what Pooling::own stands for.
  TimePool(ParamStore& params, const std::string& name, std::int64_t channels, Pooling chosen,
           Pooling published)
      : channels_(channels), pooling_(chosen == Pooling::own ? published : chosen) {
    if (pooling_ == Pooling::attention) attention_.emplace(params, name, channels);
  }

  std::int64_t width() const { return pooling_ == Pooling::max_mean ? 2 * channels_ : channels_; }

  Var operator()(Tape& tape, Var x, std::int64_t groups) const {
    switch (pooling_) {
      case Pooling::mean:
        return global_mean(tape, x, groups);
      case Pooling::max_mean:
        return concat(tape, {global_max(tape, x, groups), global_mean(tape, x, groups)});
      case Pooling::attention:
        return (*attention_)(tape, x, groups);
      default:
        return global_max(tape, x, groups);
    }
  }

 private:
  std::int64_t channels_;
  Pooling pooling_;
  std::optional<AttentionPoolLayer> attention_;
};

// The middle of Musicnn: `front` [N, T, 1, C], three blocks behind it of which two add what they are given,
// all side by side -> [N, T, 1, C + 3 D]
inline Var densely_connected(Tape& tape, Var front, const std::vector<ConvBlock>& mid) {
  std::vector<Var> all{front, mid[0](tape, front)};
  for (std::size_t k = 1; k < mid.size(); ++k) all.push_back(add(tape, mid[k](tape, all[k]), all[k]));
  return concat(tape, all);
}

// Recurrent layers one behind the other over [N, T, 1, C] -> the state after the last step [N, units].
class RecurrentStack {
 public:
  RecurrentStack(ParamStore& params, const std::string& name, Cell cell, std::int64_t in, std::int64_t units,
                 int layers) {
    for (int k = 0; k < layers; ++k)
      layers_.emplace_back(params, name + std::to_string(k + 1), cell, k == 0 ? in : units, units);
  }

  Var operator()(Tape& tape, Var x) const {
    Var h = swap_axes(tape, x);
    for (const RecurrentLayer& layer : layers_) h = layer(tape, h);
    return at(tape, h, tape.value(h).dim(0) - 1);
  }

 private:
  std::vector<RecurrentLayer> layers_;
};

}  // namespace melgrad
