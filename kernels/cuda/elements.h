// Element-wise kernels: y[i] (+)= value(i), where `value` is a small struct with float operator()(i).
// Neighbouring threads take neighbouring elements, and each thread several at once, so that their loads are
// under way together. Activations are float or Bf16.
#pragma once

#include "kernels/cuda/alignment.h"
#include "kernels/cuda/launch.h"
#include "kernels/math/bf16.h"
#include "kernels/ops.h"

namespace melgrad {

template <typename T, typename Value>
struct Elements {
  static constexpr int kThreads = 256, kAtOnce = 4;
  T* y;
  std::int64_t n;
  bool accumulate;
  Value value;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    const std::int64_t step = t.blocks() * kThreads * kAtOnce;
    for (std::int64_t from = t.block() * kThreads * kAtOnce + t.index(); from < n; from += step) {
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        const std::int64_t i = from + k * kThreads;
        if (i >= n) continue;
        const float v = value(i);
        y[i] = from_float<T>(accumulate ? to_float(y[i]) + v : v);
      }
    }
  }
};

template <typename T, typename Value>
void launch_elements(Stream stream, T* y, std::int64_t n, Write write, const Value& value) {
  using Kernel = Elements<T, Value>;
  launch(stream, blocks_for(n, Kernel::kThreads * Kernel::kAtOnce),
         Kernel{y, n, write == Write::accumulate, value});
}

template <typename T>
struct Copy {
  const T* x;
  MELGRAD_DEVICE float operator()(std::int64_t i) const { return to_float(x[i]); }
};

// The tensor's elements as T, which is float or Bf16.
template <typename T>
T* elements(Tensor t) {
  if constexpr (std::is_same_v<T, float>) {
    return t.f32();
  } else {
    return reinterpret_cast<Bf16*>(t.bf16());
  }
}

// Neighbouring elements that move together.
template <typename T, int kN>
struct alignas(sizeof(T) * kN) Pack {
  T of[kN];
};
constexpr int kWide = 4;  // of a Pack, where channels and addresses allow it

// Whether each of these begins where a Pack of its elements may, and holds whole ones along its last axis.
inline bool in_packs(std::initializer_list<Tensor> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const Tensor& t) {
    return t.dim(t.shape.rank() - 1) % kWide == 0 && alignment_of({t.data}) >= kWide * size_of(t.dtype);
  });
}

// body(float{}) or body(Bf16{}), whichever the activation `t` holds.
template <typename Body>
void with_type_of(Tensor t, const Body& body) {
  if (t.dtype == DType::bf16) {
    body(Bf16{});
  } else {
    require(t.dtype == DType::f32, "an activation is f32 or bf16, not {}", name_of(t.dtype));
    body(float{});
  }
}

}  // namespace melgrad
