#include <bit>

#include "kernels/cuda/convert.h"
#include "kernels/cuda/launch.h"

namespace melgrad {
namespace {

// A bf16 is the upper half of an f32.
struct Widen {
  static constexpr int kThreads = 256;
  const std::uint16_t* from;
  float* to;
  std::int64_t n;
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16);
    }
  }
};

struct Narrow {
  static constexpr int kThreads = 256;
  const float* from;
  std::uint16_t* to;
  std::int64_t n;
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      const auto bits = std::bit_cast<std::uint32_t>(from[i]);
      const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
      // Half of the last place kept, less one where that place is even; a carry moves into the exponent.
      const std::uint32_t rounded = nan ? bits | 0x400000U : bits + 0x7FFFU + (bits >> 16 & 1U);
      to[i] = static_cast<std::uint16_t>(rounded >> 16);
    }
  }
};

}  // namespace

void convert(cudaStream_t stream, Tensor from, Tensor to) {
  const std::int64_t n = from.numel();
  require(to.numel() == n, "convert: {} to {}", from.shape.str(), to.shape.str());
  if (from.dtype == DType::bf16) {
    launch(stream, blocks_for(n, Widen::kThreads), Widen{from.bf16(), to.f32(), n});
  } else {
    launch(stream, blocks_for(n, Narrow::kThreads), Narrow{from.f32(), to.bf16(), n});
  }
}

}  // namespace melgrad
