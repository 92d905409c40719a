#include <cmath>

#include "kernels/devices/make_device.h"
#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

// ---- pick_batch
// ------------------------------------------------------------------------------------------------- Three
// tracks of different length in one feature table, batches of four; one is padded, one is padding alone.
constexpr Index kFrames = 10, kBatch = 4, kSteps = 4;
const std::vector<std::int32_t> kRows = {10, 14, 300}, kLabels = {7, 0, 9};
const std::vector<std::int64_t> kFirstRow = {1000, 0, 14};
const std::vector<std::int32_t> kOrder = {2, 1, 0, 2, 1, 2, 2, 1, 2, 1, ~2, ~1, ~1, ~2, ~0, ~1};

struct Picked {
  Array<std::int64_t> first{{kBatch}};
  Array<std::int32_t> labels{{kBatch}};
  Array<float> weights{{kBatch}};
};

template <typename T>
Array<T> array_of(const std::vector<T>& values, Shape shape) {
  Array<T> a(shape);
  a.v = values;
  return a;
}

struct PlanSettings {
  bool shared_start = false, skip_last_start = false;
  std::uint64_t seed = 1;
  bool weighted = false;  // by kClassWeights
};
const std::vector<float> kClassWeights = {0.5F, 9, 9, 9, 9, 9, 9, 1.25F, 9, 3};  // by label

// What the device picks at `step` of the epoch and `counter`; also checks guards and labels and weights.
class Picker {
 public:
  Picker(Device& device, const PlanSettings& settings) : device_(device), settings_(settings) {}

  Picked pick(std::int64_t step, std::int64_t counter) {
    Picked expected = labels_and_weights(step);
    Buffer first(device_, {kBatch}, DType::i64);
    first.fill_with_nan();
    Check c(device_, "pick_batch");
    const BatchPlan plan{c.input(array_of(kOrder, {kSteps, kBatch})),
                         c.input(array_of(kFirstRow, {3})),
                         c.input(array_of(kRows, {3})),
                         c.input(array_of(kLabels, {3})),
                         c.input(Array<std::int64_t>({1}, step)),
                         settings_.shared_start,
                         settings_.skip_last_start,
                         settings_.seed,
                         c.input(Array<std::int64_t>({1}, counter)),
                         settings_.weighted ? c.input(array_of(kClassWeights, {10})) : Tensor{}};
    const Tensor labels = c.output_exact(expected.labels), weights = c.output_exact(expected.weights);
    std::vector<std::vector<std::int64_t>> seen;
    c.run([&](Ops& ops) {
      ops.pick_batch(plan, kFrames, first.tensor(), labels, weights);
      expected.first = host_array<std::int64_t>(first);
      seen.push_back(expected.first.v);
    });
    for (const auto& again : seen) EXPECT_EQ(again, seen.front());
    return expected;
  }

  // Start of example n within its track.
  static Index start(const Picked& p, std::int64_t step, Index n) {
    return p.first[n] - kFirstRow[static_cast<std::size_t>(track(step, n))];
  }
  static Index track(std::int64_t step, Index n) {
    const std::int32_t k = kOrder[static_cast<std::size_t>(step * kBatch + n)];
    return k >= 0 ? k : ~k;
  }

 private:
  Picked labels_and_weights(std::int64_t step) const {
    Picked p;
    for (Index n = 0; n < kBatch; ++n) {
      const std::int32_t k = kOrder[static_cast<std::size_t>(step * kBatch + n)];
      p.labels[n] = k >= 0 ? kLabels[static_cast<std::size_t>(k)] : 0;
      const auto label = static_cast<std::size_t>(p.labels[n]);
      p.weights[n] = k < 0 ? 0.0F : settings_.weighted ? kClassWeights[label] : 1.0F;
    }
    return p;
  }

  Device& device_;
  PlanSettings settings_;
};

// Every possible start occurs, evenly, and no other.
void expect_uniform(const std::vector<Index>& starts, Index count) {
  std::vector<double> histogram(static_cast<std::size_t>(count));
  for (const Index s : starts) {
    ASSERT_GE(s, 0);
    ASSERT_LT(s, count);
    ++histogram[static_cast<std::size_t>(s)];
  }
  const double mean = static_cast<double>(starts.size()) / static_cast<double>(count);
  double chi2 = 0;
  for (const double h : histogram) chi2 += (h - mean) * (h - mean) / mean;
  const double freedom = static_cast<double>(count - 1);
  EXPECT_LE(chi2, freedom + 5 * std::sqrt(2 * freedom));
}

TEST_P(OpTest, pick_batch) {
  Picker picker(device(), {});
  std::vector<std::vector<Index>> starts(3);
  for (std::int64_t counter = 0; counter < 1500; ++counter) {
    const Picked p = picker.pick(counter % 2, counter);
    for (Index n = 0; n < kBatch; ++n)
      starts[static_cast<std::size_t>(Picker::track(counter % 2, n))].push_back(
          Picker::start(p, counter % 2, n));
  }
  for (std::size_t k = 0; k < 3; ++k) expect_uniform(starts[k], kRows[k] - kFrames + 1);
}

// Padding keeps its weight of 0; Picker compares the rest.
TEST_P(OpTest, pick_batch__class_weights) {
  Picker picker(device(), {.weighted = true});
  for (std::int64_t step = 0; step < kSteps; ++step) picker.pick(step, step);
}

// The draw is a pure function of seed, counter and example: the same on every device.
TEST_P(OpTest, pick_batch__same_on_every_device) {
  const auto cpu = make_device("cpu", {.threads = 1});
  Picker here(device(), {.seed = 3}), there(*cpu, {.seed = 3});
  for (std::int64_t counter = 0; counter < 100; ++counter)
    EXPECT_EQ(here.pick(0, counter).first.v, there.pick(0, counter).first.v);
}

TEST_P(OpTest, pick_batch__skip_last_start) {
  Picker picker(device(), {.skip_last_start = true});
  std::vector<Index> starts;
  for (std::int64_t counter = 0; counter < 400; ++counter) {
    const Picked p = picker.pick(0, counter);
    starts.push_back(Picker::start(p, 0, 1));
    EXPECT_EQ(Picker::start(p, 0, 2), 0) << "a track with one possible start keeps it";
  }
  expect_uniform(starts, kRows[1] - kFrames);
}

TEST_P(OpTest, pick_batch__shared_start) {
  Picker picker(device(), {.shared_start = true});
  std::vector<Index> starts;
  for (std::int64_t counter = 0; counter < 400; ++counter) {
    const Picked p = picker.pick(1, counter);  // the shortest track of this batch has 14 rows
    for (Index n = 0; n < kBatch; ++n) EXPECT_EQ(Picker::start(p, 1, n), Picker::start(p, 1, 0));
    starts.push_back(Picker::start(p, 1, 0));
  }
  expect_uniform(starts, kRows[1] - kFrames + 1);
}

TEST_P(OpTest, pick_batch__padding) {
  for (const bool shared : {false, true}) {
    Picker picker(device(), {.shared_start = shared});
    for (std::int64_t counter = 0; counter < 50; ++counter) {
      const Picked p = picker.pick(2, counter);
      EXPECT_EQ(p.first[2], p.first[0]);
      EXPECT_LE(Picker::start(p, 2, 3), kRows[1] - kFrames);
      EXPECT_GE(Picker::start(p, 2, 3), 0);
      const Picked alone = picker.pick(3, counter);
      EXPECT_EQ(alone.first[3], alone.first[0]);
      EXPECT_EQ(Picker::start(alone, 3, 2), 0);
    }
  }
}

// The long track occurs twice in the first batch: 291 starts, so draws of different examples, counters or
// seeds are equal about once in 291 times.
TEST_P(OpTest, pick_batch__draws_differ) {
  Picker one(device(), {.seed = 1}), two(device(), {.seed = 2});
  int examples = 0, counters = 0, seeds = 0;
  Index last = -1;
  for (std::int64_t counter = 0; counter < 291; ++counter) {
    const Picked a = one.pick(0, counter), b = two.pick(0, counter);
    examples += a.first[0] == a.first[3] ? 1 : 0;
    counters += a.first[0] == last ? 1 : 0;
    seeds += a.first[0] == b.first[0] ? 1 : 0;
    last = a.first[0];
  }
  for (const int equal : {examples, counters, seeds}) EXPECT_LE(equal, 6);  // mean 1, sigma 1
}

// ---- gather_segments
TEST_P(OpTest, gather_segments) {
  for (const Index bands : {1, 3, 31, 64})
    for (const Index frames : {1, 33}) {
      const auto table_ = Random(1).array<float>({100, bands});
      const auto first_ = array_of<std::int64_t>({0, 100 - frames, 17, 17, 5}, {5});
      Check c = check("gather_segments");
      const Tensor table = c.input(table_), first = c.input(first_);
      const Tensor x = c.output_exact(reference::gather_segments(table_, first_, frames));
      c.run([&](Ops& ops) { ops.gather_segments(table, first, x); });
    }
}

TEST_P(OpTest, gather_labels) {
  for (const Index tags : {1, 3, 50}) {
    const auto table_ = Random(1).array<float>({31, tags}, 0, 1);
    const auto track_ = array_of<std::int32_t>({30, 0, 17, 17}, {4});
    Array<float> expected({4, tags});
    for (Index i = 0; i < expected.size(); ++i) expected[i] = table_(track_[i / tags], i % tags);
    Check c = check("gather_labels");
    const Tensor table = c.input(table_), track = c.input(track_), targets = c.output_exact(expected);
    c.run([&](Ops& ops) { ops.gather_labels(table, track, targets); });
  }
}

TEST_P(OpTest, beside_mean) {
  for (const Shape& shape :
       {Shape{1, 1, 1, 1}, Shape{3, 31, 33, 1}, Shape{2, 257, 5, 1}, Shape{1, 9001, 2, 1}}) {
    const auto x = Random(1).array<float>(shape), mean = Random(2).array<float>({shape[0], shape[2]});
    Check c = check("beside_mean");
    const Tensor from = c.input(x), own = c.input(mean),
                 to = c.output(reference::beside_mean(x.as<double>(), mean.as<double>(), 1.5),
                               tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.beside_mean(from, own, 1.5F, to); });
  }
}

TEST_P(OpTest, standardise) {
  for (const Index bands : {1, 3, 31, 64})
    for (const Index frames : {1, 33, 257}) {
      const auto x_ = Random(1).array<float>({3, frames, bands, 1});
      const auto mean_ = Random(2).array<float>({bands}), scale_ = Random(3).array<float>({bands});
      Check c = check("standardise");
      const Tensor x = c.input(x_), mean = c.input(mean_), scale = c.input(scale_);
      const Tensor y = c.output_exact(reference::standardise(x_, mean_, scale_));
      c.run([&](Ops& ops) { ops.standardise(x, mean, scale, y); });
    }
}

// All half precision numbers: zeros of both signs, subnormals, infinities; NaN apart, below.
TEST_P(OpTest, gather_segments__half) {
  Array<std::uint16_t> table_({256, 256});
  Array<float> values({256, 256});
  for (Index i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const bool nan = (bits & 0x7C00) == 0x7C00 && (bits & 0x3FF) != 0;
    table_[i] = nan ? std::uint16_t{0} : bits;
    values[i] = reference::half_to_float(table_[i]);
  }
  const auto first_ = array_of<std::int64_t>({255, 128, 0}, {3});
  for (const Index frames : {1, 128}) {
    auto first = first_;
    if (frames > 1) first[0] = 1;
    Check c = check("gather_segments");
    const Tensor table = c.input(table_), from = c.input(first);
    const Tensor x = c.output_exact(reference::gather_segments(values, first, frames));
    c.run([&](Ops& ops) { ops.gather_segments(table, from, x); });
  }
}

TEST_P(OpTest, gather_segments__half_nan) {
  Array<std::uint16_t> table_({1, 2}, 0x7E01);
  table_[1] = 0xFE00;
  Buffer table(device(), {1, 2}, DType::f16), x(device(), {1, 1, 2, 1}, DType::f32);
  table.upload(bytes_of(table_));
  x.upload(bytes_of(Array<float>({1, 1, 2, 1})));
  Check c = check("gather_segments");
  const Tensor first = c.input(Array<std::int64_t>({1}, 0));
  c.run([&](Ops& ops) { ops.gather_segments(table.tensor(), first, x.tensor()); });
  const auto got = host_array<float>(x);
  EXPECT_TRUE(std::isnan(got[0]) && std::isnan(got[1]));
}

}  // namespace
}  // namespace melgrad
