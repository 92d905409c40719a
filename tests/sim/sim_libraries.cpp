#include "tests/sim/sim_libraries.h"

#include <vector>

#include "kernels/cpu/fft.h"
#include "kernels/cuda/alignment.h"
#include "kernels/math/bf16.h"
#include "kernels/mel.h"

namespace melgrad {
namespace {

using Values = std::vector<double>;

Values read(Tensor t) {
  Values values;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    values.push_back(t.dtype == DType::bf16 ? to_float(Bf16{t.bf16()[i]}) : t.f32()[i]);
  }
  return values;
}

void write(Tensor t, const Values& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<float>(values[i]);
    if (t.dtype == DType::bf16) {
      t.bf16()[i] = from_float<Bf16>(value).bits;
    } else {
      t.f32()[i] = value;
    }
  }
}

std::size_t index4(const Shape& s, std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
  return static_cast<std::size_t>(((a * s[1] + b) * s[2] + c) * s[3] + d);
}

// A GPU would stop at any later time.
void require_alignment(std::initializer_list<const void*> tensors) {
  require(alignment_of(tensors) >= kConvAlignment,
          "convolution: a tensor begins beside a multiple of {} bytes", kConvAlignment);
}

// Calls visit(index into x, index into w, index into y) for every product of the convolution.
template <typename Visit>
void for_each_product(const Shape& x, const Shape& w, const Shape& y, const Conv2d& conv,
                      const Visit& visit) {
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t t = 0; t < y[1]; ++t)
      for (std::int64_t f = 0; f < y[2]; ++f)
        for (std::int64_t i = 0; i < w[1]; ++i)
          for (std::int64_t j = 0; j < w[2]; ++j) {
            const std::int64_t from_t = t * conv.stride_t + i - conv.pad_t,
                               from_f = f * conv.stride_f + j - conv.pad_f;
            if (from_t < 0 || from_t >= x[1] || from_f < 0 || from_f >= x[2]) continue;
            for (std::int64_t o = 0; o < w[0]; ++o)
              for (std::int64_t c = 0; c < w[3]; ++c)
                visit(index4(x, n, from_t, from_f, c), index4(w, o, i, j, c), index4(y, n, t, f, o));
          }
}

}  // namespace

void SimLibraries::gemm(Tensor a, Tensor b, Tensor bias, Tensor c, const Gemm& g) {
  const std::int64_t m = c.dim(0), n = c.dim(1), k = g.transpose_a ? a.dim(0) : a.dim(1);
  require(a.numel() == m * k && b.numel() == n * k && a.dtype == b.dtype, "gemm: {} times {} is not {}",
          a.shape.str(), b.shape.str(), c.shape.str());
  const Values left = read(a), right = read(b);
  Values out = g.beta != 0 ? read(c) : Values(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = bias ? bias.f32()[j] : 0.0F;
      for (std::int64_t p = 0; p < k; ++p) {
        sum += left[static_cast<std::size_t>(g.transpose_a ? p * m + i : i * k + p)] *
               right[static_cast<std::size_t>(g.transpose_b ? j * k + p : p * n + j)];
      }
      double& to = out[static_cast<std::size_t>(i * n + j)];
      to = sum + g.beta * to;
    }
  write(c, out);
}

void SimLibraries::convolve(Tensor x, Tensor w, const Conv2d& conv, Tensor y) {
  require_alignment({x.data, w.data, y.data});
  const Values in = read(x), weight = read(w);
  Values out(static_cast<std::size_t>(y.numel()));
  for_each_product(x.shape, w.shape, y.shape, conv,
                   [&](std::size_t i, std::size_t j, std::size_t k) { out[k] += in[i] * weight[j]; });
  write(y, out);
}

void SimLibraries::convolve_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx) {
  require_alignment({dy.data, w.data, dx.data});
  const Values in = read(dy), weight = read(w);
  Values out(static_cast<std::size_t>(dx.numel()));
  for_each_product(dx.shape, w.shape, dy.shape, conv,
                   [&](std::size_t i, std::size_t j, std::size_t k) { out[i] += in[k] * weight[j]; });
  write(dx, out);
}

void SimLibraries::convolve_backward_weights(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw) {
  require_alignment({x.data, dy.data, dw.data});
  const Values in = read(x), grad = read(dy);
  Values out(static_cast<std::size_t>(dw.numel()));
  for_each_product(x.shape, dw.shape, dy.shape, conv,
                   [&](std::size_t i, std::size_t j, std::size_t k) { out[j] += in[i] * grad[k]; });
  write(dw, out);
}

void SimLibraries::fft(Tensor x, Tensor spectrum) {
  const std::int64_t rows = x.dim(0), n = x.dim(1), bins = spectrum.dim(1);
  const RealFft plan(n, unit_roots(n));
  LaneBuffer buffer(static_cast<std::size_t>(plan.buffer_lanes()));
  for (std::int64_t first = 0; first < rows; first += kLanes) {
    const std::int64_t count = std::min(kLanes, rows - first);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t lane = 0; lane < kLanes; ++lane)
        buffer.data()[i][lane] = lane < count ? x.f32()[(first + lane) * n + i] : 0.0F;
    plan.forward(buffer.data());
    plan.for_each_bin(buffer.data(), [&](std::int64_t k, Lanes re, Lanes im) {
      for (std::int64_t lane = 0; lane < count; ++lane) {
        float* to = spectrum.f32() + ((first + lane) * bins + k) * 2;
        to[0] = re[lane];
        to[1] = im[lane];
      }
    });
  }
}

}  // namespace melgrad
