// Differentiable functions on Vars: shapes are checked here (Error names function and shapes), the maths
// stands at the operation of the same name in kernels/ops.h. On a device of precision bf16 conv2d and stem
// give bf16, linear gives f32, and all others what they are given.
#pragma once

#include "engine/tape.h"

namespace melgrad {

// x [M, I] (or anything that flattens to it: [N, T, F, C] gives [N, T F C]), w [O, I], b [O] -> [M, O]
Var linear(Tape& tape, Var x, Param& w, Param& b);
// x [N, T, F, C], w [O, kT, kF, C], b [O] -> [N, T', F', O]
Var conv2d(Tape& tape, Var x, Param& w, Param& b, const Conv2d& conv = {});
// x [N, T, F, C] -> [N, T / pool.frames, F / pool.bands, C]
Var max_pool(Tape& tape, Var x, const Pool2d& pool);
// max_pool(relu(conv2d(x, w, b))) for the data itself: x [N, T, F, 1] without gradient
Var stem(Tape& tape, Var x, Param& w, Param& b, const Pool2d& pool);
Var relu(Tape& tape, Var x);
// Identity when the tape does not train or the rate is 0.
Var dropout(Tape& tape, Var x, const Dropout& dropout);
Var add(Tape& tape, Var a, Var b);
// sum over all parameters of param.l2 * sum w^2 -> [1]
Var l2_penalty(Tape& tape, ParamStore& params);

struct CrossEntropy {
  Var loss;     // [1] weighted mean over the batch
  Tensor hits;  // [1] weighted accuracy
};
// logits [N, K], labels i32 [N], weights f32 [N]
CrossEntropy cross_entropy(Tape& tape, Var logits, Tensor labels, Tensor weights);
// No gradient: for evaluation.
Tensor softmax(Tape& tape, Var logits);

}  // namespace melgrad
