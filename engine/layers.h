// Layers: parameters together with the function that uses them. A model owns its layers; they own nothing but
// references into the model's ParamStore, where "<name>.weight" and the like are declared by the constructor.
#pragma once

#include "engine/functions.h"
#include "engine/param.h"

namespace melgrad {

// x [N, T, F, in] -> [N, T', F', out]; a convolution over time alone has kernel [k, 1]. `l2`: the penalty
// l2 sum w^2 on its weights.
class ConvLayer {
 public:
  ConvLayer(ParamStore& params, const std::string& name, std::int64_t in, std::int64_t out,
            std::int64_t kernel_t, std::int64_t kernel_f, const Conv2d& conv = {}, Init init = Init::he,
            float l2 = 0)
      : w_(params.weight(name + ".weight", {out, kernel_t, kernel_f, in}, l2, init)),
        b_(params.bias(name + ".bias", out)),
        conv_(conv) {}
  Var operator()(Tape& tape, Var x) const { return conv2d(tape, x, w_, b_, conv_); }

 private:
  Param &w_, &b_;
  Conv2d conv_;
};

// Convolution of an input of one channel, ReLU and max pooling in one (ops.h, stem_forward): the activation
// in between would be the largest of a network. x [N, T, F, 1] -> [N, T', F', out]
class StemLayer {
 public:
  StemLayer(ParamStore& params, const std::string& name, std::int64_t out, std::int64_t kernel_t,
            std::int64_t kernel_f, const Pool2d& pool, float l2 = 0)
      : w_(params.weight(name + ".weight", {out, kernel_t, kernel_f, 1}, l2)),
        b_(params.bias(name + ".bias", out)),
        pool_(pool) {}
  Var operator()(Tape& tape, Var x) const { return stem(tape, x, w_, b_, pool_); }

 private:
  Param &w_, &b_;
  Pool2d pool_;
};

// x [M, in], or what flattens to it -> [M, out]
class DenseLayer {
 public:
  DenseLayer(ParamStore& params, const std::string& name, std::int64_t in, std::int64_t out, float l2 = 0)
      : w_(params.weight(name + ".weight", {out, in}, l2)), b_(params.bias(name + ".bias", out)) {}
  Var operator()(Tape& tape, Var x) const { return linear(tape, x, w_, b_); }

 private:
  Param &w_, &b_;
};

// The mean over the positions of each group, weighed by what a dense layer says of each (a softmax over
// them), for each of `heads` shares of the channels: x as [groups, P, channels] -> [groups, channels]
class AttentionPoolLayer {
 public:
  AttentionPoolLayer(ParamStore& params, const std::string& name, std::int64_t channels,
                     std::int64_t heads = 1)
      : w_(params.weight(name + ".weight", {heads, channels})), b_(params.bias(name + ".bias", heads)) {}
  Var operator()(Tape& tape, Var x, std::int64_t groups) const {
    return attention_pool(tape, x, linear_rows(tape, x, w_, b_), groups);
  }

 private:
  Param &w_, &b_;
};

// x [..., channels]
class BatchNormLayer {
 public:
  BatchNormLayer(ParamStore& params, const std::string& name, std::int64_t channels,
                 const BatchNorm& norm = {})
      : params_{params.bias(name + ".gamma", channels, 1), params.bias(name + ".beta", channels),
                params.fixed(name + ".running_mean",
                             std::vector<float>(static_cast<std::size_t>(channels), 0.0F)),
                params.fixed(name + ".running_variance",
                             std::vector<float>(static_cast<std::size_t>(channels), 1.0F))},
        norm_(norm) {}
  Var operator()(Tape& tape, Var x) const { return batch_norm(tape, x, params_, norm_); }

 private:
  BatchNormParams params_;
  BatchNorm norm_;
};

// x [T, N, in] -> [T, N, units]. Weights start uniform in +-1 / sqrt(units), the biases at 0, but an LSTM's
// forget gate at 1 (Jozefowicz et al. 2015).
class RecurrentLayer {
 public:
  RecurrentLayer(ParamStore& params, const std::string& name, Cell cell, std::int64_t in, std::int64_t units,
                 bool reverse = false);
  Var operator()(Tape& tape, Var x, Tensor lengths = {}) const {
    return recurrent(tape, x, params_, {cell_, reverse_, lengths});
  }

 private:
  RecurrentParams params_;
  Cell cell_;
  bool reverse_;
};

}  // namespace melgrad
