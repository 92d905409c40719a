// Pooling over positions with learned weights.
#include <cmath>

#include "kernels/cpu/channel_loops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {
namespace {

// The scores or weights of one example and head: element p is at first[p * heads].
struct HeadColumn {
  float* first;
  std::int64_t positions, heads;
  float& operator[](std::int64_t p) const { return first[p * heads]; }
};

// weights = softmax of scores over the positions
void softmax_over_positions(const HeadColumn& scores, const HeadColumn& weights) {
  float top = scores[0];
  for (std::int64_t p = 1; p < scores.positions; ++p) top = std::max(top, scores[p]);
  double sum = 0;
  for (std::int64_t p = 0; p < scores.positions; ++p) sum += weights[p] = std::exp(scores[p] - top);
  const auto share = static_cast<float>(1 / sum);
  for (std::int64_t p = 0; p < scores.positions; ++p) weights[p] *= share;
}

}  // namespace

void CpuOps::attention_pool_forward(Tensor x, Tensor scores, Out weights, Out y) {
  const std::int64_t positions = x.dim(1), channels = x.dim(2), heads = scores.dim(2),
                     wide = channels / heads;
  parallel_for(x.dim(0), threads_, 1, [&](std::int64_t n) {
    const std::int64_t column = n * positions * heads;
    for (std::int64_t h = 0; h < heads; ++h)
      softmax_over_positions({scores.f32() + column + h, positions, heads},
                             {weights.f32() + column + h, positions, heads});
    std::vector<double> sum(static_cast<std::size_t>(channels));
    for (std::int64_t p = 0; p < positions; ++p)
      for (std::int64_t h = 0; h < heads; ++h) {
        const float w = weights.f32()[column + p * heads + h];
        const float* in = x.f32() + (n * positions + p) * channels + h * wide;
        double* to = sum.data() + h * wide;
#pragma omp simd
        for (std::int64_t c = 0; c < wide; ++c) to[c] += static_cast<double>(w) * in[c];
      }
    for (std::int64_t c = 0; c < channels; ++c)
      y.f32()[n * channels + c] = static_cast<float>(sum[static_cast<std::size_t>(c)]);
  });
}

void CpuOps::attention_pool_backward(Tensor x, Tensor weights, Tensor dy, Grad dx, Grad dscores) {
  const std::int64_t positions = x.dim(1), channels = x.dim(2), heads = weights.dim(2),
                     wide = channels / heads;
  parallel_for(x.dim(0), threads_, 1, [&](std::int64_t n) {
    const float *w = weights.f32() + n * positions * heads, *from = dy.f32() + n * channels;
    std::vector<double> gradient(static_cast<std::size_t>(positions * heads)),
        mean(static_cast<std::size_t>(heads));
    for (std::int64_t p = 0; p < positions; ++p)
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t i = (n * positions + p) * channels + h * wide, at = p * heads + h;
        const float *in = x.f32() + i, *up = from + h * wide;
        double g = 0;
#pragma omp simd reduction(+ : g)
        for (std::int64_t c = 0; c < wide; ++c) g += static_cast<double>(in[c]) * up[c];
        gradient[static_cast<std::size_t>(at)] = g;
        mean[static_cast<std::size_t>(h)] += w[at] * g;
        put(dx.tensor.f32() + i, wide, dx.write,
            [up, share = w[at]](std::int64_t c) { return share * up[c]; });
      }
    put(dscores.tensor.f32() + n * positions * heads, positions * heads, dscores.write, [&](std::int64_t at) {
      const double g = gradient[static_cast<std::size_t>(at)] - mean[static_cast<std::size_t>(at % heads)];
      return static_cast<float>(w[at] * g);
    });
  });
}

}  // namespace melgrad
