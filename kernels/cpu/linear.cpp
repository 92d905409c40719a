// Fully connected layers: OpenBLAS for the products, which run on all threads by themselves; a loop of our
// own where they are no more than one reading of the rows.
#include <array>
#include <cblas.h>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {
namespace {

int as_int(std::int64_t n) {
  require(n <= 0x7fffffff, "linear: extent {} is too large for BLAS", n);
  return static_cast<int>(n);
}

// Always in the same order, whatever the row.
float dot(const float* a, const float* b, std::int64_t n) {
  constexpr int kSums = 4;  // as many as hide what an addition takes
  Lanes sums[kSums] = {};
  std::int64_t i = 0;
  for (; i + kSums * kLanes <= n; i += kSums * kLanes)
    for (int k = 0; k < kSums; ++k) sums[k] += load(a + i + k * kLanes) * load(b + i + k * kLanes);
  for (; i + kLanes <= n; i += kLanes) sums[0] += load(a + i) * load(b + i);
  const Lanes sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float out = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
  for (; i < n; ++i) out += a[i] * b[i];
  return out;
}

}  // namespace

void CpuOps::linear_forward(Tensor x, Tensor w, Tensor b, Out y) {
  const int m = as_int(x.dim(0)), in = as_int(x.dim(1)), out = as_int(w.dim(0));
  const float* bias = b.f32();
  if (out == 1) {
    parallel_for(m, threads_, 1024,
                 [&](std::int64_t i) { y.f32()[i] = bias[0] + dot(x.f32() + i * in, w.f32(), in); });
    return;
  }
  parallel_for(m, threads_, 1024, [&](std::int64_t i) { std::copy_n(bias, out, y.f32() + i * out); });
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, out, in, 1.0F, x.f32(), in, w.f32(), in, 1.0F,
              y.f32(), out);
}

void CpuOps::linear_backward_input(Tensor dy, Tensor w, Grad dx) {
  const int m = as_int(dy.dim(0)), out = as_int(dy.dim(1)), in = as_int(w.dim(1));
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, in, out, 1.0F, dy.f32(), out, w.f32(), in,
              dx.write == Write::accumulate ? 1.0F : 0.0F, dx.tensor.f32(), in);
}

void CpuOps::linear_backward_params(Tensor x, Tensor dy, Grad dw, Grad db) {
  const int m = as_int(x.dim(0)), in = as_int(x.dim(1)), out = as_int(dy.dim(1));
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, m, 1.0F, dy.f32(), out, x.f32(), in,
              dw.write == Write::accumulate ? 1.0F : 0.0F, dw.tensor.f32(), in);
  constexpr std::int64_t kColumns = 64;  // of one thread at a time
  parallel_blocks(out, threads_, kColumns, [&](std::int64_t first, std::int64_t last) {
    std::array<double, kColumns> sums{};
    double* sum = sums.data();
    for (std::int64_t i = 0; i < m; ++i) {
      const float* g = dy.f32() + i * out + first;
#pragma omp simd
      for (std::int64_t o = 0; o < last - first; ++o) sum[o] += static_cast<double>(g[o]);
    }
    for (std::int64_t o = first; o < last; ++o) {
      const auto total = static_cast<float>(sum[o - first]);
      db.tensor.f32()[o] = db.write == Write::accumulate ? db.tensor.f32()[o] + total : total;
    }
  });
}

}  // namespace melgrad
