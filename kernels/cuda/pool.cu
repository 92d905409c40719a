// Max pooling, channels last: one thread per element, the channel runs fastest, so that a warp reads and
// writes whole lines. The backward pass asks for every element of dx which window it lies in and whether it
// won there: windows do not overlap, so nothing is added up and no order can matter.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"

namespace melgrad {
namespace {

// Extents in 32 bits: division by them is on every thread's path.
struct PoolShape {
  std::uint32_t frames, bands, out_t, out_f, channels, pool_t, pool_f;

  PoolShape(const Shape& x, const Pool2d& pool)
      : frames(narrow(x[1])),
        bands(narrow(x[2])),
        out_t(narrow(x[1] / pool.frames)),
        out_f(narrow(x[2] / pool.bands)),
        channels(narrow(x[3])),
        pool_t(narrow(pool.frames)),
        pool_f(narrow(pool.bands)) {
    require(x.numel() < std::int64_t{1} << 32, "max_pool: {} has 2^32 elements or more", x.str());
  }
  static std::uint32_t narrow(std::int64_t n) { return static_cast<std::uint32_t>(n); }
};

template <typename T>
struct MaxPoolForward {
  static constexpr int kThreads = 256;
  PoolShape s;
  const T* x;
  T* y;
  std::uint8_t* argmax;
  std::int64_t n;  // of y

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      auto rest = static_cast<std::uint32_t>(i);
      const std::uint32_t c = rest % s.channels, f = (rest /= s.channels) % s.out_f;
      const std::uint32_t row = (rest /= s.out_f) % s.out_t, example = rest / s.out_t;
      const T* in =
          x +
          ((static_cast<std::int64_t>(example) * s.frames + row * s.pool_t) * s.bands + f * s.pool_f) *
              s.channels +
          c;
      float best = to_float(*in);
      std::uint32_t where = 0;
      for (std::uint32_t k = 1; k < s.pool_t * s.pool_f; ++k) {
        const std::uint32_t down = k / s.pool_f, right = k % s.pool_f;
        const float v = to_float(in[(static_cast<std::int64_t>(down) * s.bands + right) * s.channels]);
        if (v > best) {
          best = v;
          where = k;
        }
      }
      y[i] = from_float<T>(best);
      argmax[i] = static_cast<std::uint8_t>(where);
    }
  }
};

template <typename T>
struct MaxPoolBackward {
  PoolShape s;
  const T* dy;
  const std::uint8_t* argmax;

  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    auto rest = static_cast<std::uint32_t>(i);
    const std::uint32_t c = rest % s.channels, f = (rest /= s.channels) % s.bands;
    const std::uint32_t row = (rest /= s.bands) % s.frames, example = rest / s.frames;
    const std::uint32_t out_row = row / s.pool_t, out_f = f / s.pool_f;
    if (out_row >= s.out_t || out_f >= s.out_f) return 0.0F;  // beyond the last whole window
    const std::int64_t from =
        ((static_cast<std::int64_t>(example) * s.out_t + out_row) * s.out_f + out_f) * s.channels + c;
    const std::uint32_t here = row % s.pool_t * s.pool_f + f % s.pool_f;
    return argmax[from] == here ? to_float(dy[from]) : 0.0F;
  }
};

}  // namespace

void CudaOps::max_pool_forward(Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) {
  with_type_of(x, [&](auto type) {
    using T = decltype(type);
    launch(stream_, blocks_for(y.numel(), 256),
           MaxPoolForward<T>{{x.shape, pool}, elements<T>(x), elements<T>(y), argmax.u8(), y.numel()});
  });
}

void CudaOps::max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Tensor dx, Write write) {
  with_type_of(dy, [&](auto type) {
    using T = decltype(type);
    launch_elements(stream_, elements<T>(dx), dx.numel(), write,
                    MaxPoolBackward<T>{{dx.shape, pool}, elements<T>(dy), argmax.u8()});
  });
}

}  // namespace melgrad
