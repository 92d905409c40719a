// Pooling over windows and over all positions, channels last: the channel loop is the SIMD loop.
#include "kernels/math/pool.h"

#include "kernels/cpu/channel_loops.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/math/largest.h"

namespace melgrad {
namespace {

// Positions of example n of x [N, P, C] that count.
std::int64_t length_of(Tensor lengths, std::int64_t n, Tensor x) {
  return lengths ? lengths.i32()[n] : x.dim(1);
}

}  // namespace

void CpuOps::max_pool_forward(Tensor x, const Pool2d& pool, Out y, Out argmax) {
  const std::int64_t frames = x.dim(1), bands = x.dim(2), channels = x.dim(3), out_t = y.dim(1),
                     out_f = y.dim(2);
  parallel_for(y.dim(0) * out_t, threads_, 1, [&](std::int64_t row) {
    const std::int64_t n = row / out_t, t = row % out_t;
    for (std::int64_t f = 0; f < out_f; ++f) {
      const float* in = x.f32() + ((n * frames + t * pool.step_t()) * bands + f * pool.step_f()) * channels;
      float* best = y.f32() + (row * out_f + f) * channels;
      std::uint8_t* where = argmax.u8() + (row * out_f + f) * channels;
      std::copy_n(in, channels, best);
      std::fill_n(where, channels, std::uint8_t{0});
      for (std::int64_t k = 1; k < pool.frames * pool.bands; ++k) {
        const float* p = in + (k / pool.bands * bands + k % pool.bands) * channels;
#pragma omp simd
        for (std::int64_t c = 0; c < channels; ++c) {
          const bool more = is_larger(p[c], best[c]);
          best[c] = more ? p[c] : best[c];
          where[c] = more ? static_cast<std::uint8_t>(k) : where[c];
        }
      }
    }
  });
}

void CpuOps::max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Grad dx) {
  const std::int64_t frames = dx.tensor.dim(1), bands = dx.tensor.dim(2), channels = dx.tensor.dim(3);
  const std::int64_t out_t = dy.dim(1), out_f = dy.dim(2);
  parallel_for(dx.tensor.dim(0) * frames, threads_, 1, [&](std::int64_t row) {
    const std::int64_t n = row / frames, t = row % frames;
    float* out = dx.tensor.f32() + row * bands * channels;
    if (dx.write == Write::overwrite) std::fill_n(out, bands * channels, 0.0F);
    // The windows that hold row t of the example, one after the other.
    for (std::int64_t w = first_window(t, pool.frames, pool.step_t()); w < out_t && w * pool.step_t() <= t;
         ++w) {
      for (std::int64_t v = 0; v < out_f; ++v) {
        const std::int64_t from = ((n * out_t + w) * out_f + v) * channels;
        const float* g = dy.f32() + from;
        const std::uint8_t* where = argmax.u8() + from;
        for (std::int64_t band = 0; band < pool.bands; ++band) {
          float* to = out + (v * pool.step_f() + band) * channels;
          const auto here = static_cast<std::uint8_t>((t - w * pool.step_t()) * pool.bands + band);
#pragma omp simd
          for (std::int64_t c = 0; c < channels; ++c) to[c] += where[c] == here ? g[c] : 0.0F;
        }
      }
    }
  });
}

void CpuOps::global_max_forward(Tensor x, Tensor lengths, Out y, Out argmax) {
  const std::int64_t positions = x.dim(1), channels = x.dim(2);
  parallel_for(x.dim(0), threads_, 1, [&](std::int64_t n) {
    const float* in = x.f32() + n * positions * channels;
    float* best = y.f32() + n * channels;
    std::int32_t* where = argmax.i32() + n * channels;
    std::copy_n(in, channels, best);
    std::fill_n(where, channels, 0);
    for (std::int64_t p = 1; p < length_of(lengths, n, x); ++p) {
      const float* v = in + p * channels;
      const auto here = static_cast<std::int32_t>(p);
#pragma omp simd
      for (std::int64_t c = 0; c < channels; ++c) {
        const bool more = is_larger(v[c], best[c]);
        best[c] = more ? v[c] : best[c];
        where[c] = more ? here : where[c];
      }
    }
  });
}

void CpuOps::global_max_backward(Tensor dy, Tensor argmax, Grad dx) {
  const std::int64_t positions = dx.tensor.dim(1), channels = dx.tensor.dim(2);
  parallel_for(dx.tensor.dim(0), threads_, 1, [&](std::int64_t n) {
    float* out = dx.tensor.f32() + n * positions * channels;
    if (dx.write == Write::overwrite) std::fill_n(out, positions * channels, 0.0F);
    for (std::int64_t c = 0; c < channels; ++c) {
      out[argmax.i32()[n * channels + c] * channels + c] += dy.f32()[n * channels + c];
    }
  });
}

void CpuOps::global_mean_forward(Tensor x, Tensor lengths, Out y) {
  const std::int64_t positions = x.dim(1), channels = x.dim(2);
  const ChannelLoop loop(x.dim(0), positions, channels, threads_);
  const auto sums = loop.sums<1>([&](std::int64_t group, std::int64_t i, std::int64_t n, double* sum) {
    const std::int64_t end = (group * positions + length_of(lengths, group, x)) * channels;
    const float* in = x.f32() + i;
#pragma omp simd
    for (std::int64_t j = 0; j < std::min(n, end - i); ++j) sum[j] += in[j];
  });
  for (std::int64_t k = 0; k < y.numel(); ++k) {
    y.f32()[k] = static_cast<float>(sums[static_cast<std::size_t>(k)] /
                                    static_cast<double>(length_of(lengths, k / channels, x)));
  }
}

void CpuOps::global_mean_backward(Tensor dy, Tensor lengths, Grad dx) {
  const std::int64_t positions = dx.tensor.dim(1), channels = dx.tensor.dim(2);
  const ChannelLoop loop(dx.tensor.dim(0), positions, channels, threads_);
  const auto shares = loop.table([&](std::int64_t k) {
    return dy.f32()[k] / static_cast<float>(length_of(lengths, k / channels, dx.tensor));
  });
  loop.for_each([&](std::int64_t group, std::int64_t i, std::int64_t n) {
    const std::int64_t end = (group * positions + length_of(lengths, group, dx.tensor)) * channels;
    const float* share = shares.data() + group * loop.width();
    put(dx.tensor.f32() + i, n, dx.write, [=](std::int64_t j) { return i + j < end ? share[j] : 0.0F; });
  });
}

}  // namespace melgrad
