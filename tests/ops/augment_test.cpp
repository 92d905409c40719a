#include "kernels/math/augment.h"

#include <cmath>
#include <set>

#include "tests/ops/distributions.h"
#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

// Changes alone and together; masks longer than the tensor.
std::vector<Augment> changes() {
  Augment all;
  all.gain_db = 6;
  all.shift = 0.5;
  all.equalise = 0.7;
  all.noise = 0.3;
  all.time_masks = 2;
  all.time_mask = 9;
  all.band_masks = 3;
  all.band_mask = 4;
  all.mask_value = -1.5;
  all.seed = 11;
  Augment gain, shift, equaliser, flat, noise, time, band, long_masks = all, other = all;
  equaliser.equalise = flat.equalise = 2;
  equaliser.equalise_knots = 5;
  flat.equalise_knots = 1;
  gain.gain_db = 12;
  shift.shift = 3;
  noise.noise = 0.1F;
  time.time_masks = 3;
  time.time_mask = 20;
  band.band_masks = 1;
  band.band_mask = 5;
  long_masks.time_mask = long_masks.band_mask = 1000;
  other.seed = ~0ULL;
  return {{}, gain, shift, equaliser, flat, noise, time, band, all, long_masks, other};
}

const std::vector<Shape> kInputs = {{1, 1, 1, 1},  {1, 3, 1, 1},    {3, 31, 33, 1},
                                    {2, 33, 5, 3}, {3, 257, 31, 1}, {2, 9001, 1, 1}};

TEST_P(OpTest, augment) {
  for (const Shape& shape : kInputs)
    for (Augment change : changes()) {
      const auto x = Random(1).array<float>(shape, 4.5, 5.5);
      const std::int64_t counter = shape[1] == 3 ? std::int64_t{1} << 40 : 5;
      const auto expected = reference::augment(x.as<double>(), change, counter);
      Check c = check("augment"), in_place = check("augment");
      const Tensor from = c.input(x), to = c.output(expected, tolerance::kAugment);
      change.counter = c.input(Array<std::int64_t>({1}, counter));
      c.run([&](Ops& ops) { ops.augment(from, change, to); });
      const Tensor both = in_place.state(x, expected, tolerance::kAugment);
      in_place.run([&](Ops& ops) { ops.augment(both, change, both); });
    }
}

// Masks that hold a value of their own in each band.
TEST_P(OpTest, augment__masks_by_band) {
  for (const Shape& shape : kInputs)
    for (Augment change : changes()) {
      const auto x = Random(1).array<float>(shape, 4.5, 5.5),
                 values = Random(2).array<float>({shape[2]}, 5, 9);
      auto host = values;
      change.mask_values = {host.v.data(), host.shape};
      const auto expected = reference::augment(x.as<double>(), change, 5);
      Check c = check("augment");
      const Tensor from = c.input(x), to = c.output(expected, tolerance::kAugment);
      change.counter = c.input(Array<std::int64_t>({1}, 5));
      change.mask_values = c.input(values);
      c.run([&](Ops& ops) { ops.augment(from, change, to); });
    }
}

// Nothing asked for, nothing changed.
TEST_P(OpTest, augment__off) {
  const auto x = Random(1).array<float>({3, 31, 33, 1});
  Check c = check("augment");
  Augment change;
  change.counter = c.input(Array<std::int64_t>({1}, 7));
  const Tensor from = c.input(x), to = c.output_exact(x);
  c.run([&](Ops& ops) { ops.augment(from, change, to); });
}

// What the device makes of a tensor that holds `value` everywhere.
Array<float> changed(Device& device, Augment change, std::int64_t counter, const Shape& shape, float value) {
  Buffer x(device, shape, DType::f32), step(device, {1}, DType::i64);
  x.upload(bytes_of(Array<float>(shape, value)));
  step.upload(bytes_of(Array<std::int64_t>({1}, counter)));
  change.counter = step.tensor();
  device.ops().augment(x.tensor(), change, x.tensor());
  step.download();  // looks at its guards
  return host_array<float>(x);
}

constexpr Index kMany = 2000;

TEST_P(OpTest, augment__gain_and_shift_are_uniform) {
  Augment gain, shift;
  gain.gain_db = 9;
  shift.shift = 0.25F;
  std::vector<double> decibels, added;
  for (const float v : changed(device(), gain, 3, {kMany, 1, 1, 1}, 1).v)
    decibels.push_back(20 * std::log10(static_cast<double>(v)) / 9);
  for (const float v : changed(device(), shift, 3, {kMany, 1, 1, 1}, 0).v)
    added.push_back(static_cast<double>(v) / 0.25);
  expect_uniform(decibels);
  expect_uniform(added);
  double product = 0;  // the two are drawn apart
  for (std::size_t i = 0; i < added.size(); ++i) product += 3 * decibels[i] * added[i] / kMany;
  EXPECT_NEAR(product, 0, 4 / std::sqrt(static_cast<double>(kMany)));
}

// One gain for all values of an example; another for another example, step or seed.
TEST_P(OpTest, augment__differs_by_example_step_and_seed) {
  Augment one, two;
  one.gain_db = two.gain_db = 6;
  two.seed = 1;
  std::set<float> gains;
  for (const Augment& change : {one, two})
    for (const std::int64_t counter : {0, 1, 2}) {
      const auto y = changed(device(), change, counter, {31, 3, 3, 1}, 1);
      for (Index n = 0; n < 31; ++n) {
        gains.insert(y[9 * n]);
        for (Index i = 1; i < 9; ++i) EXPECT_EQ(y[9 * n + i], y[9 * n]);
      }
    }
  EXPECT_GE(gains.size(), 2 * 3 * 31 - 1U);  // two of 186 draws of 24 bits may be the same
}

// Moments of the normal distribution, each within four sigma; neighbours, and the same place of another
// example, step or seed are uncorrelated.
TEST_P(OpTest, augment__noise_is_normal) {
  Augment change;
  change.noise = 1;
  const Shape shape{3, 257, 63, 1};  // an odd number of values to an example
  const auto z = changed(device(), change, 4, shape, 0);
  const double n = static_cast<double>(z.size());
  double moment[5] = {};
  for (const float v : z.v)
    for (int k = 1; k <= 4; ++k) moment[k] += std::pow(static_cast<double>(v), k) / n;
  EXPECT_NEAR(moment[1], 0, 4 / std::sqrt(n));
  EXPECT_NEAR(moment[2], 1, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(moment[3], 0, 4 * std::sqrt(15 / n));
  EXPECT_NEAR(moment[4], 3, 4 * std::sqrt(96 / n));

  Augment other = change;
  other.seed = 1;
  const auto of_seed = changed(device(), other, 4, shape, 0),
             of_step = changed(device(), change, 5, shape, 0);
  const auto correlation = [&](const Array<float>& b, Index lag) {
    double sum = 0;
    for (Index i = 0; i + lag < z.size(); ++i)
      sum += static_cast<double>(z[i]) * static_cast<double>(b[i + lag]);
    return sum / static_cast<double>(z.size() - lag);
  };
  const Index values = z.size() / 3;
  for (const Index lag : {Index{1}, Index{2}, Index{3}, Index{4}, values, values + 1})
    EXPECT_NEAR(correlation(z, lag), 0, 4 / std::sqrt(n - static_cast<double>(lag))) << lag;
  EXPECT_NEAR(correlation(of_seed, 0), 0, 4 / std::sqrt(n));
  EXPECT_NEAR(correlation(of_step, 0), 0, 4 / std::sqrt(n));
}

// The masked stretch along one axis of every example of `y`, where value and mask are 1 and 0: where it
// begins and how wide it is. It must be one piece and cover the other axis as a whole.
std::vector<std::pair<Index, Index>> stretches(const Array<float>& y, bool along_time) {
  std::vector<std::pair<Index, Index>> found;
  const Index frames = y.shape[1], bands = y.shape[2], extent = along_time ? frames : bands;
  for (Index n = 0; n < y.shape[0]; ++n) {
    Index first = extent, width = 0;
    for (Index i = 0; i < extent; ++i) {
      if (y[(n * frames + (along_time ? i : 0)) * bands + (along_time ? 0 : i)] != 0) continue;
      first = std::min(first, i);
      ++width;
    }
    for (Index t = 0; t < frames; ++t)
      for (Index f = 0; f < bands; ++f) {
        const Index i = along_time ? t : f;
        EXPECT_EQ(y(n, t, f, 0) == 0, first <= i && i < first + width) << n << " " << t << " " << f;
      }
    found.emplace_back(first, width);
  }
  return found;
}

// Widths are uniform over 0 ... min(longest, extent), and places over all that a width leaves.
void expect_masks(const std::vector<std::pair<Index, Index>>& found, Index longest, Index extent) {
  const Index widest = std::min(longest, extent);
  std::vector<double> widths(static_cast<std::size_t>(widest + 1));
  std::vector<std::vector<double>> places;
  for (Index w = 0; w <= widest; ++w) places.emplace_back(static_cast<std::size_t>(extent - w + 1));
  for (const auto& [first, width] : found) {
    ASSERT_LE(width, widest);
    ++widths[static_cast<std::size_t>(width)];
    if (width > 0) ++places[static_cast<std::size_t>(width)].at(static_cast<std::size_t>(first));
  }
  expect_even(widths);
  for (Index w = 1; w < widest; ++w) expect_even(places[static_cast<std::size_t>(w)]);
}

TEST_P(OpTest, augment__masks_are_uniform) {
  for (const Index longest : {5, 1000}) {
    Augment time, band;
    time.time_masks = band.band_masks = 1;
    time.time_mask = band.band_mask = longest;
    expect_masks(stretches(changed(device(), time, 8, {kMany, 13, 3, 1}, 1), true), longest, 13);
    expect_masks(stretches(changed(device(), band, 8, {kMany, 3, 13, 1}, 1), false), longest, 13);
  }
}

// ---- the random equaliser
// At its knots a curve is standard normal times its deviation, and between two knots it is straight.
TEST_P(OpTest, augment__equaliser_is_normal_and_straight) {
  Augment change;
  change.equalise = 3;
  change.equalise_knots = 4;
  const Index bands = 31;  // knots at 0, 10, 20, 30
  const auto y = changed(device(), change, 3, {kMany, 2, bands, 1}, 0);
  double squares = 0, product = 0;
  for (Index n = 0; n < kMany; ++n) {
    const auto at = [&](Index t, Index f) { return static_cast<double>(y(n, t, f, 0)); };
    squares += at(0, 10) * at(0, 10) / 9;
    product += at(0, 0) * at(0, 30) / 9;
    for (Index f = 0; f < bands; ++f) {
      const Index below = std::min<Index>(f / 10, 2) * 10;
      const double part = static_cast<double>(f - below) / 10;
      EXPECT_NEAR(at(0, f), (1 - part) * at(0, below) + part * at(0, below + 10), 1e-5);
      EXPECT_EQ(at(0, f), at(1, f));
    }
  }
  EXPECT_NEAR(squares / kMany, 1, 4 * std::sqrt(2.0 / kMany));
  EXPECT_NEAR(product / kMany, 0, 4 * std::sqrt(1.0 / kMany));
}

// ---- mix_examples
std::vector<Mixup> mixups() { return {{1, 1, {}}, {0.4F, 2, {}}, {0.1F, ~0ULL, {}}, {0.001F, 3, {}}}; }

TEST_P(OpTest, mix_examples) {
  for (const Index examples : {1, 2, 3, 31})
    for (const Index values : {1, 50, 257, 9001})
      for (Mixup mixup : mixups()) {
        if (examples * values > 30000) continue;
        const auto x_ = Random(1).array<float>({examples, values});
        Check c = check("mix_examples");
        const Tensor x = c.input(x_), y = c.output(reference::mix_examples(x_.as<double>(), mixup, 9),
                                                   tolerance::kElementwise);
        mixup.counter = c.input(Array<std::int64_t>({1}, 9));
        c.run([&](Ops& ops) { ops.mix_examples(x, mixup, y); });
      }
}

// lambda of every example, from a batch of ones and zeros in turn.
std::vector<double> lambdas(Device& device, Mixup mixup, std::int64_t counter, Index examples,
                            Index values = 1) {
  Array<float> content({examples, values});
  for (Index n = 0; n < examples; n += 2)
    for (Index i = 0; i < values; ++i) content(n, i) = 1;
  Buffer x(device, content.shape, DType::f32), y(device, content.shape, DType::f32),
      step(device, {1}, DType::i64);
  x.upload(bytes_of(content));
  y.fill_with_nan();
  step.upload(bytes_of(Array<std::int64_t>({1}, counter)));
  mixup.counter = step.tensor();
  device.ops().mix_examples(x.tensor(), mixup, y.tensor());
  const auto mixed = host_array<float>(y);
  std::vector<double> found;
  for (Index n = 0; n < examples; ++n) {
    const double v = static_cast<double>(mixed(n, values - 1));
    found.push_back(n % 2 == 0 ? v : 1 - v);
  }
  return found;
}

// Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)), fourth central moment 3 / (16 (2 a + 1) (2 a + 3)).
TEST_P(OpTest, mix_examples__lambda_is_beta_distributed) {
  for (const float alpha : {0.05F, 0.2F, 0.5F, 1.0F}) {
    const double a = static_cast<double>(alpha), n = 3 * kMany;
    double mean = 0, square = 0, quarter = 0;
    for (const std::int64_t counter : {1, 2, 3})
      for (const double lambda : lambdas(device(), {alpha, 5, {}}, counter, kMany)) {
        ASSERT_TRUE(lambda >= 0 && lambda <= 1);
        mean += lambda / n;
        square += (lambda - 0.5) * (lambda - 0.5) / n;
        quarter += lambda < 0.25 ? 1 / n : 0;
      }
    const double variance = 1 / (4 * (2 * a + 1)), fourth = 3 / (16 * (2 * a + 1) * (2 * a + 3));
    EXPECT_NEAR(mean, 0.5, 4 * std::sqrt(variance / n)) << alpha;
    EXPECT_NEAR(square, variance, 4 * std::sqrt((fourth - variance * variance) / n)) << alpha;
    // P(lambda < 1/4): uniform, and the arcsine law.
    const double below = a == 1 ? 0.25 : a == 0.5 ? 1.0 / 3 : quarter;
    EXPECT_NEAR(quarter, below, 4 * std::sqrt(below * (1 - below) / n)) << alpha;
  }
}

// The same for all tensors of a step; another for another example, step or seed.
TEST_P(OpTest, mix_examples__one_lambda_for_all_tensors_of_a_step) {
  const Mixup mixup{0.4F, 5, {}};
  const auto inputs = lambdas(device(), mixup, 1, 32, 257), targets = lambdas(device(), mixup, 1, 32, 3);
  EXPECT_EQ(inputs, targets);
  std::set<double> all(inputs.begin(), inputs.end());
  EXPECT_GE(all.size(), 30U);
  for (const auto& others : {lambdas(device(), mixup, 2, 32), lambdas(device(), {0.4F, 6, {}}, 1, 32)})
    for (std::size_t n = 0; n < 32; ++n) EXPECT_NE(others[n], inputs[n]) << n;
}

TEST_P(OpTest, mix_examples__refuses_what_it_cannot_draw) {
  for (const float alpha : {0.0F, -0.5F, 1.5F, NAN})
    EXPECT_THROW(lambdas(device(), {alpha, 1, {}}, 0, 2), Error);
}

}  // namespace
}  // namespace melgrad
