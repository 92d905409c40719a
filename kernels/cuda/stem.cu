// The first block of a spectrogram CNN in one pass; why it is fused stands in kernels/cpu/stem.cpp.
//
// Threads of a block: channels side by side (neighbours write neighbouring memory and read the same input,
// which shared memory hands to all at once), and with fewer channels than threads, several `lanes` of windows
// beside them. The shipped 3 x 3 kernel with 4 x 2 pooling is compiled with its sizes known, weights and sums
// in registers.
#include "kernels/cuda/block.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"
#include "kernels/math/largest.h"

namespace melgrad {
namespace {

constexpr int kStemThreads = 256;

// Sizes; kT, kF, pT, pF known at compile time, or 0.
template <int kT, int kF, int pT, int pF>
struct StemShape {
  int frames, bands, out_t, out_f, channels, kernel_t_, kernel_f_, pool_t_, pool_f_;

  StemShape(Tensor x, Tensor w, const Pool2d& pool, Tensor y)
      : frames(narrow(x.dim(1))),
        bands(narrow(x.dim(2))),
        out_t(narrow(y.dim(1))),
        out_f(narrow(y.dim(2))),
        channels(narrow(y.dim(3))),
        kernel_t_(narrow(w.dim(1))),
        kernel_f_(narrow(w.dim(2))),
        pool_t_(narrow(pool.frames)),
        pool_f_(narrow(pool.bands)) {}
  static int narrow(std::int64_t n) { return static_cast<int>(n); }

  MELGRAD_HD int kernel_t() const { return kT ? kT : kernel_t_; }
  MELGRAD_HD int kernel_f() const { return kF ? kF : kernel_f_; }
  MELGRAD_HD int pool_t() const { return pT ? pT : pool_t_; }
  MELGRAD_HD int pool_f() const { return pF ? pF : pool_f_; }
  MELGRAD_HD int taps() const { return kernel_t() * kernel_f(); }
  // From row to row of the input in shared memory, of 32 banks, where a window's rows shall lie beside each
  // other.
  MELGRAD_HD int pitch() const { return bands + ((pool_f() - bands) % 32 + 32) % 32; }
  // Input frames under `rows` rows of the output.
  MELGRAD_HD int frames_under(int rows) const { return rows * pool_t() + kernel_t() - 1; }
};

// Which channel and which windows a thread takes, for the channels from `from` on.
struct Place {
  int width, channel, lane, lanes;  // width: channels side by side
  bool active;
  MELGRAD_DEVICE Place(int index, int from, int channels) {
    width = channels - from < kStemThreads ? channels - from : kStemThreads;
    channel = from + index % width;
    lane = index / width;
    lanes = kStemThreads / width;
    active = lane < lanes;
  }
};

// A block computes one row (example, t) of the output from the frames under it, which it keeps in shared
// memory.
template <typename T, int kT, int kF, int pT, int pF>
struct StemForward {
  static constexpr int kThreads = kStemThreads;
  StemShape<kT, kF, pT, pF> s;
  const float *x, *w, *b;
  T* y;
  std::uint8_t* argmax;

  std::int64_t shared_bytes() const { return shared_size<float>(s.frames_under(1) * s.bands); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const int size = s.frames_under(1) * s.bands;
    float* patch = t.template shared<float>(size);
    const std::int64_t example = t.block() / s.out_t, row = t.block() % s.out_t;
    const float* from = x + (example * s.frames + row * s.pool_t()) * s.bands;
    fetch<2>(
        t, size, [from](int i) { return from[i]; }, [patch](int i, float v) { patch[i] = v; });
    t.sync();
    for (int c0 = 0; c0 < s.channels; c0 += t.count()) {
      const Place at(t.index(), c0, s.channels);
      if (!at.active) continue;
      float weight[kT ? kT * kF : 1];
      if constexpr (kT > 0) {
        for (int k = 0; k < kT * kF; ++k) weight[k] = w[at.channel * kT * kF + k];
      }
      for (int f = at.lane; f < s.out_f; f += at.lanes) {
        const std::int64_t to = (t.block() * s.out_f + f) * s.channels + at.channel;
        // ReLU: a window without a positive value keeps 0 at its first position.
        float best = 0;
        int where = 0;
        const auto take = [&](int p, float sum) {
          if (is_larger(sum, best)) {
            best = sum;
            where = p;
          }
        };
        const float* under = patch + f * s.pool_f();
        if constexpr (kT > 0) {  // what is under the window is read once
          constexpr int kRows = pT + kT - 1, kColumns = pF + kF - 1;
          float in[kRows * kColumns];
#pragma unroll
          for (int k = 0; k < kRows * kColumns; ++k) in[k] = under[k / kColumns * s.bands + k % kColumns];
#pragma unroll
          for (int p = 0; p < pT * pF; ++p)
            take(p, convolved(in + p / pF * kColumns + p % pF, kColumns, weight, at.channel));
        } else {
          for (int p = 0; p < s.pool_t() * s.pool_f(); ++p)
            take(p,
                 convolved(under + p / s.pool_f() * s.bands + p % s.pool_f(), s.bands, weight, at.channel));
        }
        y[to] = from_float<T>(best);
        argmax[to] = static_cast<std::uint8_t>(where);
      }
    }
  }

  // One position of the convolution; `weight` holds the channel's taps where their number is known.
  MELGRAD_DEVICE float convolved(const float* in, int pitch, const float* weight, int channel) const {
    const float* taps = kT ? weight : w + channel * s.taps();
    float sum = b[channel];
#pragma unroll
    for (int i = 0; i < s.kernel_t(); ++i) {
#pragma unroll
      for (int j = 0; j < s.kernel_f(); ++j) sum += taps[i * s.kernel_f() + j] * in[i * pitch + j];
    }
    return sum;
  }
};

// A block takes `rows` rows of the output of one example. A thread adds, for its channel, the gradient times
// the input under each tap of the winners of its windows; the bias counts as one more tap, over an input
// of 1. With the sizes known all taps are summed in one pass, else one pass each. Neighbouring threads look
// at different positions of the same window: rows in shared memory lie so far apart that no two of these are
// in one bank. part [blocks, channels, taps + 1].
template <typename T, int kT, int kF, int pT, int pF>
struct StemBackward {
  static constexpr int kThreads = kStemThreads;
  static constexpr int kAtOnce = kT ? kT * kF + 1 : 1;
  // Windows whose gradients a thread fetches before it adds them: memory is far.
  static constexpr int kTogether = 4, kNowhere = -1;
  StemShape<kT, kF, pT, pF> s;
  const float* x;
  const T* y;
  const std::uint8_t* argmax;
  const T* dy;
  int rows, blocks_of_example;
  float* part;

  std::int64_t shared_bytes() const {
    return shared_size<float>(s.frames_under(rows) * s.pitch()) + shared_size<float>(kThreads);
  }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    float* patch = t.template shared<float>(s.frames_under(rows) * s.pitch());
    float* lanes = t.template shared<float>(kThreads);
    const std::int64_t example = t.block() / blocks_of_example;
    const int first = static_cast<int>(t.block() % blocks_of_example) * rows;
    const int mine = s.out_t - first < rows ? s.out_t - first : rows;
    const float* from = x + (example * s.frames + first * s.pool_t()) * s.bands;
    fetch<8>(
        t, s.frames_under(mine) * s.bands, [from](int i) { return from[i]; },
        [&](int i, float v) { patch[i / s.bands * s.pitch() + i % s.bands] = v; });
    t.sync();
    const std::int64_t window0 = (example * s.out_t + first) * s.out_f;
    for (int c0 = 0; c0 < s.channels; c0 += t.count()) {
      const Place at(t.index(), c0, s.channels);
      for (int k0 = 0; k0 <= s.taps(); k0 += kAtOnce) {
        float sum[kAtOnce] = {};
        int row = 0, f = at.lane;
        for (int i = at.lane; at.active && i < mine * s.out_f; i += kTogether * at.lanes) {
          float g[kTogether];
          int where[kTogether];
#pragma unroll
          for (int q = 0; q < kTogether; ++q) {
            g[q] = 0;
            where[q] = kNowhere;
            if (i + q * at.lanes >= mine * s.out_f) continue;
            const std::int64_t window = (window0 + i + q * at.lanes) * s.channels + at.channel;
            g[q] = to_float(y[window]) > 0 ? to_float(dy[window]) : 0.0F;
            where[q] = argmax[window];
          }
#pragma unroll
          for (int q = 0; q < kTogether; ++q, f += at.lanes) {
            if (where[q] == kNowhere) continue;
            for (; f >= s.out_f; f -= s.out_f) ++row;
            const float* in = patch + (row * s.pool_t() + where[q] / s.pool_f()) * s.pitch() +
                              f * s.pool_f() + where[q] % s.pool_f();
#pragma unroll
            for (int j = 0; j < kAtOnce; ++j) sum[j] += g[q] * under(in, k0 + j);
          }
        }
        for (int j = 0; j < kAtOnce; ++j) {
          lanes[t.index()] = sum[j];
          t.sync();
          if (at.active && at.lane == 0) {
            for (int lane = 1; lane < at.lanes; ++lane) sum[j] += lanes[lane * at.width + t.index()];
            part[(t.block() * s.channels + at.channel) * (s.taps() + 1) + k0 + j] = sum[j];
          }
          t.sync();
        }
      }
    }
  }

  MELGRAD_DEVICE float under(const float* in, int tap) const {
    return tap < s.taps() ? in[tap / s.kernel_f() * s.pitch() + tap % s.kernel_f()] : 1.0F;
  }
};

// Column channel * (taps + 1) + tap of the parts goes to dw, the last tap to db.
struct StoreStemGradient {
  float *dw, *db;
  std::int64_t taps;
  bool add_w, add_b;
  MELGRAD_DEVICE void operator()(std::int64_t /*piece*/, std::int64_t column, double total) const {
    const std::int64_t channel = column / (taps + 1), tap = column % (taps + 1);
    float* to = tap < taps ? dw + channel * taps + tap : db + channel;
    *to = static_cast<float>(total) + ((tap < taps ? add_w : add_b) ? *to : 0.0F);
  }
};

bool has_shipped_sizes(Tensor w, const Pool2d& pool) {
  return w.dim(1) == 3 && w.dim(2) == 3 && pool.frames == 4 && pool.bands == 2;
}

template <typename T, int kT, int kF, int pT, int pF>
void launch_forward(Stream stream, Tensor x, Tensor w, Tensor b, const Pool2d& pool, Tensor y,
                    Tensor argmax) {
  const StemShape<kT, kF, pT, pF> shape(x, w, pool, y);
  launch(stream, y.dim(0) * y.dim(1),
         StemForward<T, kT, kF, pT, pF>{shape, x.f32(), w.f32(), b.f32(), elements<T>(y), argmax.u8()});
}

// How the backward pass divides an example: rows of the output per block, enough to fill the GPU with blocks
// and the sums with work, within 32 KB of input, and blocks.
struct Division {
  int rows, blocks;
  Division(Tensor x, Tensor w, const Pool2d& pool, Tensor y) : rows(8) {
    const StemShape<0, 0, 0, 0> s(x, w, pool, y);
    while (rows > 1 && s.frames_under(rows) * s.pitch() > 8192) --rows;
    blocks = (s.out_t + rows - 1) / rows;
  }
};

template <typename T, int kT, int kF, int pT, int pF>
void launch_backward(Stream stream, Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool,
                     Tensor dw, const Division& division, Tensor part) {
  const StemShape<kT, kF, pT, pF> shape(x, dw, pool, y);
  launch(stream, part.dim(0),
         StemBackward<T, kT, kF, pT, pF>{shape, x.f32(), elements<T>(y), argmax.u8(), elements<T>(dy),
                                         division.rows, division.blocks, part.f32()});
}

}  // namespace

void CudaOps::stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) {
  with_type_of(y, [&](auto type) {
    using T = decltype(type);
    const auto call =
        has_shipped_sizes(w, pool) ? launch_forward<T, 3, 3, 4, 2> : launch_forward<T, 0, 0, 0, 0>;
    call(stream_, x, w, b, pool, y, argmax);
  });
}

void CudaOps::stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Grad dw,
                                   Grad db) {
  workspace_.restart();
  const Division division(x, dw.tensor, pool, y);
  const std::int64_t columns = dw.tensor.numel() + db.tensor.numel();
  const Tensor part = scratch({x.dim(0) * division.blocks, columns});
  with_type_of(y, [&](auto type) {
    using T = decltype(type);
    const auto call =
        has_shipped_sizes(dw.tensor, pool) ? launch_backward<T, 3, 3, 4, 2> : launch_backward<T, 0, 0, 0, 0>;
    call(stream_, x, y, argmax, dy, pool, dw.tensor, division, part);
  });
  auto* pieces = static_cast<double*>(scratch({column_pieces(part.dim(0)), columns, 2}).data);
  launch_column_sums(stream_, part.f32(), part.dim(0), columns, pieces,
                     StoreStemGradient{dw.tensor.f32(), db.tensor.f32(), dw.tensor.dim(1) * dw.tensor.dim(2),
                                       dw.write == Write::accumulate, db.write == Write::accumulate});
}

}  // namespace melgrad
