// One element of each activation function; the formulas stand at enum Activation in kernels/ops.h.
#pragma once

#include <cmath>

#include "kernels/math/qualifier.h"
#include "kernels/ops.h"

namespace melgrad {

constexpr float kQuietestPower = 1e-10F, kQuietestDecibels = -100;

template <Activation kF>
MELGRAD_HD inline float activated(float x) {
  if constexpr (kF == Activation::relu) return x < 0 ? 0.0F : x;  // what is no number stays none
  if constexpr (kF == Activation::elu) return x > 0 ? x : std::expm1(x);
  if constexpr (kF == Activation::sigmoid) return 1 / (1 + std::exp(-x));
  if constexpr (kF == Activation::decibels)
    return x < kQuietestPower ? kQuietestDecibels : 10 * std::log10(x);  // as above
}

// f'(x), from x and y = f(x). What it does not use of them the compiler does not load.
template <Activation kF>
MELGRAD_HD inline float slope([[maybe_unused]] float x, float y) {
  if constexpr (kF == Activation::relu) return y > 0 ? 1.0F : 0.0F;
  if constexpr (kF == Activation::elu) return y > 0 ? 1.0F : y + 1;
  if constexpr (kF == Activation::sigmoid) return y * (1 - y);
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
  }
}

}  // namespace melgrad
