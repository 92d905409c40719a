#include <cmath>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"
#include "kernels/math/activations.h"
#include "kernels/math/tagging.h"
#include "kernels/math/targets.h"

namespace melgrad {
namespace {

// probs = softmax(logits) of one row; returns log sum exp.
float softmax_row(const float* logits, float* probs, std::int64_t k) {
  const float top = *std::max_element(logits, logits + k);
  float sum = 0;
  for (std::int64_t j = 0; j < k; ++j) sum += std::exp(logits[j] - top);
  for (std::int64_t j = 0; j < k; ++j) probs[j] = std::exp(logits[j] - top) / sum;
  return top + std::log(sum);
}

double total(const float* weights, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += weights[i];
  return sum;
}

}  // namespace

void CpuOps::softmax_forward(Tensor logits, Out probs) {
  const std::int64_t k = logits.dim(1);
  parallel_for(logits.dim(0), threads_, 1024,
               [&](std::int64_t i) { softmax_row(logits.f32() + i * k, probs.f32() + i * k, k); });
}

void CpuOps::cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Out probs, Out loss,
                                   Out hits) {
  const std::int64_t n = logits.dim(0), k = logits.dim(1);
  const Targets targets = targets_of(labels, k);
  double loss_sum = 0, hit_sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* z = logits.f32() + i * k;
    const float log_sum = softmax_row(z, probs.f32() + i * k, k);
    const float weight = weights.f32()[i];
    if (weight == 0) continue;
    require(targets.is_class(i), "cross_entropy: label {} of example {}, but there are {} classes",
            targets.answer(i), i, k);
    loss_sum += static_cast<double>(weight) * targets.loss(i, z, log_sum);
    hit_sum += std::max_element(z, z + k) - z == targets.answer(i) ? weight : 0.0;
  }
  const double weight_sum = total(weights.f32(), n);
  loss.f32()[0] = weight_sum > 0 ? static_cast<float>(loss_sum / weight_sum) : 0.0F;
  hits.f32()[0] = weight_sum > 0 ? static_cast<float>(hit_sum / weight_sum) : 0.0F;
}

void CpuOps::cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss, Grad dlogits) {
  const std::int64_t n = probs.dim(0), k = probs.dim(1);
  const Targets targets = targets_of(labels, k);
  const double weight_sum = total(weights.f32(), n);
  const auto scale = static_cast<float>(weight_sum > 0 ? dloss.f32()[0] / weight_sum : 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    const float weight = scale * weights.f32()[i];
    for (std::int64_t j = 0; j < k; ++j) {
      const float target = weight != 0 ? targets.share(i, j) : 0.0F;
      const float g = weight * (probs.f32()[i * k + j] - target);
      float& out = dlogits.tensor.f32()[i * k + j];
      out = dlogits.write == Write::overwrite ? g : out + g;
    }
  }
}

void CpuOps::sigmoid_cross_entropy_forward(Tensor logits, Tensor targets, Tensor weights, Tensor tag_weights,
                                           Out probs, Out loss, Out hits) {
  const std::int64_t n = logits.dim(0), tags = logits.dim(1);
  double loss_sum = 0, hit_sum = 0;
  for (std::int64_t i = 0; i < n * tags; ++i) {
    const float z = logits.f32()[i], target = targets.f32()[i];
    const double weight = weights.f32()[i / tags];
    probs.f32()[i] = activated<Activation::sigmoid>(z);
    loss_sum += weight * tag_loss(z, target, tag_weights.f32()[i % tags]);
    hit_sum += (z > 0) == (target > 0.5F) ? weight : 0;
  }
  const double share = total(weights.f32(), n) * static_cast<double>(tags);
  loss.f32()[0] = share > 0 ? static_cast<float>(loss_sum / share) : 0.0F;
  hits.f32()[0] = share > 0 ? static_cast<float>(hit_sum / share) : 0.0F;
}

void CpuOps::sigmoid_cross_entropy_backward(Tensor probs, Tensor targets, Tensor weights, Tensor tag_weights,
                                            Tensor dloss, Grad dlogits) {
  const std::int64_t n = probs.dim(0), tags = probs.dim(1);
  const double share = total(weights.f32(), n) * static_cast<double>(tags);
  const auto scale = static_cast<float>(share > 0 ? dloss.f32()[0] / share : 0.0);
  for (std::int64_t i = 0; i < n * tags; ++i) {
    const float slope = tag_loss_slope(probs.f32()[i], targets.f32()[i], tag_weights.f32()[i % tags]);
    const float g = scale * weights.f32()[i / tags] * slope;
    dlogits.tensor.f32()[i] = dlogits.write == Write::overwrite ? g : dlogits.tensor.f32()[i] + g;
  }
}

void CpuOps::l2_penalty_forward(Tensor w, float lambda, Grad loss) {
  const float* p = w.f32();
  const double sum = blocked_sum(w.numel(), threads_, [p](std::int64_t first, std::int64_t last) {
    double s = 0;
    for (std::int64_t i = first; i < last; ++i) s += static_cast<double>(p[i]) * p[i];
    return s;
  });
  const auto penalty = static_cast<float>(lambda * sum);
  loss.tensor.f32()[0] = loss.write == Write::overwrite ? penalty : loss.tensor.f32()[0] + penalty;
}

void CpuOps::l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Grad dw) {
  const float factor = 2 * lambda * dloss.f32()[0];
  parallel_blocks(w.numel(), threads_, 16384,
                  [&, p = w.f32(), g = dw.tensor.f32()](std::int64_t first, std::int64_t last) {
                    const float keep = dw.write == Write::accumulate ? 1.0F : 0.0F;
                    for (std::int64_t i = first; i < last; ++i)
                      g[i] = (keep != 0 ? g[i] : 0.0F) + factor * p[i];
                  });
}

}  // namespace melgrad
