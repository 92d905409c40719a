// Optimizers over whole slabs, and the few scalars that make a step its own clock.
#include <cmath>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"
#include "kernels/math/optimizers.h"
#include "kernels/math/schedule.h"

namespace melgrad {
namespace {

constexpr std::int64_t kBlock = 16384;

}  // namespace

void CpuOps::sgd_update(InOut w, Tensor g, InOut v, Tensor rate, Tensor scale, float momentum, bool nesterov,
                        float l2) {
  float *pw = w.f32(), *pv = v.f32();
  const float *pg = g.f32(), lr = *rate.f32(), s = *scale.f32();
  if (s == 0) return;
  parallel_blocks(w.numel(), threads_, kBlock, [=](std::int64_t first, std::int64_t last) {
#pragma omp simd
    for (std::int64_t i = first; i < last; ++i)
      sgd_element(pw[i], s * pg[i], pv[i], lr, momentum, nesterov, l2);
  });
}

void CpuOps::adam_update(InOut w, Tensor g, InOut m, InOut v, Tensor rate, Tensor scale, Tensor counter,
                         float beta1, float beta2, float epsilon, float decay, float l2) {
  const auto t = static_cast<double>(*counter.i64() + 1);
  const AdamSettings settings{beta1,
                              beta2,
                              epsilon,
                              decay,
                              l2,
                              static_cast<float>(1 - std::pow(static_cast<double>(beta1), t)),
                              static_cast<float>(1 - std::pow(static_cast<double>(beta2), t))};
  float *pw = w.f32(), *pm = m.f32(), *pv = v.f32();
  const float *pg = g.f32(), lr = *rate.f32(), s = *scale.f32();
  if (s == 0) return;
  parallel_blocks(w.numel(), threads_, kBlock, [=](std::int64_t first, std::int64_t last) {
#pragma omp simd
    for (std::int64_t i = first; i < last; ++i) adam_element(pw[i], s * pg[i], pm[i], pv[i], lr, settings);
  });
}

void CpuOps::adadelta_update(InOut w, Tensor g, InOut a, InOut d, Tensor rate, Tensor scale, float rho,
                             float epsilon) {
  float *pw = w.f32(), *pa = a.f32(), *pd = d.f32();
  const float *pg = g.f32(), lr = *rate.f32(), s = *scale.f32();
  if (s == 0) return;
  parallel_blocks(w.numel(), threads_, kBlock, [=](std::int64_t first, std::int64_t last) {
#pragma omp simd
    for (std::int64_t i = first; i < last; ++i)
      adadelta_element(pw[i], s * pg[i], pa[i], pd[i], lr, rho, epsilon);
  });
}

void CpuOps::average(Tensor x, const Averaging& averaging, InOut mean) {
  const float share = average_share(averaging.decay, averaging.begin, *averaging.counter.i64());
  const float* from = x.f32();
  float* to = mean.f32();
  parallel_blocks(x.numel(), threads_, kBlock, [=](std::int64_t first, std::int64_t last) {
#pragma omp simd
    for (std::int64_t i = first; i < last; ++i) average_element(to[i], from[i], share);
  });
}

void CpuOps::gradient_norm(Tensor g, float max_norm, Out norm) {
  const float* p = g.f32();
  const double squares = blocked_sum(g.numel(), threads_, [p](std::int64_t first, std::int64_t last) {
    double s = 0;
    for (std::int64_t i = first; i < last; ++i) s += static_cast<double>(p[i]) * p[i];
    return s;
  });
  const double length = std::sqrt(squares);
  norm.f32()[0] = static_cast<float>(length);
  norm.f32()[1] = gradient_scale(length, max_norm);
}

void CpuOps::learning_rate(const Schedule& schedule, Tensor counter, Out rate) {
  *rate.f32() = static_cast<float>(learning_rate_at(schedule, *counter.i64()));
}

void CpuOps::advance(InOut counter, std::int64_t by) { *counter.i64() += by; }

void CpuOps::record(Tensor x, Tensor counter, std::int64_t column, InOut log) {
  log.f32()[*counter.i64() % log.dim(0) * log.dim(1) + column] = *x.f32();
}

}  // namespace melgrad
