// The lane FFT against the discrete Fourier transform in double, written out from its definition.
#include "kernels/cpu/fft.h"

#include <cmath>
#include <complex>
#include <gtest/gtest.h>
#include <numbers>
#include <random>
#include <vector>

#include "kernels/mel.h"

namespace melgrad {
namespace {

using Spectrum = std::vector<std::complex<double>>;

Spectrum dft(const Spectrum& x) {
  const std::size_t n = x.size();
  Spectrum roots(n), result(n);
  for (std::size_t k = 0; k < n; ++k) {
    roots[k] = std::polar(1.0, -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n));
  }
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t i = 0; i < n; ++i) result[k] += x[i] * roots[i * k % n];
  }
  return result;
}

std::complex<double> complex_at(const Lanes* z, std::int64_t i, int lane) {
  return {static_cast<double>(z[2 * i][lane]), static_cast<double>(z[2 * i + 1][lane])};
}

// Largest error of any bin relative to the root mean square bin: what float rounding scales with.
double relative_error(const Spectrum& got, const Spectrum& want) {
  double worst = 0, power = 0;
  for (std::size_t k = 0; k < got.size(); ++k) {
    worst = std::max(worst, std::abs(got[k] - want[k]));
    power += std::norm(want[k]);
  }
  return worst / std::sqrt(power / static_cast<double>(want.size()));
}

// Passes of an FFT add in a tree, so its error grows with log n; a prime factor p is summed in a row:
// sqrt(p).
double tolerance(std::int64_t n) {
  std::int64_t prime = 1, rest = n;
  for (std::int64_t p = 2; rest > 1; ++p) {
    for (; rest % p == 0; rest /= p) prime = p;
  }
  const double epsilon = std::numeric_limits<float>::epsilon();
  return epsilon * (1.0 + std::log2(static_cast<double>(n)) + std::sqrt(static_cast<double>(prime)));
}

std::vector<std::int64_t> sizes() {
  std::vector<std::int64_t> all;
  for (std::int64_t n = 1; n <= 64; ++n) all.push_back(n);
  for (std::int64_t n :
       {97, 101, 127, 200, 257, 331, 400, 480, 512, 625, 1009, 1024, 1201, 2048, 2187, 4096}) {
    all.push_back(n);
  }
  return all;
}

TEST(Fft, ComplexEqualsDft) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const std::int64_t n : sizes()) {
    const ComplexFft fft(n, unit_roots(n));
    LaneBuffer buffer(static_cast<std::size_t>(2 * n + fft.scratch_lanes()));
    Lanes* z = buffer.data();
    for (std::int64_t i = 0; i < 2 * n; ++i) {
      for (int lane = 0; lane < kLanes; ++lane) z[i][lane] = normal(random);
    }
    std::vector<Spectrum> want(kLanes), got(kLanes);
    for (int lane = 0; lane < kLanes; ++lane) {
      const auto l = static_cast<std::size_t>(lane);
      for (std::int64_t i = 0; i < n; ++i) want[l].push_back(complex_at(z, i, lane));
      if (lane == 0 || lane == kLanes - 1 || n <= 64) want[l] = dft(want[l]);
    }
    fft.forward(z, z + 2 * n);
    for (int lane = 0; lane < kLanes; ++lane) {
      if (lane != 0 && lane != kLanes - 1 && n > 64)
        continue;  // two lanes of the large sizes: the DFT is slow
      const auto l = static_cast<std::size_t>(lane);
      for (const std::int32_t at : fft.place) got[l].push_back(complex_at(z, at, lane));
      EXPECT_LE(relative_error(got[l], want[l]), tolerance(n)) << "n = " << n << ", lane " << lane;
    }
  }
}

TEST(Fft, RealEqualsDft) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (const std::int64_t n : sizes()) {
    const RealFft fft(n, unit_roots(n));
    LaneBuffer buffer(static_cast<std::size_t>(fft.buffer_lanes()));
    Lanes* x = buffer.data();
    Spectrum want;
    for (std::int64_t i = 0; i < n; ++i) {
      for (int lane = 0; lane < kLanes; ++lane) x[i][lane] = normal(random);
      want.push_back(static_cast<double>(x[i][5]));
    }
    want = dft(want);
    want.resize(static_cast<std::size_t>(fft.bins()));
    fft.forward(x);
    Spectrum got(want.size());
    std::vector<int> visits(want.size());
    fft.for_each_bin(x, [&](std::int64_t k, Lanes re, Lanes im) {
      got[static_cast<std::size_t>(k)] = {re[5], im[5]};
      ++visits[static_cast<std::size_t>(k)];
    });
    EXPECT_EQ(visits, std::vector<int>(want.size(), 1)) << "n = " << n;
    EXPECT_LE(relative_error(got, want), tolerance(n)) << "n = " << n;
  }
}

TEST(Fft, LanesDoNotMix) {
  const std::int64_t n = 400;
  const RealFft fft(n, unit_roots(n));
  LaneBuffer buffer(static_cast<std::size_t>(fft.buffer_lanes()));
  Lanes* x = buffer.data();
  for (std::int64_t i = 0; i < n; ++i) x[i][3] = std::numeric_limits<float>::quiet_NaN();
  x[0][2] = 1.0f;  // an impulse: every bin is exactly 1
  fft.forward(x);
  fft.for_each_bin(x, [&](std::int64_t, Lanes re, Lanes im) {
    EXPECT_EQ(re[2], 1.0f);
    EXPECT_EQ(im[2], 0.0f);
    EXPECT_EQ(re[1], 0.0f);
    EXPECT_TRUE(std::isnan(re[3]));
  });
}

TEST(Lanes, Transpose) {
  Lanes tile[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) tile[i][j] = static_cast<float>(10 * i + j);
  }
  transpose(tile);
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) EXPECT_EQ(tile[i][j], static_cast<float>(10 * j + i));
  }
}

// From the smallest normal float to the largest, and densely around 1 where the result goes through zero.
TEST(Lanes, LogWithinTwoUnits) {
  double worst = 0;
  const auto check = [&](float x) {
    const double want = std::log(static_cast<double>(x));
    const double unit =
        std::nextafter(std::abs(static_cast<float>(want)), 1e9f) - std::abs(static_cast<float>(want));
    worst = std::max(worst, std::abs(log(broadcast(x))[0] - want) / unit);
  };
  for (float x = std::numeric_limits<float>::min(); x < 3e38f; x *= 1.0007f) check(x);
  for (float x = 0.5f; x < 2.0f; x += 1e-5f) check(x);
  for (float x = 1.0f - 1e-3f; x < 1.001f; x = std::nextafter(x, 2.0f)) check(x);
  check(std::numeric_limits<float>::max());
  EXPECT_EQ(log(broadcast(1.0f))[0], 0.0f);
  RecordProperty("worst_units", std::to_string(worst));
  EXPECT_LE(worst, 2.0);
}

}  // namespace
}  // namespace melgrad
