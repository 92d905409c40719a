// Half precision: what the processor's instructions do, against the specification.
#include "kernels/math/half.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace melgrad {
namespace {

TEST(Half, InstructionsEqualTheSpecificationOnEveryValue) {
  for (std::uint32_t h = 0; h < 65536; ++h) {
    const auto half = static_cast<std::uint16_t>(h);
    const float value = half_to_float(half), portable = half_to_float_portable(half);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(portable)) << h;
    if (!std::isnan(value)) {
      ASSERT_EQ(float_to_half(value), half);
    }
    // Around each value: the value itself, its neighbours, and the middles to both sides, where ties are.
    const float next = half_to_float_portable(static_cast<std::uint16_t>(half + 1));
    const float middle = value + (next - value) / 2;
    for (const float v : {value, std::nextafter(value, 1e30F), std::nextafter(value, -1e30F), middle,
                          std::nextafter(middle, 1e30F), std::nextafter(middle, -1e30F)}) {
      ASSERT_EQ(float_to_half(v), float_to_half_portable(v)) << h << " " << v;
    }
  }
  EXPECT_EQ(float_to_half_portable(65519.99F), 0x7BFF);
  EXPECT_EQ(float_to_half_portable(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half_portable(-0x1p-25F), 0x8000);            // a tie: to even, which is zero
  EXPECT_EQ(float_to_half_portable(0x1.8p-24F), 0x0002);           // a tie: to even, which is two
  EXPECT_EQ(float_to_half_portable(1.0F + 0x1p-11F), 0x3C00);      // a tie: to even, below
  EXPECT_EQ(float_to_half_portable(1.0F + 3 * 0x1p-11F), 0x3C02);  // a tie: to even, above
  std::vector<float> many(19, 1.5F), back(19);
  std::vector<std::uint16_t> bits(19);
  float_to_half(many.data(), bits.data(), 19);
  half_to_float(bits.data(), back.data(), 19);
  EXPECT_EQ(back, many);
}

}  // namespace
}  // namespace melgrad
