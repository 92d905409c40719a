#include <cmath>

#include "kernels/math/philox.h"
#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

struct Draw {
  float rate = 0.2F;
  std::uint64_t seed = 11;
  std::uint32_t stream = 3;
  std::int64_t counter = 5;
};

auto keep(const Draw& d) {
  return [d](Index i) {
    const auto block = static_cast<std::uint64_t>(i / 4);
    return uniform01(philox(d.seed, d.stream, static_cast<std::uint64_t>(d.counter), block).word[i % 4]) >=
           d.rate;
  };
}

Dropout dropout_of(const Draw& d, Tensor counter) { return {d.rate, d.seed, d.stream, counter}; }

// Published answers of the generator's authors (Random123, kat_vectors, philox4x32-10).
TEST(Philox, known_answers) {
  const Philox4 zeros = philox(0, 0, 0, 0);
  const std::uint32_t of_zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const Philox4 ones = philox(~0ULL, ~0U, ~0ULL, 0xFFFFFFFFULL);
  const std::uint32_t of_ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(zeros.word[i], of_zeros[i]);
    EXPECT_EQ(ones.word[i], of_ones[i]);
  }
}

const std::vector<Draw> kDraws = {
    {}, {0.0F, 1, 0, 0}, {0.5F, ~0ULL, ~0U, std::int64_t{1} << 40}, {0.9F, 2, 1, 1}};

TEST_P(OpTest, dropout_forward) {
  for (const Draw& draw : kDraws)
    for (const Index n : cases::lengths()) {
      Random random(1);
      const auto x = random.array<float>({n});
      Check c = check("dropout_forward");
      const Tensor from = c.input(x), counter = c.input(Array<std::int64_t>({1}, draw.counter));
      const auto expected = reference::dropout(x.as<double>(), static_cast<double>(draw.rate), keep(draw));
      const Tensor to = c.output(expected, tolerance::kElementwise);
      c.run([&](Ops& ops) { ops.dropout_forward(from, dropout_of(draw, counter), to); });
    }
}

TEST_P(OpTest, dropout_backward) {
  for (const Draw& draw : kDraws)
    for (const Index n : cases::lengths()) {
      Random random(2);
      const auto dy = random.array<float>({n});
      Check c = check("dropout_backward");
      const Tensor from = c.input(dy), counter = c.input(Array<std::int64_t>({1}, draw.counter));
      const auto expected = reference::dropout(dy.as<double>(), static_cast<double>(draw.rate), keep(draw));
      const Grad& to = c.gradient(expected, tolerance::kElementwise);
      c.run([&](Ops& ops) { ops.dropout_backward(from, dropout_of(draw, counter), to); });
    }
}

// What the device lets through of an array of ones: 0 or 1 per element.
std::vector<int> mask(Device& device, const Draw& draw, Index n) {
  Buffer x(device, {n}, DType::f32), y(device, {n}, DType::f32), counter(device, {1}, DType::i64);
  x.upload(bytes_of(Array<float>({n}, 1)));
  y.fill_with_nan();
  counter.upload(bytes_of(Array<std::int64_t>({1}, draw.counter)));
  device.ops().dropout_forward(x.tensor(), dropout_of(draw, counter.tensor()), y.tensor());
  std::vector<int> kept;
  for (const float e : host_array<float>(y).v) kept.push_back(e != 0 ? 1 : 0);
  return kept;
}

constexpr Index kMany = 200000;

double sigma_of_rate(double rate, Index n) { return std::sqrt(rate * (1 - rate) / static_cast<double>(n)); }

TEST(Dropout, keeps_the_rate_within_four_sigma) {
  for (const DeviceParam& p : device_params()) {
    const auto device = p.make();
    for (const float rate : {0.1F, 0.2F, 0.5F}) {
      double kept = 0;
      for (const int k : mask(*device, {rate, 1, 2, 3}, kMany)) kept += k;
      EXPECT_NEAR(kept / kMany, 1 - rate, 4 * sigma_of_rate(rate, kMany));
    }
  }
}

// Masks that differ in one coordinate, or the same mask moved by one element, agree as often as chance has
// it.
TEST(Dropout, draws_are_uncorrelated) {
  for (const DeviceParam& p : device_params()) {
    const auto device = p.make();
    const Draw base{0.5F, 100, 1, 7};
    const std::vector<int> a = mask(*device, base, kMany);
    std::vector<std::vector<int>> others = {mask(*device, {0.5F, 101, 1, 7}, kMany),
                                            mask(*device, {0.5F, 100, 2, 7}, kMany),
                                            mask(*device, {0.5F, 100, 1, 8}, kMany)};
    others.emplace_back(a.begin() + 1, a.end());
    others.emplace_back(a.begin() + 4, a.end());
    for (const std::vector<int>& b : others) {
      double same = 0;
      for (std::size_t i = 0; i < b.size(); ++i) same += a[i] == b[i] ? 1 : 0;
      const auto n = static_cast<Index>(b.size());
      EXPECT_NEAR(same / static_cast<double>(n), 0.5, 4 * sigma_of_rate(0.5, n));
    }
  }
}

}  // namespace
}  // namespace melgrad
