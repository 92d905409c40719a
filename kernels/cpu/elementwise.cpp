#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"
#include "kernels/math/activations.h"
#include "kernels/math/philox.h"

namespace melgrad {
namespace {

constexpr std::int64_t kBlock = 16384;

// y[i] (+)= value(i) over a whole tensor.
template <typename Value>
void store(float* y, std::int64_t n, int threads, Write write, const Value& value) {
  parallel_blocks(n, threads, kBlock, [&](std::int64_t first, std::int64_t last) {
    if (write == Write::overwrite) {
#pragma omp simd
      for (std::int64_t i = first; i < last; ++i) y[i] = value(i);
    } else {
#pragma omp simd
      for (std::int64_t i = first; i < last; ++i) y[i] += value(i);
    }
  });
}

// y[i] (+)= kept(i) ? x[i] / (1 - rate) : 0. Four elements share one call of the generator.
void apply_dropout(const float* x, float* y, std::int64_t n, const Dropout& d, int threads, Write write) {
  const float scale = 1.0F / (1.0F - d.rate);
  const auto step = static_cast<std::uint64_t>(*d.counter.i64());
  parallel_blocks(n, threads, kBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; i += 4) {
      const Philox4 random = philox(d.seed, d.stream, step, static_cast<std::uint64_t>(i / 4));
      for (std::int64_t j = i; j < std::min(i + 4, last); ++j) {
        const float value = uniform01(random.word[j - i]) >= d.rate ? x[j] * scale : 0.0F;
        y[j] = write == Write::overwrite ? value : y[j] + value;
      }
    }
  });
}

}  // namespace

void CpuOps::fill(Out y, float value) {
  store(y.f32(), y.numel(), threads_, Write::overwrite, [=](std::int64_t) { return value; });
}

void CpuOps::add(Tensor x, Grad y) {
  store(y.tensor.f32(), y.tensor.numel(), threads_, y.write, [p = x.f32()](std::int64_t i) { return p[i]; });
}

void CpuOps::activation_forward(Tensor x, Activation f, Out y) {
  with_activation(f, [&](auto kind) {
    store(y.f32(), y.numel(), threads_, Write::overwrite,
          [p = x.f32()](std::int64_t i) { return activated<decltype(kind)::value>(p[i]); });
  });
}

void CpuOps::activation_backward(Tensor x, Tensor y, Tensor dy, Activation f, Grad dx) {
  with_activation(f, [&](auto kind) {
    store(dx.tensor.f32(), dx.tensor.numel(), threads_, dx.write,
          [in = x.f32(), out = y.f32(), g = dy.f32()](std::int64_t i) {
            return g[i] * slope<decltype(kind)::value>(in[i], out[i]);
          });
  });
}

void CpuOps::dropout_forward(Tensor x, const Dropout& dropout, Out y) {
  apply_dropout(x.f32(), y.f32(), x.numel(), dropout, threads_, Write::overwrite);
}

void CpuOps::dropout_backward(Tensor dy, const Dropout& dropout, Grad dx) {
  apply_dropout(dy.f32(), dx.tensor.f32(), dy.numel(), dropout, threads_, dx.write);
}

}  // namespace melgrad
