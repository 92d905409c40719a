// Softmax, cross-entropy and the L2 penalty. Batches are a few hundred rows of some tens of classes: one
// thread takes a row, one block the whole batch, because its sums then need no second launch.
#include "kernels/cuda/block.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/sums.h"
#include "kernels/math/activations.h"
#include "kernels/math/tagging.h"
#include "kernels/math/targets.h"

namespace melgrad {
namespace {

// probs = softmax(logits) of one row of k; returns log sum exp. probs may be logits.
MELGRAD_DEVICE float softmax_row(const float* logits, float* probs, std::int64_t k) {
  float top = logits[0];
  for (std::int64_t j = 1; j < k; ++j) top = logits[j] > top ? logits[j] : top;
  float sum = 0;
  for (std::int64_t j = 0; j < k; ++j) sum += std::exp(logits[j] - top);
  for (std::int64_t j = 0; j < k; ++j) probs[j] = std::exp(logits[j] - top) / sum;
  return top + std::log(sum);
}

struct SoftmaxRows {
  static constexpr int kThreads = 64;
  const float* logits;
  float* probs;
  std::int64_t rows, classes;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < rows; i += t.stride()) {
      softmax_row(logits + i * classes, probs + i * classes, classes);
    }
  }
};

// Writes the weighted means of what the threads of one block have added up; 0 if all weights are 0.
template <typename Thread>
MELGRAD_DEVICE void store_means(Thread& t, double my_loss, double my_hits, double my_weight, float* loss,
                                float* hits) {
  double* scratch = t.template shared<double>(kReduceThreads);
  const double total = block_sum(t, scratch, my_weight);
  const double loss_sum = block_sum(t, scratch, my_loss), hit_sum = block_sum(t, scratch, my_hits);
  if (t.index() == 0) {
    *loss = total > 0 ? static_cast<float>(loss_sum / total) : 0.0F;
    *hits = total > 0 ? static_cast<float>(hit_sum / total) : 0.0F;
  }
}

// Every block adds up the weights again, in the same order: cheaper than another launch.
template <typename Thread>
MELGRAD_DEVICE double total_weight(Thread& t, const float* weights, std::int64_t rows) {
  double* scratch = t.template shared<double>(kReduceThreads);
  double mine = 0;
  for (std::int64_t i = t.index(); i < rows; i += t.count()) mine += weights[i];
  return block_sum(t, scratch, mine);
}

// One block. A label that names no class cannot be reported from here: it makes the loss NaN.
struct CrossEntropyForward {
  static constexpr int kThreads = kReduceThreads;
  const float* logits;
  Targets targets;
  const float* weights;
  float* probs;
  std::int64_t rows, classes;
  float *loss, *hits;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    double my_loss = 0, my_hits = 0, my_weight = 0;
    for (std::int64_t i = t.index(); i < rows; i += t.count()) {
      const float* z = logits + i * classes;
      const float log_sum = softmax_row(z, probs + i * classes, classes);
      const auto weight = static_cast<double>(weights[i]);
      if (weight == 0) continue;
      my_weight += weight;
      if (!targets.is_class(i)) {
        my_loss = std::nan("");
        continue;
      }
      my_loss += weight * targets.loss(i, z, log_sum);
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < classes; ++j) best = z[j] > z[best] ? j : best;
      my_hits += best == targets.answer(i) ? weight : 0;
    }
    store_means(t, my_loss, my_hits, my_weight, loss, hits);
  }
};

struct CrossEntropyBackward {
  static constexpr int kThreads = kReduceThreads;
  const float* probs;
  Targets targets;
  const float *weights, *dloss;
  float* dlogits;
  std::int64_t rows, classes;
  bool accumulate;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const double total = total_weight(t, weights, rows);
    const auto scale = static_cast<float>(total > 0 ? *dloss / total : 0.0);
    for (std::int64_t e = t.first(); e < rows * classes; e += t.stride()) {
      const std::int64_t i = e / classes;
      const float weight = scale * weights[i];
      const float target = weight != 0 ? targets.share(i, e % classes) : 0.0F;
      const float g = weight * (probs[e] - target);
      dlogits[e] = accumulate ? dlogits[e] + g : g;
    }
  }
};

// One block, as CrossEntropyForward.
struct TaggingForward {
  static constexpr int kThreads = kReduceThreads;
  const float *logits, *targets, *weights, *tag_weights;
  float* probs;
  std::int64_t rows, tags;
  float *loss, *hits;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    double my_loss = 0, my_hits = 0, my_weight = 0;
    for (std::int64_t e = t.index(); e < rows * tags; e += t.count()) {
      const auto weight = static_cast<double>(weights[e / tags]);
      probs[e] = activated<Activation::sigmoid>(logits[e]);
      my_loss += weight * static_cast<double>(tag_loss(logits[e], targets[e], tag_weights[e % tags]));
      my_hits += (logits[e] > 0) == (targets[e] > 0.5F) ? weight : 0;
      my_weight += weight;
    }
    store_means(t, my_loss, my_hits, my_weight, loss, hits);  // each weight once per tag
  }
};

struct TaggingBackward {
  static constexpr int kThreads = kReduceThreads;
  const float *probs, *targets, *weights, *tag_weights, *dloss;
  float* dlogits;
  std::int64_t rows, tags;
  bool accumulate;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const double share = total_weight(t, weights, rows) * static_cast<double>(tags);
    const auto scale = static_cast<float>(share > 0 ? *dloss / share : 0.0);
    for (std::int64_t e = t.first(); e < rows * tags; e += t.stride()) {
      const float g = scale * weights[e / tags] * tag_loss_slope(probs[e], targets[e], tag_weights[e % tags]);
      dlogits[e] = accumulate ? dlogits[e] + g : g;
    }
  }
};

struct FinishPenalty {
  float lambda;
  float* loss;
  bool accumulate;
  MELGRAD_DEVICE void operator()(double squares) const {
    const auto penalty = static_cast<float>(lambda * squares);
    *loss = accumulate ? *loss + penalty : penalty;
  }
};

struct PenaltyGradient {
  const float *w, *dloss;
  float lambda;
  MELGRAD_DEVICE float operator()(std::int64_t i) const { return 2 * lambda * *dloss * w[i]; }
};

}  // namespace

void CudaOps::softmax_forward(Tensor logits, Out probs) {
  launch(stream_, blocks_for(logits.dim(0), 64),
         SoftmaxRows{logits.f32(), probs.f32(), logits.dim(0), logits.dim(1)});
}

void CudaOps::cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Out probs, Out loss,
                                    Out hits) {
  launch(stream_, 1,
         CrossEntropyForward{logits.f32(), targets_of(labels, logits.dim(1)), weights.f32(), probs.f32(),
                             logits.dim(0), logits.dim(1), loss.f32(), hits.f32()});
}

void CudaOps::cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss,
                                     Grad dlogits) {
  launch(stream_, blocks_for(probs.numel(), kReduceThreads),
         CrossEntropyBackward{probs.f32(), targets_of(labels, probs.dim(1)), weights.f32(), dloss.f32(),
                              dlogits.tensor.f32(), probs.dim(0), probs.dim(1),
                              dlogits.write == Write::accumulate});
}

void CudaOps::sigmoid_cross_entropy_forward(Tensor logits, Tensor targets, Tensor weights, Tensor tag_weights,
                                            Out probs, Out loss, Out hits) {
  launch(stream_, 1,
         TaggingForward{logits.f32(), targets.f32(), weights.f32(), tag_weights.f32(), probs.f32(),
                        logits.dim(0), logits.dim(1), loss.f32(), hits.f32()});
}

void CudaOps::sigmoid_cross_entropy_backward(Tensor probs, Tensor targets, Tensor weights, Tensor tag_weights,
                                             Tensor dloss, Grad dlogits) {
  launch(
      stream_, blocks_for(probs.numel(), kReduceThreads),
      TaggingBackward{probs.f32(), targets.f32(), weights.f32(), tag_weights.f32(), dloss.f32(),
                      dlogits.tensor.f32(), probs.dim(0), probs.dim(1), dlogits.write == Write::accumulate});
}

void CudaOps::l2_penalty_forward(Tensor w, float lambda, Grad loss) {
  workspace_.restart();
  auto* piece = static_cast<double*>(scratch({2 * sum_pieces(w.numel())}).data);
  launch_sum(stream_, w.numel(), SquareOf{w.f32()}, piece,
             FinishPenalty{lambda, loss.tensor.f32(), loss.write == Write::accumulate});
}

void CudaOps::l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Grad dw) {
  launch_elements(stream_, dw.tensor.f32(), w.numel(), dw.write,
                  PenaltyGradient{w.f32(), dloss.f32(), lambda});
}

}  // namespace melgrad
