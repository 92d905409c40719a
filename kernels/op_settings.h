// What operations are told beside their tensors (kernels/ops.h): plain structs with defaults, and what the
// members mean.
#pragma once

#include <cstdint>

#include "kernels/tensor.h"

namespace melgrad {

struct Conv2d {
  std::int64_t stride_t = 1, stride_f = 1;
  std::int64_t pad_t = 0, pad_f = 0;  // zeros added on both sides
};

// Functions of one element. NaN stays NaN.
enum class Activation {
  relu,      // max(x, 0)
  elu,       // x > 0 ? x : exp(x) - 1                         (Clevert et al. 2015, alpha 1)
  sigmoid,   // 1 / (1 + exp(-x))
  decibels,  // 10 log10(max(x, 1e-10)); the gradient is 0 where y is -100
  tanh,      // (exp(x) - exp(-x)) / (exp(x) + exp(-x))
  gelu,      // x (1 + erf(x / sqrt(2))) / 2                   (Hendrycks and Gimpel 2016)
  silu,      // x / (1 + exp(-x))                              (the same)
};
constexpr Activation kActivations[] = {Activation::relu,     Activation::elu,  Activation::sigmoid,
                                       Activation::decibels, Activation::tanh, Activation::gelu,
                                       Activation::silu};

constexpr const char* name_of(Activation f) {
  switch (f) {
    case Activation::relu:
      return "relu";
    case Activation::elu:
      return "elu";
    case Activation::sigmoid:
      return "sigmoid";
    case Activation::decibels:
      return "decibels";
    case Activation::tanh:
      return "tanh";
    case Activation::gelu:
      return "gelu";
    case Activation::silu:
      return "silu";
  }
  return "?";
}

// Whether f'(x) follows from y = f(x) alone. Its gradient does not read x then, so y may have taken x's
// place.
constexpr bool gradient_needs_x(Activation f) {
  switch (f) {
    case Activation::relu:
    case Activation::elu:
    case Activation::sigmoid:
    case Activation::decibels:
    case Activation::tanh:
      return false;
    case Activation::gelu:
    case Activation::silu:
      return true;
  }
  return true;
}

struct BatchNorm {
  float epsilon = 1e-5F;
  float momentum = 0.1F;  // of the running statistics: their share that each batch replaces
};

enum class Cell : std::int32_t { rnn, lstm, gru };
// Rows of H in a cell's weights: LSTM i, f, g, o; GRU r, z, n (the order of PyTorch and cuDNN).
constexpr std::int64_t gates_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::lstm ? 4 : 3; }
constexpr const char* name_of(Cell cell) {
  switch (cell) {
    case Cell::rnn:
      return "rnn";
    case Cell::lstm:
      return "lstm";
    case Cell::gru:
      return "gru";
  }
  return "?";
}
// What a step keeps for its gradient: LSTM i, f, g, o, c; GRU r, z, n, q.
constexpr std::int64_t saved_of(Cell cell) { return cell == Cell::rnn ? 0 : cell == Cell::lstm ? 5 : 4; }

struct Recurrent {
  Cell cell = Cell::gru;
  bool reverse = false;  // from the last step to the first
  Tensor lengths;        // i32 [N] steps of each sequence, at least 1; empty: all have T
};

// Changes of the input of training, each off by default; all draws are per example. Doubles, as a recipe has
// them: every device computes with the floats next to them.
struct AugmentSettings {
  double gain_db = 0;               // x *= 10^(u / 20), u uniform in +-gain_db: for samples
  double shift = 0;                 // x += u, u uniform in +-shift: the gain of a log spectrogram
  double equalise = 0;              // x += e[f], e linear between equalise_knots values over all
  std::int64_t equalise_knots = 6;  // bands that are equalise * standard normal (a random equaliser)
  double noise = 0;                 // x += noise * standard normal, per element
  std::int64_t time_masks = 0, time_mask = 0;  // so many stretches of 0 ... time_mask frames,
  std::int64_t band_masks = 0, band_mask = 0;  // and of bands, are set to mask_value (SpecAugment)
  double mask_value = 0;
};

struct Augment : AugmentSettings {
  std::uint64_t seed = 0;
  Tensor counter;           // device scalar i64
  Tensor mask_values = {};  // [F] what masks hold in each band; empty: mask_value
};

// A segment cut from a longer one faster or slower, higher or lower, each off by default; all draws are per
// example. `tempo` t: it runs at s in 1 / (1 + t) ... 1 + t of its speed, log s uniform. `band_scale` and
// `band_shift`: output band f is band c + r (f - c) + d of the input, c the middle one, r like s, d uniform
// in
// +-band_shift; bands beyond the ends are those at the ends. `reverse`: the probability that it runs
// backwards.
struct ResampleSettings {
  double tempo = 0, band_scale = 0, band_shift = 0, reverse = 0;
};

struct Resample : ResampleSettings {
  std::uint64_t seed = 0;
  Tensor counter;  // device scalar i64
};

// lambda ~ Beta(alpha, alpha) for each example (mixup, Zhang et al. 2017).
struct Mixup {
  float alpha = 0;  // in 0 ... 1, 0 excluded
  std::uint64_t seed = 0;
  Tensor counter;  // device scalar i64
};

// What does not fill a window is dropped.
struct Pool2d {
  std::int64_t frames = 1, bands = 1;       // window
  std::int64_t stride_t = 0, stride_f = 0;  // from one window to the next; 0: its own extent

  std::int64_t step_t() const { return stride_t > 0 ? stride_t : frames; }
  std::int64_t step_f() const { return stride_f > 0 ? stride_f : bands; }
  bool side_by_side() const { return step_t() == frames && step_f() == bands; }
  // Windows in so many frames or bands.
  std::int64_t frames_of(std::int64_t in) const { return in < frames ? 0 : (in - frames) / step_t() + 1; }
  std::int64_t bands_of(std::int64_t in) const { return in < bands ? 0 : (in - bands) / step_f() + 1; }
};

struct Dropout {
  float rate = 0;            // probability of a zero; kept values are scaled by 1 / (1 - rate)
  std::uint64_t seed = 0;    // of the run
  std::uint32_t stream = 0;  // distinguishes the dropout layers of a model
  Tensor counter;            // device scalar i64
};

// Learning rate as a function of the step counter t (0 for the first step); kernels/math/schedule.h.
struct Schedule {
  enum class Kind : std::int32_t {
    constant,      // base
    inverse_time,  // base / (1 + decay t)                       (Keras 2 `decay`)
    step,          // base decay^floor(t / period)
    cosine,        // base (f + (1 - f) (1 + cos(pi t / total)) / 2), f = final_fraction
  };
  Kind kind = Kind::constant;
  double base = 1e-3;
  double decay = 0;
  double final_fraction = 0;
  std::int64_t total = 0;   // steps
  std::int64_t warmup = 0;  // steps of linear rise to the schedule's value
  std::int64_t period = 1;  // steps
  Tensor factor{};          // device scalar, multiplies all of it; empty: 1
};

// A running mean of the weights.
struct Averaging {
  double decay = 0;        // in 0 ... 1; 1: the plain mean
  std::int64_t begin = 0;  // steps before the first that counts
  Tensor counter{};        // device scalar i64: steps before this one
};

// Which rows of a resident data set make up a training batch. Device tensors, filled once per epoch.
struct BatchPlan {
  Tensor order;      // i32 [S, N] track of example n in step s of the epoch; ~t: padding that repeats t
  Tensor first_row;  // i64 [tracks] first row of each track in the feature table
  Tensor rows;       // i32 [tracks] number of rows
  Tensor labels;     // i32 [tracks]
  Tensor step;       // device scalar i64: which row of `order`; ops.advance moves it on
  bool shared_start = false;     // one start for the whole batch, drawn from its shortest track's range
  bool skip_last_start = false;  // never the last possible start (an off-by-one of the Dong 2018 code)
  std::uint64_t seed = 0;
  Tensor counter;             // device scalar i64
  Tensor class_weights = {};  // [classes] weight of an example by its label; empty: 1
};

}  // namespace melgrad
