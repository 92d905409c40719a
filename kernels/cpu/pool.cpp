// Max pooling, channels last: the channel loop is the SIMD loop.
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {

void CpuOps::max_pool_forward(Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) {
  const std::int64_t frames = x.dim(1), bands = x.dim(2), channels = x.dim(3), out_t = y.dim(1),
                     out_f = y.dim(2);
  parallel_for(y.dim(0) * out_t, threads_, 1, [&](std::int64_t row) {
    const std::int64_t n = row / out_t, t = row % out_t;
    for (std::int64_t f = 0; f < out_f; ++f) {
      const float* in = x.f32() + ((n * frames + t * pool.frames) * bands + f * pool.bands) * channels;
      float* best = y.f32() + (row * out_f + f) * channels;
      std::uint8_t* where = argmax.u8() + (row * out_f + f) * channels;
      std::copy_n(in, channels, best);
      std::fill_n(where, channels, std::uint8_t{0});
      for (std::int64_t k = 1; k < pool.frames * pool.bands; ++k) {
        const float* p = in + (k / pool.bands * bands + k % pool.bands) * channels;
#pragma omp simd
        for (std::int64_t c = 0; c < channels; ++c) {
          const bool more = p[c] > best[c];
          best[c] = more ? p[c] : best[c];
          where[c] = more ? static_cast<std::uint8_t>(k) : where[c];
        }
      }
    }
  });
}

void CpuOps::max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Tensor dx, Write write) {
  const std::int64_t frames = dx.dim(1), bands = dx.dim(2), channels = dx.dim(3);
  const std::int64_t out_t = dy.dim(1), out_f = dy.dim(2);
  parallel_for(dx.dim(0) * frames, threads_, 1, [&](std::int64_t row) {
    const std::int64_t n = row / frames, t = row % frames;
    float* out = dx.f32() + row * bands * channels;
    if (write == Write::overwrite) std::fill_n(out, bands * channels, 0.0F);
    if (t / pool.frames >= out_t) return;  // rows beyond the last whole window
    for (std::int64_t f = 0; f < out_f * pool.bands; ++f) {
      const std::int64_t from = ((n * out_t + t / pool.frames) * out_f + f / pool.bands) * channels;
      const float* g = dy.f32() + from;
      const std::uint8_t* where = argmax.u8() + from;
      const auto here = static_cast<std::uint8_t>(t % pool.frames * pool.bands + f % pool.bands);
#pragma omp simd
      for (std::int64_t c = 0; c < channels; ++c) out[f * channels + c] += where[c] == here ? g[c] : 0.0F;
    }
  });
}

}  // namespace melgrad
