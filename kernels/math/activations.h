// One element of each activation function; the formulas stand at enum Activation in kernels/op_settings.h.
#pragma once

#include <cmath>

#include "kernels/math/exponentials.h"
#include "kernels/math/qualifier.h"
#include "kernels/ops.h"

namespace melgrad {

constexpr float kQuietestPower = 1e-10F, kQuietestDecibels = -100;

// 1 / (1 + exp(-x)), to all digits of small values too.
MELGRAD_HD inline float logistic(float x) {
  const float e = decay(std::fabs(x));
  return quotient(x < 0 ? e : 1.0F, 1 + e);
}

struct Normal {
  float below;  // Phi(x) = (1 + erf(x / sqrt(2))) / 2
  float bell;   // exp(-x^2 / 2)
};

// Phi(-a) for a >= 0 is the bell times a function of t = 1 / (1 + 0.34 a), which falls as t does: here t
// times a polynomial fitted to a relative error of 2.5e-8 for a in 0 ... 13.3, where the bell becomes 0. In
// float Phi is within 6 units in the last place from x = -5 on; further down the rounding of x^2 tells.
MELGRAD_HD inline Normal normal(float x) {
  const float a = std::fabs(x), bell = decay(0.5F * a * a), t = quotient(1, 1 + 0.34F * a);
  const float high = 0.205777378F + t * (-0.276413889F + t * (0.141149966F + t * -0.0264718591F));
  const float low = 0.114967554F + t * (0.116314142F + t * (-0.0470845147F + t * high));
  const float tail = bell * (t * (0.135618856F + t * (0.13614238F + t * low)));
  return {x < 0 ? tail : 1 - tail, bell};
}

template <Activation kF>
MELGRAD_HD inline float activated(float x) {
  if constexpr (kF == Activation::relu) return x < 0 ? 0.0F : x;  // what is no number stays none
  if constexpr (kF == Activation::elu) return x > 0 ? x : std::expm1(x);
  if constexpr (kF == Activation::sigmoid) return 1 / (1 + std::exp(-x));
  if constexpr (kF == Activation::decibels)
    return x < kQuietestPower ? kQuietestDecibels : 10 * std::log10(x);  // as above
  if constexpr (kF == Activation::tanh) return tanh_of(x);
  if constexpr (kF == Activation::gelu) return x * normal(x).below;
  if constexpr (kF == Activation::silu) return x * logistic(x);
}

// f'(x), from x and y = f(x). What it does not use of them the compiler does not load.
template <Activation kF>
MELGRAD_HD inline float slope([[maybe_unused]] float x, [[maybe_unused]] float y) {
  if constexpr (kF == Activation::relu) return y > 0 ? 1.0F : 0.0F;
  if constexpr (kF == Activation::elu) return y > 0 ? 1.0F : y + 1;
  if constexpr (kF == Activation::sigmoid) return y * (1 - y);
  if constexpr (kF == Activation::tanh) return 1 - y * y;
  if constexpr (kF == Activation::gelu) {
    constexpr float kRootOf2Pi = 2.50662827F;
    const Normal at_x = normal(x);
    return at_x.below + x * at_x.bell / kRootOf2Pi;
  }
  if constexpr (kF == Activation::silu) return logistic(x) + y * logistic(-x);
  if constexpr (kF == Activation::decibels) {
    constexpr double kTenOverLn10 = 4.342944819032518;
    // In double: the exponent would lose digits in float.
    return y > kQuietestDecibels
               ? static_cast<float>(kTenOverLn10 * std::pow(10.0, -0.1 * static_cast<double>(y)))
               : 0.0F;
  }
}

// body(constant) with the activation as a compile-time constant: body(std::integral_constant<Activation, f>).
template <typename Body>
void with_activation(Activation f, const Body& body) {
  switch (f) {
    case Activation::relu:
      return body(std::integral_constant<Activation, Activation::relu>{});
    case Activation::elu:
      return body(std::integral_constant<Activation, Activation::elu>{});
    case Activation::sigmoid:
      return body(std::integral_constant<Activation, Activation::sigmoid>{});
    case Activation::decibels:
      return body(std::integral_constant<Activation, Activation::decibels>{});
    case Activation::tanh:
      return body(std::integral_constant<Activation, Activation::tanh>{});
    case Activation::gelu:
      return body(std::integral_constant<Activation, Activation::gelu>{});
    case Activation::silu:
      return body(std::integral_constant<Activation, Activation::silu>{});
  }
}

}  // namespace melgrad
