#include "kernels/math/augment.h"
#include "tests/ops/distributions.h"
#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

// What the device makes of longer segments.
Array<float> resampled(Device& device, Resample change, std::int64_t counter, const Array<float>& from,
                       Index frames) {
  Buffer x(device, from.shape, DType::f32), step(device, {1}, DType::i64),
      y(device, {from.shape[0], frames, from.shape[2], 1}, DType::f32);
  x.upload(bytes_of(from));
  step.upload(bytes_of(Array<std::int64_t>({1}, counter)));
  y.fill_with_nan();
  change.counter = step.tensor();
  device.ops().resample(x.tensor(), change, y.tensor());
  return host_array<float>(y);
}

std::vector<Resample> resamplings() {
  Resample tempo, scale, shift, reverse, all;
  tempo.tempo = 0.25;
  scale.band_scale = 0.2;
  shift.band_shift = 3;
  reverse.reverse = 0.5;
  all.tempo = 1;
  all.band_scale = 0.1;
  all.band_shift = 50;  // beyond the ends
  all.reverse = 0.5;
  all.seed = 5;
  return {{}, tempo, scale, shift, reverse, all};
}

TEST_P(OpTest, resample) {
  for (const Index frames : {1, 2, 33})
    for (const Index bands : {1, 2, 31, 128})
      for (Resample change : resamplings()) {
        const Index longer = resampled_frames(frames, change.tempo) + (bands == 31 ? 7 : 0);
        const auto x = Random(1).array<float>({5, longer, bands, 1}, 0.5, 1.5);
        Check c = check("resample");
        const Tensor from = c.input(x);
        const Tensor to =
            c.output(reference::resample(x.as<double>(), change, 9, frames), tolerance::kAugment);
        change.counter = c.input(Array<std::int64_t>({1}, 9));
        c.run([&](Ops& ops) { ops.resample(from, change, to); });
      }
}

TEST_P(OpTest, resample__refuses_what_is_too_short) {
  Resample change;
  change.tempo = 0.5;
  EXPECT_THROW(resampled(device(), change, 0, Array<float>({1, 13, 3, 1}, 0.0F), 10), Error);
  EXPECT_NO_THROW(resampled(device(), change, 0, Array<float>({1, 15, 3, 1}, 0.0F), 10));
}

// Nothing asked for: the first frames, or from a place of its own where there are more, to the bit.
TEST_P(OpTest, resample__off) {
  const auto x = Random(1).array<float>({3, 20, 5, 1});
  EXPECT_EQ(resampled(device(), {}, 4, x, 20).v, x.v);
}

// A ramp over time shows speed, direction and start, one over the bands scale and shift: tempo and scale are
// log-uniform within their bounds, every second example runs backwards, starts and shifts are uniform.
TEST_P(OpTest, resample__draws_are_uniform) {
  constexpr Index kMany = 2000;
  const Index frames = 11, bands = 41;
  Resample in_time, in_bands;
  in_time.tempo = 0.5;
  in_time.reverse = 0.5;
  in_bands.band_scale = 0.25;
  in_bands.band_shift = 2;
  const Index longer = resampled_frames(frames, in_time.tempo) + 3;
  Array<float> frame({kMany, longer, 1, 1}), band({kMany, 1, bands, 1});
  for (Index n = 0; n < kMany; ++n) {
    for (Index t = 0; t < longer; ++t) frame(n, t, 0, 0) = static_cast<float>(t);
    for (Index f = 0; f < bands; ++f) band(n, 0, f, 0) = static_cast<float>(f);
  }
  const auto times = resampled(device(), in_time, 6, frame, frames),
             pitches = resampled(device(), in_bands, 6, band, 1);
  std::vector<double> speeds, starts, scales, shifts, directions(2);
  for (Index n = 0; n < kMany; ++n) {
    const auto at = [&](Index t) { return static_cast<double>(times(n, t, 0, 0)); };
    const double step = (at(10) - at(0)) / 10, room = static_cast<double>(longer - 1) - 10 * std::abs(step);
    ++directions[step > 0 ? 0 : 1];
    speeds.push_back(std::log(std::abs(step)) / std::log(1.5));
    starts.push_back(2 * std::min(at(0), at(10)) / room - 1);
    const auto pitch = [&](Index f) { return static_cast<double>(pitches(n, 0, f, 0)); };
    scales.push_back(std::log((pitch(30) - pitch(10)) / 20) / std::log(1.25));
    shifts.push_back((pitch(20) - 20) / 2);
  }
  for (const auto& drawn : {speeds, starts, scales, shifts}) expect_uniform(drawn);
  expect_even(directions);
}

}  // namespace
}  // namespace melgrad
