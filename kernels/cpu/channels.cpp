// Gates of channels, and copies that move channels or swap the axes before them.
#include "kernels/cpu/channel_loops.h"
#include "kernels/cpu/cpu_ops.h"

namespace melgrad {

void CpuOps::scale_channels_forward(Tensor x, Tensor g, Out y) {
  const ChannelLoop loop(x.dim(0), x.dim(1), x.dim(2), threads_);
  const auto gates = loop.table([p = g.f32()](std::int64_t k) { return p[k]; });
  loop.for_each([&, in = x.f32(), out = y.f32()](std::int64_t group, std::int64_t i, std::int64_t n) {
    const float* gate = gates.data() + group * loop.width();
    put(out + i, n, Write::overwrite, [=](std::int64_t j) { return in[i + j] * gate[j]; });
  });
}

void CpuOps::scale_channels_backward(Tensor x, Tensor g, Tensor dy, Grad dx, Grad dg) {
  const ChannelLoop loop(x.dim(0), x.dim(1), x.dim(2), threads_);
  const float *in = x.f32(), *from = dy.f32();
  const auto gates = loop.table([p = g.f32()](std::int64_t k) { return p[k]; });
  loop.for_each([&, out = dx.tensor.f32()](std::int64_t group, std::int64_t i, std::int64_t n) {
    const float* gate = gates.data() + group * loop.width();
    put(out + i, n, dx.write, [=](std::int64_t j) { return from[i + j] * gate[j]; });
  });
  const auto sums = loop.sums<1>([=](std::int64_t, std::int64_t i, std::int64_t n, double* sum) {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) sum[j] += static_cast<double>(from[i + j]) * in[i + j];
  });
  put(dg.tensor.f32(), dg.tensor.numel(), dg.write,
      [p = sums.data()](std::int64_t k) { return static_cast<float>(p[k]); });
}

void CpuOps::copy_columns(Tensor from, std::int64_t from_column, InOut to, std::int64_t to_column,
                          std::int64_t columns, Write write) {
  parallel_for(from.dim(0), threads_, 64, [&](std::int64_t m) {
    const float* p = from.f32() + m * from.dim(1) + from_column;
    put(to.f32() + m * to.dim(1) + to_column, columns, write, [=](std::int64_t j) { return p[j]; });
  });
}

// Sixteen neighbours b at a time, so that with few channels whole lines of x are used up at once.
void CpuOps::swap_axes(Tensor x, Grad y) {
  const std::int64_t a_count = x.dim(0), b_count = x.dim(1), channels = x.dim(2);
  parallel_blocks(b_count, threads_, 16, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t a = 0; a < a_count; ++a)
      for (std::int64_t b = first; b < last; ++b) {
        const float* p = x.f32() + (a * b_count + b) * channels;
        put(y.tensor.f32() + (b * a_count + a) * channels, channels, y.write,
            [=](std::int64_t c) { return p[c]; });
      }
  });
}

}  // namespace melgrad
