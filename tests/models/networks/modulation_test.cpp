// The network of fixed filters over time and bands.
#include <cmath>
#include <gtest/gtest.h>

#include "kernels/devices/make_device.h"
#include "models/networks/networks.h"

namespace melgrad {
namespace {

// A ripple of one rate and scale is heard where the filter of both lies, and in its direction; neither
// another equalisation nor silence moves anything.
TEST(Modulation, HearsRatesAndScales) {
  constexpr std::int64_t kFrames = 256, kBands = 64;
  const auto device = make_device("cpu");
  ModelOptions options;
  options.architecture = "modulation";
  const auto model = make_model(options, {kFrames, kBands}, 2);
  model->params().allocate(*device);
  model->params().initialise(*device, 0);
  Arena arena(*device);
  Tape tape(*device, arena);
  const auto heard = [&](const auto& value) {
    tape.reset(false);
    const Tensor x = tape.take({1, kFrames, kBands, 1});
    std::vector<float> v;
    for (std::int64_t t = 0; t < kFrames; ++t)
      for (std::int64_t f = 0; f < kBands; ++f)
        v.push_back(static_cast<float>(value(static_cast<double>(t), static_cast<double>(f))));
    device->to_device(x, v.data());
    const Tensor y = tape.value({model->embedding(tape, x).index});
    std::vector<float> host(static_cast<std::size_t>(y.numel()));
    device->to_host(host.data(), y);
    return host;
  };
  constexpr std::size_t kPositions = 8, kScales = 9;
  for (const double silence : {0., 3.})
    for (const float y : heard([&](double, double f) { return silence * std::sin(f); }))
      EXPECT_NEAR(y, -20, 1e-2);
  for (std::size_t rate = 0; rate < 5; ++rate)
    for (std::size_t scale = 0; scale < kScales; ++scale) {
      const double r = 0.375 / std::exp2(rate), direction = scale % 2 == 0 ? -1 : 1;
      const double c = scale == 0 ? 0 : direction * std::exp2((scale - 1) / 2) / 32;
      const auto y =
          heard([&](double t, double f) { return std::cos(2 * std::acos(-1.) * (r * t + c * f)); });
      // In the middle of the bands, where no filter meets their end.
      std::size_t loudest = 0;
      const auto at = [&](std::size_t k) {
        return y[(k / kScales * kPositions + 4) * kScales + k % kScales];
      };
      for (std::size_t k = 0; k < 5 * kScales; ++k)
        if (at(k) > at(loudest)) loudest = k;
      EXPECT_EQ(loudest / kScales, rate) << scale;
      EXPECT_EQ(loudest % kScales, scale) << rate;
    }
}

}  // namespace
}  // namespace melgrad
