// Window and filters of MelTables: everything in double, rounded once at the end.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/error.h"
#include "kernels/mel.h"

namespace melgrad {
namespace {

double hz_to_mel(double hz, MelScale scale) {
  if (scale == MelScale::htk) return 2595.0 * std::log10(1.0 + hz / 700.0);
  return hz < 1000.0 ? hz * 3.0 / 200.0 : 15.0 + 27.0 * std::log(hz / 1000.0) / std::log(6.4);
}

double mel_to_hz(double mel, MelScale scale) {
  if (scale == MelScale::htk) return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0);
  return mel < 15.0 ? mel * 200.0 / 3.0 : 1000.0 * std::exp((mel - 15.0) * std::log(6.4) / 27.0);
}

double window_at(std::int64_t i, const MelOptions& o) {
  const double period = o.periodic_window ? o.win_length : o.win_length - 1;
  if (o.win_length == 1) return 1.0;
  const double cosine = std::cos(2.0 * std::numbers::pi * static_cast<double>(i) / period);
  switch (o.window) {
    case WindowKind::hann:
      return 0.5 - 0.5 * cosine;
    case WindowKind::hamming:
      return 0.54 - 0.46 * cosine;
    case WindowKind::povey:
      return std::pow(0.5 - 0.5 * cosine, 0.85);
    case WindowKind::rectangular:
      return 1.0;
  }
  return 0.0;
}

// A triangle over `x`: 0 at `lower`, 1 at `centre`, 0 at `upper`.
double triangle(double x, double lower, double centre, double upper) {
  return std::max(0.0, std::min((x - lower) / (centre - lower), (upper - x) / (upper - centre)));
}

}  // namespace

std::vector<float> unit_roots(std::int64_t n) {
  std::vector<float> roots;
  for (std::int64_t k = 0; k < n; ++k) {
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    roots.push_back(static_cast<float>(std::cos(angle)));
    roots.push_back(static_cast<float>(std::sin(angle)));
  }
  return roots;
}

MelTables::MelTables(const MelOptions& mel_options) : options(mel_options) {
  validate(options);
  if (options.n_fft == 0) return;
  roots = unit_roots(options.n_fft);
  const MelOptions& o = options;

  window.assign(static_cast<std::size_t>(o.n_fft), 0.0f);
  for (std::int64_t i = 0; i < o.win_length; ++i) {
    window[static_cast<std::size_t>(window_first() + i)] = static_cast<float>(window_at(i, o));
  }

  filter_offset.push_back(0);
  const double low = hz_to_mel(o.fmin, o.mel_scale), high = hz_to_mel(o.fmax, o.mel_scale);
  // Edge e of the n_mels + 2 equally spaced in mel; filter m lies between edges m and m + 2.
  const auto edge_mel = [&](int e) { return low + (high - low) * e / (o.n_mels + 1); };
  const auto edge_hz = [&](int e) { return mel_to_hz(edge_mel(e), o.mel_scale); };
  const double hz_per_bin = static_cast<double>(o.sample_rate) / o.n_fft;
  for (int m = 0; m < o.n_mels; ++m) {
    const double lower = edge_hz(m), centre = edge_hz(m + 1), upper = edge_hz(m + 2);
    const double scale = o.mel_norm == MelNorm::area ? 2.0 / (upper - lower) : 1.0;
    const auto bins = static_cast<std::int32_t>(o.n_fft / 2 + 1);
    const auto first = std::clamp(static_cast<std::int32_t>(lower / hz_per_bin), 0, bins - 1);
    const auto last = std::clamp(static_cast<std::int32_t>(upper / hz_per_bin) + 1, 0, bins - 1);
    std::vector<float> weights;
    std::int32_t begin = first;
    for (std::int32_t k = first; k <= last; ++k) {
      const double hz = k * hz_per_bin;
      const double w = o.triangles_in_mel ? triangle(hz_to_mel(hz, o.mel_scale), edge_mel(m), edge_mel(m + 1),
                                                     edge_mel(m + 2))
                                          : triangle(hz, lower, centre, upper);
      if (weights.empty() && w == 0) begin = k + 1;  // not begun yet
      if (!weights.empty() || w > 0) weights.push_back(static_cast<float>(w * scale));
    }
    while (!weights.empty() && weights.back() == 0) weights.pop_back();
    filter_first.push_back(weights.empty() ? 0 : begin);  // empty: narrower than the bin spacing
    filter_weight.insert(filter_weight.end(), weights.begin(), weights.end());
    filter_offset.push_back(static_cast<std::int32_t>(filter_weight.size()));
  }
}

std::int64_t MelTables::empty_filters() const {
  std::int64_t empty = 0;
  for (std::size_t m = 0; m + 1 < filter_offset.size(); ++m)
    empty += filter_offset[m] == filter_offset[m + 1] ? 1 : 0;
  return empty;
}

std::string note_on_filters(const MelTables& tables) {
  const std::int64_t empty = tables.empty_filters();
  if (empty == 0) return "";
  return fmt::format("{} of {} mel filters are empty: fewer features.n_mels, or a larger features.n_fft",
                     empty, tables.options.n_mels);
}

std::int64_t MelTables::frames(std::int64_t samples) const {
  if (samples <= 0) return 0;
  const MelOptions& o = options;
  if (o.n_fft == 0) return samples;
  const std::int64_t frame = o.left_aligned_window ? o.win_length : o.n_fft;
  const std::int64_t room =
      o.padding == Padding::none ? samples - frame : samples + 2 * (o.n_fft / 2) - o.n_fft;
  const std::int64_t count = room < 0 ? 0 : 1 + room / o.hop_length;
  return o.drop_last_frame && count > 0 ? count - 1 : count;
}

}  // namespace melgrad
