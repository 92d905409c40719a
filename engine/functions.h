// Differentiable functions on Vars: shapes are checked here (Error names function and shapes), the maths
// stands at the operation of the same name in kernels/ops.h. On a device of precision bf16 conv2d and stem
// give bf16, linear and recurrent give f32, and all others what they are given.
//
// A function that wants fewer axes than it is given takes the inner or outer ones together, as its comment
// says: [N, T, F, C] is also N T F rows of C channels. Nothing is moved for that.
#pragma once

#include "engine/tape.h"
#include "kernels/ops.h"

namespace melgrad {

// x [M, I] (or anything that flattens to it: [N, T, F, C] gives [N, T F C]), w [O, I], b [O] -> [M, O]
Var linear(Tape& tape, Var x, Param& w, Param& b);
// The same for each row of the last axis: x [..., I] -> [rows, O]
Var linear_rows(Tape& tape, Var x, Param& w, Param& b);
// x [N, T, F, C], w [O, kT, kF, C], b [O] -> [N, T', F', O]
Var conv2d(Tape& tape, Var x, Param& w, Param& b, const Conv2d& conv = {});
// x [N, T, F, C] -> [N, pool.frames_of(T), pool.bands_of(F), C]
Var max_pool(Tape& tape, Var x, const Pool2d& pool);
// max_pool(relu(conv2d(x, w, b))) for the data itself: x [N, T, F, 1] without gradient; no stride in `pool`
Var stem(Tape& tape, Var x, Param& w, Param& b, const Pool2d& pool);
Var activation(Tape& tape, Var x, Activation f);
Var relu(Tape& tape, Var x);
// The data x [N, T, F, 1] beside what each band is above its mean over the segment, times `scale` -> [N, T,
// F, 2]; without gradient
Var beside_mean(Tape& tape, Var x, float scale);
// Identity when the tape does not train or the rate is 0.
Var dropout(Tape& tape, Var x, const Dropout& dropout);
Var add(Tape& tape, Var a, Var b);

// Over all axes but the last. On a tape that trains: by the batch, and the running statistics follow; but
// where gamma is frozen (not trainable) by the running statistics, which then stay as they are.
struct BatchNormParams {
  Param &gamma, &beta, &running_mean, &running_variance;  // [C]
};
Var batch_norm(Tape& tape, Var x, const BatchNormParams& params, const BatchNorm& norm = {});

// x as [groups, P, C], C its last axis -> [groups, C]; lengths i32 [groups], or empty
Var global_max(Tape& tape, Var x, std::int64_t groups, Tensor lengths = {});
Var global_mean(Tape& tape, Var x, std::int64_t groups, Tensor lengths = {});
// The mean of x as [groups, P, C] weighed by the softmax of scores as [groups, P, H] over P -> [groups, C]; H
// divides C, and each score is for C / H neighbouring channels.
Var attention_pool(Tape& tape, Var x, Var scores, std::int64_t groups);
// x [N, T, F, C] -> [N, F C]
Var mean_over_time(Tape& tape, Var x);
// x [N, T, F, C] -> [N, T, 1, C]
Var mean_over_bands(Tape& tape, Var x);
Var max_over_bands(Tape& tape, Var x);
// x [N, T, F, C] -> [N, T + frames, F, C], zeros behind it
Var append_frames(Tape& tape, Var x, std::int64_t frames);
// x as [N, P, C] times g [N, C], of x's shape
Var scale_channels(Tape& tape, Var x, Var g);
// Side by side along the last axis; all others are equal.
Var concat(Tape& tape, const std::vector<Var>& parts);
// Columns from ... from + count - 1 of x [M, C] -> [M, count]
Var columns(Tape& tape, Var x, std::int64_t from, std::int64_t count);
// The mean of Vars of one shape.
Var mean(Tape& tape, const std::vector<Var>& parts);
// x [A, B, ...] as [A, B, C] -> [B, A, C]
Var swap_axes(Tape& tape, Var x);
// x [A, M, C] -> [M, C], its part `index`
Var at(Tape& tape, Var x, std::int64_t index);

// One recurrent layer in one direction over x [T, N, I] -> states [T, N, H] after each step.
struct RecurrentParams {
  Param &w, &u, &b_input, &b_state;  // [G H, I], [G H, H], [G H], [G H]
};
Var recurrent(Tape& tape, Var x, const RecurrentParams& params, const Recurrent& recurrent);

// [O, bins] of centres [O] in Hz and the parameter q [1]
Var harmonic_filters(Tape& tape, Tensor centres, Param& q, float hz_per_bin, std::int64_t bins);
// x [M, I] (data, without gradient) times w [O, I]' -> [M, O], as `shape`
Var project(Tape& tape, Tensor x, Var w, Shape shape);

// sum over all trainable parameters of param.l2 * sum w^2 -> [1]
Var l2_penalty(Tape& tape, ParamStore& params);

struct CrossEntropy {
  Var loss;     // [1] weighted mean over the batch
  Tensor hits;  // [1] weighted accuracy
};
// logits [N, K], labels i32 [N] or f32 [N, K] shares of each class, weights f32 [N]
CrossEntropy cross_entropy(Tape& tape, Var logits, Tensor labels, Tensor weights);
// logits [N, K], targets [N, K], weights [N], tag_weights [K]
CrossEntropy sigmoid_cross_entropy(Tape& tape, Var logits, Tensor targets, Tensor weights,
                                   Tensor tag_weights);
// No gradient: for evaluation.
Tensor softmax(Tape& tape, Var logits);
Tensor sigmoid(Tape& tape, Var logits);

}  // namespace melgrad
