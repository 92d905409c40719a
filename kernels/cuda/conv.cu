// Convolution: the three passes by Libraries, biases by hand, because the strict f32 algorithms cannot fuse
// them. The gradient of an input of few channels is a matrix product and a sum by hand: cuDNN has nothing fit
// for it (bench/NOTES.md).
#include <algorithm>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"

namespace melgrad {
namespace {

// y += b of its channel. Indices divide in 32 bits, which takes a fraction of the time.
template <typename T, int kN>
struct AddChannelBias {
  static constexpr int kThreads = 256;
  const float* b;
  T* y;
  std::uint32_t channels;
  std::int64_t n;  // of threads' shares

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      const std::uint32_t c = static_cast<std::uint32_t>(i) % (channels / kN) * kN;
      auto& to = reinterpret_cast<Pack<T, kN>*>(y)[i];
      Pack<T, kN> sum = to;
#pragma unroll
      for (int k = 0; k < kN; ++k) sum.of[k] = from_float<T>(to_float(sum.of[k]) + b[c + k]);
      to = sum;
    }
  }
};

template <typename T, int kN>
void launch_channel_bias(Stream stream, Tensor b, Tensor y) {
  const std::int64_t n = y.numel() / kN;
  launch(stream, blocks_for(n, 256),
         AddChannelBias<T, kN>{b.f32(), elements<T>(y), static_cast<std::uint32_t>(b.numel()), n});
}

constexpr std::int64_t kFewChannels = 8, kProductBytes = std::int64_t{64} << 20;

// One axis of a convolution. Tap k of output o is input o stride + k - pad.
struct ConvAxis {
  std::int32_t in, out, taps, stride, pad;

  // The taps of input i are first, first + stride, ... below `end`; their outputs fall one by one from
  // `output`.
  struct Taps {
    std::int32_t first, end, output;
  };
  MELGRAD_DEVICE Taps taps_of(std::int32_t i) const {
    const std::int32_t place = i + pad, least = place - (out - 1) * stride;
    const std::int32_t first = least > 0 ? least : place % stride;
    return {first, place < taps ? place + 1 : taps, (place - first) / stride};
  }
};

// dx (+)= the sum over taps and outputs of their products, [kT, kF, C, rows], which are those of dy and w.
// Neighbouring threads take neighbouring bands, whose products lie side by side.
template <typename T>
struct SumOverTaps {
  static constexpr int kThreads = 256;
  const float* products;
  T* dx;  // [N, T, F, C]
  ConvAxis t, f;
  std::int32_t channels;
  std::int64_t rows;  // N T' F'
  std::int64_t n;     // of dx
  Write write;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& thread) const {
    for (std::int64_t i = thread.first(); i < n; i += thread.stride()) {
      auto rest = static_cast<std::uint32_t>(i);
      const auto band = static_cast<std::int32_t>(rest % static_cast<std::uint32_t>(f.in));
      rest /= static_cast<std::uint32_t>(f.in);
      const auto frame = static_cast<std::int32_t>(rest % static_cast<std::uint32_t>(t.in));
      rest /= static_cast<std::uint32_t>(t.in);
      const auto c = static_cast<std::int32_t>(rest % static_cast<std::uint32_t>(channels));
      const auto example = static_cast<std::int32_t>(rest / static_cast<std::uint32_t>(channels));

      const ConvAxis::Taps over_t = t.taps_of(frame), over_f = f.taps_of(band);
      const std::int64_t next_f = std::int64_t{f.stride} * channels * rows - 1;
      float sum = 0;
      std::int32_t from = over_t.output;
      for (std::int32_t k = over_t.first; k < over_t.end; k += t.stride, --from) {
        const float* at = products + (std::int64_t{k * f.taps + over_f.first} * channels + c) * rows +
                          (std::int64_t{example} * t.out + from) * f.out + over_f.output;
#pragma unroll 4
        for (std::int32_t j = over_f.first; j < over_f.end; j += f.stride, at += next_f) sum += *at;
      }
      T& to = dx[((std::int64_t{example} * t.in + frame) * f.in + band) * channels + c];
      to = from_float<T>(write == Write::accumulate ? to_float(to) + sum : sum);
    }
  }
};

}  // namespace

void CudaOps::conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Out y) {
  require(y.numel() < std::int64_t{1} << 32, "conv2d: {} has 2^32 elements or more", y.shape.str());
  workspace_.restart();
  libraries_->convolve(as_type(x, y.dtype), as_type(w, y.dtype), conv, y);
  with_type_of(y, [&](auto type) {
    using T = decltype(type);
    const auto call = in_packs({y}) ? launch_channel_bias<T, kWide> : launch_channel_bias<T, 1>;
    call(stream_, b, y);
  });
}

// Libraries overwrites, in the type of dy; a gradient that accumulates, or is of another type, goes through
// scratch memory.
void CudaOps::conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Grad dx) {
  workspace_.restart();
  if (dx.tensor.dim(3) <= kFewChannels) return backward_few_channels(dy, as_type(w, dy.dtype), conv, dx);
  const bool direct = dx.write == Write::overwrite && dx.tensor.dtype == dy.dtype;
  const Tensor to = direct ? dx.tensor : scratch(dx.tensor.shape, dy.dtype);
  libraries_->convolve_backward_input(dy, as_type(w, dy.dtype), conv, to);
  if (!direct) add(as_type(to, dx.tensor.dtype), dx);
}

// As many examples at once as have kProductBytes of products.
void CudaOps::backward_few_channels(Tensor dy, Tensor w, const Conv2d& conv, Grad gradient) {
  const Tensor dx = gradient.tensor;
  const std::int64_t examples = dx.dim(0), outputs = w.dim(0), taps = w.numel() / outputs;
  const auto axis = [&](int k, std::int64_t stride, std::int64_t pad) {
    return ConvAxis{static_cast<std::int32_t>(dx.dim(k)), static_cast<std::int32_t>(dy.dim(k)),
                    static_cast<std::int32_t>(w.dim(k)), static_cast<std::int32_t>(stride),
                    static_cast<std::int32_t>(pad)};
  };
  const ConvAxis t = axis(1, conv.stride_t, conv.pad_t), f = axis(2, conv.stride_f, conv.pad_f);
  const std::int64_t row_count = dy.dim(1) * dy.dim(2), in_count = dx.numel() / examples;
  require(in_count < std::int64_t{1} << 31, "conv2d: an example of {} has 2^31 elements or more",
          dx.shape.str());
  const std::int64_t at_once = std::clamp<std::int64_t>(
      kProductBytes / (row_count * taps * 4), 1, std::min(examples, (std::int64_t{1} << 31) / in_count));
  const Tensor products = scratch({taps, at_once * row_count});
  for (std::int64_t from = 0; from < examples; from += at_once) {
    const std::int64_t count = std::min(at_once, examples - from), rows = count * row_count,
                       n = count * in_count;
    const Tensor to = dx.span(from * in_count, n, {n});
    libraries_->gemm(w.reshape({outputs, taps}),
                     dy.span(from * row_count * outputs, rows * outputs, {rows, outputs}), {},
                     products.span(0, taps * rows, {taps, rows}), {.transpose_a = true, .transpose_b = true});
    with_type_of(to, [&](auto type) {
      using T = decltype(type);
      launch(stream_, blocks_for(n, 256),
             SumOverTaps<T>{products.f32(), elements<T>(to), t, f, static_cast<std::int32_t>(dx.dim(3)), rows,
                            n, gradient.write});
    });
  }
}

void CudaOps::conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Grad dw, Grad db) {
  workspace_.restart();
  const Tensor to = dw.write == Write::overwrite ? dw.tensor : scratch(dw.tensor.shape);
  libraries_->convolve_backward_weights(as_type(x, dy.dtype), dy, conv, to);
  if (dw.write == Write::accumulate) add(to, dw);
  column_sums(dy, db);
}

}  // namespace melgrad
