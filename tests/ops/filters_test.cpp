#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

struct Filters {
  Index filters, bins;
  float q, hz_per_bin;
};

// The last is Harmonic CNN's: six harmonics of 128 notes, n_fft 512 at 16 kHz.
const std::vector<Filters> kFilters = {
    {1, 1, 1, 31.25F}, {3, 31, 0.1F, 50}, {33, 3, 2, 100}, {31, 257, 8, 43.1F}, {768, 257, 1, 31.25F}};

TEST_P(OpTest, harmonic_filters_forward) {
  for (const Filters& f : kFilters) {
    const auto centres_ = Random(1).array<float>({f.filters}, 20, 8000);
    const Array<float> q_({1}, f.q);
    const auto expected = reference::harmonic_filters_forward(centres_.as<double>(), q_.as<double>(),
                                                              static_cast<double>(f.hz_per_bin), f.bins);
    Check c = check("harmonic_filters_forward");
    const Tensor centres = c.input(centres_), q = c.input(q_),
                 w = c.output(expected, tolerance::kElementwise);
    c.run([&](Ops& ops) { ops.harmonic_filters_forward(centres, q, f.hz_per_bin, w); });
  }
}

TEST_P(OpTest, harmonic_filters_backward) {
  for (const Filters& f : kFilters) {
    const auto centres_ = Random(1).array<float>({f.filters}, 20, 8000);
    const auto dw_ = Random(2).array<float>({f.filters, f.bins});
    const Array<float> q_({1}, f.q);
    const auto expected = reference::harmonic_filters_backward(
        centres_.as<double>(), q_.as<double>(), static_cast<double>(f.hz_per_bin), dw_.as<double>());
    Check c = check("harmonic_filters_backward");
    const Tensor centres = c.input(centres_), q = c.input(q_), dw = c.input(dw_);
    const Grad& dq = c.gradient(expected, tolerance::kReduction);
    c.run([&](Ops& ops) { ops.harmonic_filters_backward(centres, q, f.hz_per_bin, dw, dq); });
  }
}

}  // namespace
}  // namespace melgrad
