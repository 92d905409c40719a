// The first block of a spectrogram CNN: convolution of one channel, bias, ReLU and max pooling in one pass.
//
// Its activation before pooling is by far the largest tensor of the network (600 MB for a batch of 150 in
// Dong 2018), and the arithmetic is small, so storing it would cost more than computing it. Here the maximum
// over a pooling window is kept in registers while the window's convolutions are computed, eight output
// channels at a time, and only the winner and its position are written. The backward pass needs just those:
// the gradient of a weight is the sum over winners of dy times the input under that weight.
#include <array>
#include <cstring>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {
namespace {

constexpr int kLanes = 8;
using Vec = float __attribute__((vector_size(kLanes * 4)));
using IntVec = std::int32_t __attribute__((vector_size(kLanes * 4)));

struct StemShape {
  std::int64_t n, frames, bands, out_t, out_f, channels, kernel_t, kernel_f;
  Pool2d pool;

  StemShape(Tensor x, Tensor w, const Pool2d& p, Tensor y)
      : n(x.dim(0)),
        frames(x.dim(1)),
        bands(x.dim(2)),
        out_t(y.dim(1)),
        out_f(y.dim(2)),
        channels(y.dim(3)),
        kernel_t(w.dim(1)),
        kernel_f(w.dim(2)),
        pool(p) {}

  std::int64_t taps() const { return kernel_t * kernel_f; }
  std::int64_t groups() const { return (channels + kLanes - 1) / kLanes; }
  std::int64_t windows() const { return pool.frames * pool.bands; }
  // Input value under tap 0 of the first convolution in pooling window (t, f).
  const float* corner(Tensor x, std::int64_t example, std::int64_t t, std::int64_t f) const {
    return x.f32() + (example * frames + t * pool.frames) * bands + f * pool.bands;
  }
};

// Weights as [group of 8 channels][tap + bias][lane], missing channels zero.
void pack_weights(Tensor w, Tensor b, const StemShape& s, Vec* packed) {
  const std::int64_t taps = s.taps();
  for (std::int64_t g = 0; g < s.groups(); ++g) {
    for (std::int64_t k = 0; k <= taps; ++k) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const std::int64_t c = g * kLanes + lane;
        const float value = c >= s.channels ? 0.0F : k < taps ? w.f32()[c * taps + k] : b.f32()[c];
        packed[g * (taps + 1) + k][lane] = value;
      }
    }
  }
}

// Winner over one pooling window for eight channels; `best` and `where` start at zero, which is ReLU: a
// window without a positive value keeps 0 at its first position. As is_larger of kernels/math/largest.h, in
// lanes. kT, kF = kernel size known at compile time, or 0.
template <int kT, int kF>
void window_max(const float* corner, const Vec* w, const StemShape& s, Vec& best, IntVec& where) {
  const std::int64_t kernel_t = kT ? kT : s.kernel_t, kernel_f = kF ? kF : s.kernel_f,
                     taps = kernel_t * kernel_f;
  for (std::int64_t p = 0; p < s.windows(); ++p) {
    const float* in = corner + p / s.pool.bands * s.bands + p % s.pool.bands;
    Vec sum = w[taps];
    for (std::int64_t i = 0; i < kernel_t; ++i) {
      for (std::int64_t j = 0; j < kernel_f; ++j) sum += w[i * kernel_f + j] * in[i * s.bands + j];
    }
    const IntVec position = IntVec{} + static_cast<std::int32_t>(p);
    const IntVec more = ~(sum <= best) & (best == best);
    best = more ? sum : best;
    where = more ? position : where;
  }
}

template <int kT, int kF>
void forward_row(Tensor x, const Vec* packed, const StemShape& s, std::int64_t row, float* y,
                 std::uint8_t* argmax) {
  const std::int64_t stride = s.taps() + 1;
  for (std::int64_t f = 0; f < s.out_f; ++f) {
    const float* corner = s.corner(x, row / s.out_t, row % s.out_t, f);
    for (std::int64_t g = 0; g < s.groups(); ++g) {
      Vec best{};
      IntVec where{};
      window_max<kT, kF>(corner, packed + g * stride, s, best, where);
      const std::int64_t first = f * s.channels + g * kLanes;
      const auto count = static_cast<int>(std::min<std::int64_t>(kLanes, s.channels - g * kLanes));
      for (int lane = 0; lane < count; ++lane) {
        y[first + lane] = best[lane];
        argmax[first + lane] = static_cast<std::uint8_t>(where[lane]);
      }
    }
  }
}

// columns[p line + tap]: the input under each tap at position p of a pooling window.
template <int kT, int kF>
void columns_of_window(const float* corner, const StemShape& s, std::int64_t line, float* columns) {
  const std::int64_t kernel_t = kT ? kT : s.kernel_t, kernel_f = kF ? kF : s.kernel_f;
  for (std::int64_t p = 0; p < s.windows(); ++p, columns += line) {
    const float* in = corner + p / s.pool.bands * s.bands + p % s.pool.bands;
    for (std::int64_t i = 0; i < kernel_t; ++i)
      for (std::int64_t j = 0; j < kernel_f; ++j) columns[i * kernel_f + j] = in[i * s.bands + j];
  }
}

}  // namespace

void CpuOps::stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) {
  const StemShape s(x, w, pool, y);
  auto* packed =
      static_cast<Vec*>(scratch(static_cast<std::size_t>(s.groups() * (s.taps() + 1)) * sizeof(Vec)));
  pack_weights(w, b, s, packed);
  const auto row_body = s.kernel_t == 3 && s.kernel_f == 3 ? forward_row<3, 3> : forward_row<0, 0>;
  const std::int64_t row_size = s.out_f * s.channels;
  parallel_for(s.n * s.out_t, threads_, 1, [&](std::int64_t row) {
    row_body(x, packed, s, row, y.f32() + row * row_size, argmax.u8() + row * row_size);
  });
}

void CpuOps::stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Grad dw,
                                  Grad db) {
  const StemShape s(x, dw.tensor, pool, y);
  // One line per channel: the taps, then the bias, padded to whole vectors. One such sum per example, added
  // in order afterwards, so the result does not depend on the number of threads.
  const std::int64_t taps = s.taps(), line = (taps + kLanes) / kLanes * kLanes, size = s.channels * line;
  auto* sums = static_cast<float*>(scratch(static_cast<std::size_t>(s.n * size) * sizeof(float)));
  const auto lay_columns =
      s.kernel_t == 3 && s.kernel_f == 3 ? columns_of_window<3, 3> : columns_of_window<0, 0>;
  const float *values = y.f32(), *grads = dy.f32();
  const std::uint8_t* winners = argmax.u8();
  parallel_for(s.n, threads_, 1, [&](std::int64_t n) {
    float* sum = sums + n * size;
    std::fill_n(sum, size, 0.0F);
    std::vector<float> column(static_cast<std::size_t>(s.windows() * line), 0.0F);  // input under each window
    for (std::int64_t p = 0; p < s.windows(); ++p) column[static_cast<std::size_t>(p * line + taps)] = 1.0F;
    for (std::int64_t at = 0; at < s.out_t * s.out_f; ++at) {
      lay_columns(s.corner(x, n, at / s.out_f, at % s.out_f), s, line, column.data());
      const std::int64_t from = (n * s.out_t * s.out_f + at) * s.channels;
      for (std::int64_t c = 0; c < s.channels; ++c) {
        const float g = values[from + c] > 0 ? grads[from + c] : 0.0F;
        const float* under = column.data() + winners[from + c] * line;
        float* to = sum + c * line;
#pragma omp simd
        for (std::int64_t k = 0; k < line; ++k) to[k] += g * under[k];
      }
    }
  });
  for (std::int64_t c = 0; c < s.channels; ++c) {
    for (std::int64_t k = 0; k <= taps; ++k) {
      double total = 0;
      for (std::int64_t n = 0; n < s.n; ++n) total += sums[n * size + c * line + k];
      const Grad& gradient = k < taps ? dw : db;
      float& to = gradient.tensor.f32()[k < taps ? c * taps + k : c];
      to = static_cast<float>(total) + (gradient.write == Write::accumulate ? to : 0.0F);
    }
  }
}

}  // namespace melgrad
