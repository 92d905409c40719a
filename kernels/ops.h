// Ops: the whole vocabulary of a device. Every function here exists for every device; a missing one is a
// compile error. This header is the specification: maths, shapes and conventions stand here once.
//
// Conventions
//   * Activations are [N, T, F, C] (tensor.h). Tensors are f32 unless said otherwise. On a device of
//     precision bf16 (device.h) convolution, stem, pooling, batch normalisation, the element-wise functions,
//     those of channels and the inputs of linear take bf16 activations and gradients of activations; weights,
//     their gradients and all sums stay f32.
//   * Outputs never overlap inputs unless the comment allows it. Nothing here allocates: outputs and scratch
//     come from the caller, library workspaces belong to the device.
//   * The type of a parameter says what happens to the tensor: a Tensor is read, an Out written, an InOut
//     both, and a Grad is written with (+)=: `overwrite` for the first contribution to a gradient,
//     `accumulate` for the later ones, each gradient of a call for itself.
//   * "device scalar" is a tensor [1] in device memory, so that a captured step can change it.
//   * Random numbers are a pure function of (seed, stream, counter, element): kernels/math/philox.h. There
//     `counter` is the device scalar i64[1] that counts training steps, and the generator has no state but
//     these.
//   * All results are bit-identical between runs on the same device with the same number of threads.
#pragma once

#include "kernels/op_settings.h"
#include "kernels/tensor.h"

namespace melgrad {

struct MelTables;  // kernels/mel.h

enum class Write { overwrite, accumulate };

struct InOut;

// Written as a whole; what it held before does not matter. Any tensor may be given for one, but not one that
// is known to have another role.
struct Out : Tensor {
  Out(const Tensor& t) : Tensor(t) {}
  Out(const InOut&) = delete;
};

// Read and written.
struct InOut : Tensor {
  InOut(const Tensor& t) : Tensor(t) {}
  InOut(const Out&) = delete;
};

// What is overwritten or added to: the gradient of a value, to which each of its uses contributes. No Tensor
// becomes one by itself.
struct Grad {
  Tensor tensor{};
  Write write = Write::overwrite;

  Grad reshape(Shape to) const { return {tensor.reshape(to), write}; }
};

class Ops {
 public:
  Ops() = default;
  Ops(const Ops&) = delete;
  Ops& operator=(const Ops&) = delete;
  virtual ~Ops() = default;

  // ---- element-wise
  // y = value
  virtual void fill(Out y, float value) = 0;
  // y (+)= x
  virtual void add(Tensor x, Grad y) = 0;
  // y = x
  void copy(Tensor x, Out y) { add(x, {y, Write::overwrite}); }
  // y = f(x); y may be x, which a gradient_needs_x does not survive
  virtual void activation_forward(Tensor x, Activation f, Out y) = 0;
  // dx (+)= dy f'(x), y = f(x); x may be y if the gradient needs no x
  virtual void activation_backward(Tensor x, Tensor y, Tensor dy, Activation f, Grad dx) = 0;
  // y = keep ? x / (1 - rate) : 0; keep is drawn per element: uniform >= rate
  virtual void dropout_forward(Tensor x, const Dropout& dropout, Out y) = 0;
  // dx (+)= keep ? dy / (1 - rate) : 0; the same draw, computed again instead of stored
  virtual void dropout_backward(Tensor dy, const Dropout& dropout, Grad dx) = 0;

  // ---- linear: x [M, I], w [O, I], b [O], y [M, O]
  // y = x w' + b
  virtual void linear_forward(Tensor x, Tensor w, Tensor b, Out y) = 0;
  // dx (+)= dy w
  virtual void linear_backward_input(Tensor dy, Tensor w, Grad dx) = 0;
  // dw (+)= dy' x; db (+)= column sums of dy
  virtual void linear_backward_params(Tensor x, Tensor dy, Grad dw, Grad db) = 0;

  // ---- convolution (cross-correlation): x [N, T, F, C], w [O, kT, kF, C], b [O], y [N, T', F', O]
  // T' = (T + 2 pad_t - kT) / stride_t + 1 (rounded down), F' likewise
  // y[n,t,f,o] = b[o] + sum_{i,j,c} w[o,i,j,c] x[n, t stride_t + i - pad_t, f stride_f + j - pad_f, c]
  virtual void conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Out y) = 0;
  virtual void conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Grad dx) = 0;
  virtual void conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Grad dw, Grad db) = 0;

  // ---- max pooling: x [N, T, F, C], y and argmax [N, pool.frames_of(T), pool.bands_of(F), C]
  // argmax (u8) = position i * pool.bands + j of the first maximum in its window, NaN counting as the
  // largest; pool.frames * pool.bands <= 256
  virtual void max_pool_forward(Tensor x, const Pool2d& pool, Out y, Out argmax) = 0;
  // dx (+)= the sum of dy over the windows whose argmax it is, 0 where there is none
  virtual void max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Grad dx) = 0;

  // ---- global pooling: x [N, P, C], y [N, C]; lengths i32 [N] or empty: only the first lengths[n] positions
  // count, at least 1
  // y[n,c] = max_p x[n,p,c]; argmax (i32 [N, C]) = the first p that has it, as above
  virtual void global_max_forward(Tensor x, Tensor lengths, Out y, Out argmax) = 0;
  // dx (+)= dy at argmax, 0 elsewhere
  virtual void global_max_backward(Tensor dy, Tensor argmax, Grad dx) = 0;
  // y[n,c] = mean_p x[n,p,c]
  virtual void global_mean_forward(Tensor x, Tensor lengths, Out y) = 0;
  // dx[n,p,c] (+)= dy[n,c] / length for p < length, 0 elsewhere
  virtual void global_mean_backward(Tensor dy, Tensor lengths, Grad dx) = 0;

  // ---- attention pooling: x [N, P, C], scores and weights [N, P, H], y [N, C]; H divides C, and channel c
  // belongs to head h = c H / C
  // weights[n,p,h] = exp(scores[n,p,h]) / sum_q exp(scores[n,q,h]); y[n,c] = sum_p weights[n,p,h] x[n,p,c]
  virtual void attention_pool_forward(Tensor x, Tensor scores, Out weights, Out y) = 0;
  // dx (+)= weights dy; with g[n,p,h] = sum of x[n,p,c] dy[n,c] over the head's channels:
  // dscores (+)= weights (g - sum_q weights[n,q,h] g[n,q,h])
  virtual void attention_pool_backward(Tensor x, Tensor weights, Tensor dy, Grad dx, Grad dscores) = 0;

  // ---- batch normalisation over all axes but the last: x, y [..., C], of M = numel / C rows; all else [C]
  // mean = mean of x; scale = 1 / sqrt(variance + epsilon) with variance = sum (x - mean)^2 / M;
  // y = gamma (x - mean) scale + beta;  running_mean += momentum (mean - running_mean);
  // running_variance += momentum (variance M / (M - 1) - running_variance)     (M = 1: the variance itself);
  // a channel whose mean or variance is not finite leaves its running ones as they are
  virtual void batch_norm_forward(Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Out y, Out mean,
                                  Out scale, InOut running_mean, InOut running_variance) = 0;
  // y = gamma (x - running_mean) / sqrt(running_variance + epsilon) + beta
  virtual void batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean,
                                    Tensor running_variance, float epsilon, Out y) = 0;
  // With z = (x - mean) scale: dbeta (+)= sum dy; dgamma (+)= sum dy z;
  // dx (+)= gamma scale (dy - (sum dy + z sum dy z) / M); dx may be empty: not wanted
  virtual void batch_norm_backward(Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Grad dx,
                                   Grad dgamma, Grad dbeta) = 0;

  // ---- channels
  // y[n,p,c] = x[n,p,c] g[n,c]; x, y [N, P, C], g [N, C] (squeeze and excitation)
  virtual void scale_channels_forward(Tensor x, Tensor g, Out y) = 0;
  // dx (+)= dy g; dg[n,c] (+)= sum_p dy x
  virtual void scale_channels_backward(Tensor x, Tensor g, Tensor dy, Grad dx, Grad dg) = 0;
  // to[m, to_column + j] (+)= from[m, from_column + j] for j < columns; from [M, A], to [M, B]; what lies
  // beside the columns stays as it is
  virtual void copy_columns(Tensor from, std::int64_t from_column, InOut to, std::int64_t to_column,
                            std::int64_t columns, Write write) = 0;
  // y[b,a,c] (+)= x[a,b,c]; x [A, B, C], y [B, A, C]
  virtual void swap_axes(Tensor x, Grad y) = 0;

  // ---- recurrent layer over all its steps, time first: x [T, N, G H] the projected input w input + b_input,
  // u [G H, H], b [G H], states [T + 1, N, H], saved [T, N, S H] (empty for rnn); G, S: gates_of, saved_of
  // With h the state before a step (0 before the first), a = x_t and v = u h + b:
  //   rnn   h' = tanh(a + v)
  //   lstm  i, f, o = sigmoid(a + v), g = tanh(a + v), c' = f c + i g, h' = o tanh(c')
  //   gru   r, z = sigmoid(a + v), q = v_n, n = tanh(a_n + r q), h' = (1 - z) n + z h        (reset-after)
  // Steps beyond a sequence's length do not read x, leave its state (and c) what it was and save gates of 0.
  // states[t + 1] = state after step t, states[0] = 0; in reverse states[t] = state after it, states[T] = 0.
  virtual void recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Out states,
                                 Out saved) = 0;
  // dstates [T, N, H]: gradient of the state after each step (not including the way through later steps).
  // dx is overwritten; du, db (+)=
  virtual void recurrent_backward(Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved,
                                  Tensor dstates, Out dx, Grad du, Grad db) = 0;

  // ---- stem: first block of a spectrogram CNN, fused
  // y, argmax = max_pool(relu(conv2d(x, w, b))) for one input channel, stride 1, no padding, and windows side
  // by side (no stride in `pool`); the activation before pooling (4 to 8 times larger than y) is never
  // stored. x [N, T, F, 1], w [O, kT, kF, 1]
  virtual void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) = 0;
  // dw, db (+)= gradient through that block; there is no dx: x is the data
  virtual void stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Grad dw,
                                    Grad db) = 0;

  // ---- classification: logits [N, K], weights [N], labels i32 [N] or f32 [N, K], shares t of the classes:
  // probs[n,:] = softmax(logits[n,:]); probs may be logits
  virtual void softmax_forward(Tensor logits, Out probs) = 0;
  // loss [1] = sum_n weights[n] * -log probs[n, labels[n]] / sum_n weights[n] (0 if all weights are 0), of
  // shares sum_n weights[n] * -sum_k t[n,k] log probs[n,k] / sum_n weights[n];
  // probs as above; hits [1] = sum_n weights[n] * (argmax probs[n,:] == labels[n]) / sum_n weights[n], of
  // shares argmax t[n,:].
  // A label whose example has weight 0 is not read. One that names no class: Error (internal) on the CPU; a
  // GPU cannot throw, there the loss is NaN.
  virtual void cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Out probs, Out loss,
                                     Out hits) = 0;
  // dlogits (+)= dloss[0] weights[n] / sum weights * (probs - onehot(labels)), of shares (probs - t)
  virtual void cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss,
                                      Grad dlogits) = 0;

  // ---- tagging: logits, probs [N, K], targets [N, K] in 0 ... 1, weights [N], tag_weights [K]
  // probs = sigmoid(logits); loss [1] = sum_n weights[n] mean_k l[n,k] / sum_n weights[n] (0 if all weights
  // are 0) with l = -(tag_weights[k] t log p + (1 - t) log(1 - p)), from logits, without overflow;
  // hits [1] = sum_n weights[n] mean_k ((logit > 0) == (t > 0.5)) / sum_n weights[n]
  virtual void sigmoid_cross_entropy_forward(Tensor logits, Tensor targets, Tensor weights,
                                             Tensor tag_weights, Out probs, Out loss, Out hits) = 0;
  // dlogits (+)= dloss[0] weights[n] / (K sum weights) (p (1 - t + a t) - a t), a = tag_weights[k]
  virtual void sigmoid_cross_entropy_backward(Tensor probs, Tensor targets, Tensor weights,
                                              Tensor tag_weights, Tensor dloss, Grad dlogits) = 0;

  // ---- L2 penalty, Keras's form (no one half): loss [1] (+)= lambda sum w^2; dw (+)= dloss[0] 2 lambda w
  virtual void l2_penalty_forward(Tensor w, float lambda, Grad loss) = 0;
  virtual void l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Grad dw) = 0;

  // ---- optimizers: w, g and the moments are whole slabs of the same length
  // `rate` and `scale` are device scalars; every update uses the gradient scale[0] g, and with a scale of 0
  // changes nothing, whatever g holds. `l2` adds l2 w to the gradient (PyTorch's weight_decay of sgd and
  // adam), after the scale.
  // v = momentum v + g;  w -= rate (nesterov ? g + momentum v : v)
  virtual void sgd_update(InOut w, Tensor g, InOut v, Tensor rate, Tensor scale, float momentum,
                          bool nesterov, float l2) = 0;
  // m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; with t = counter + 1 and decoupled decay (AdamW):
  // w -= rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + decay w)
  virtual void adam_update(InOut w, Tensor g, InOut m, InOut v, Tensor rate, Tensor scale, Tensor counter,
                           float beta1, float beta2, float epsilon, float decay, float l2) = 0;
  // a = rho a + (1 - rho) g^2; u = g sqrt(d + epsilon) / sqrt(a + epsilon); w -= rate u;
  // d = rho d + (1 - rho) u^2                                              (Zeiler 2012, Keras's form)
  virtual void adadelta_update(InOut w, Tensor g, InOut a, InOut d, Tensor rate, Tensor scale, float rho,
                               float epsilon) = 0;
  // norm [2] = { ||g||_2, scale }, scale = max_norm > 0 ? min(1, max_norm / ||g||) : 1, and 0 if ||g|| is not
  // finite: a step whose gradient is no number leaves no trace in the weights and moments
  virtual void gradient_norm(Tensor g, float max_norm, Out norm) = 0;

  // mean += share (x - mean), share = max(1 - decay, 1 / (t + 1)) with t = counter - begin, and 1 before t =
  // 0: the plain mean of all x from `begin` on, until it forgets as an exponential one does. x, mean f32 [M]
  virtual void average(Tensor x, const Averaging& averaging, InOut mean) = 0;

  // ---- the step's own state
  // rate [1] = schedule at counter
  virtual void learning_rate(const Schedule& schedule, Tensor counter, Out rate) = 0;
  // counter += by (i64 device scalar)
  virtual void advance(InOut counter, std::int64_t by) = 0;
  // log[counter % rows, column] = x[0]; log is f32 [rows, columns]: what the host reads now and then
  virtual void record(Tensor x, Tensor counter, std::int64_t column, InOut log) = 0;

  // ---- data
  // For example n of the batch with track k = order[step, n]: labels[n] = plan.labels[k],
  // weights[n] = plan.class_weights[labels[n]] or 1, first[n] = first_row[k] + start, start uniform over 0
  // ... rows[k] - T (every track has rows >= T); k = ~j is padding: label 0, weight 0 and rows of track j,
  // drawn as for the first example. labels i32 [N], weights [N], first i64 [N]; T = frames of a segment
  virtual void pick_batch(const BatchPlan& plan, std::int64_t frames, Out first, Out labels, Out weights) = 0;
  // x[n,t,f,0] = table[first[n] + t, f]; table f32 or f16 [rows, F], x f32 [N, T, F, 1]
  virtual void gather_segments(Tensor table, Tensor first, Out x) = 0;
  // targets[n,k] = table[track[n], k]; table [tracks, K], track i32 [N], targets [N, K]
  virtual void gather_labels(Tensor table, Tensor track, Out targets) = 0;
  // y[n,t,f,0] = x at frame b + s t and band c + r (f - c) + d, by linear interpolation between neighbours:
  // Resample says what s, r and d are, b is uniform over all that fit. x [N, W, F, 1], y [N, T, F, 1],
  // W >= resampled_frames(T, ...); kernels/math/augment.h has the draws.
  virtual void resample(Tensor x, const Resample& resample, Out y) = 0;
  // y = x changed as `augment` says, in its order; x, y [N, T, F, C], y may be x. kernels/math/augment.h has
  // the draws.
  virtual void augment(Tensor x, const Augment& augment, Out y) = 0;
  // y[n,:] = lambda[n] x[n,:] + (1 - lambda[n]) x[(n + 1) mod N,:]; x, y [N, V]; the same lambda for every
  // tensor of a step
  virtual void mix_examples(Tensor x, const Mixup& mixup, Out y) = 0;
  // y[n,t,f,0] = (x[n,t,f,0] - mean[f]) * scale[f]; x, y [N, T, F, 1], y may be x; mean, scale [F]
  virtual void standardise(Tensor x, Tensor mean, Tensor scale, Out y) = 0;
  // y[n,t,f,0] = x[n,t,f,0]; y[n,t,f,1] = scale (x[n,t,f,0] - mean[n,f]); x [N, T, F, 1], mean [N, F],
  // y [N, T, F, 2]: with the mean over t what a segment's own spectrum leaves
  virtual void beside_mean(Tensor x, Tensor mean, float scale, Out y) = 0;

  // ---- features
  // Trainable triangular filters (Won et al. 2020): w[o,k] = max(0, 1 - 2 |k hz_per_bin - f| / b) with
  // f = centres[o] in Hz and bandwidth b = (0.1079 f + 24.7) / q[0]; w [O, bins], centres [O], q [1]
  virtual void harmonic_filters_forward(Tensor centres, Tensor q, float hz_per_bin, Out w) = 0;
  // dq (+)= sum dw dw/dq
  virtual void harmonic_filters_backward(Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Grad dq) = 0;
  // y [frames, bands] = log-mel of mono PCM [samples] in -1 ... 1; frames = mel.frames(samples), bands =
  // mel.bands(): kernels/mel.h holds the maths. pcm and y are f32 or f16, each for itself; computed is in
  // f32.
  virtual void log_mel(Tensor pcm, const MelTables& mel, Out y) = 0;
};

}  // namespace melgrad
