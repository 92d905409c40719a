// The specification of log-mel features: kernels/mel.h written down in double precision, one formula after
// the other, with a discrete Fourier transform straight from its definition. Slow and meant to be read. It
// shares nothing with the kernels but MelOptions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "kernels/math/half.h"
#include "kernels/mel.h"

namespace melgrad::reference {

using Matrix = std::vector<std::vector<double>>;  // [frames][bins or bands]

inline double mel_of_hz(double f, MelScale scale) {
  if (scale == MelScale::htk) return 1127.0 * std::log(1.0 + f / 700.0);
  return f < 1000.0 ? f / (200.0 / 3.0) : 15.0 + std::log(f / 1000.0) / (std::log(6.4) / 27.0);
}
inline double hz_of_mel(double m, MelScale scale) {
  if (scale == MelScale::htk) return 700.0 * (std::exp(m / 1127.0) - 1.0);
  return m < 15.0 ? m * (200.0 / 3.0) : 1000.0 * std::exp((m - 15.0) * (std::log(6.4) / 27.0));
}

// [n_mels][bins]
inline Matrix mel_filters(const MelOptions& o) {
  const int bins = o.n_fft / 2 + 1;
  const double low = mel_of_hz(o.fmin, o.mel_scale), high = mel_of_hz(o.fmax, o.mel_scale);
  Matrix filters(static_cast<std::size_t>(o.n_mels), std::vector<double>(static_cast<std::size_t>(bins)));
  for (int m = 0; m < o.n_mels; ++m) {
    double edge[3];  // lower end, peak, upper end
    for (int e = 0; e < 3; ++e) edge[e] = low + (high - low) * (m + e) / (o.n_mels + 1);
    const double area = (hz_of_mel(edge[2], o.mel_scale) - hz_of_mel(edge[0], o.mel_scale)) / 2.0;
    for (int k = 0; k < bins; ++k) {
      double x = static_cast<double>(k) * o.sample_rate / o.n_fft, e[3] = {edge[0], edge[1], edge[2]};
      if (o.triangles_in_mel) {
        x = mel_of_hz(x, o.mel_scale);
      } else {
        for (double& v : e) v = hz_of_mel(v, o.mel_scale);
      }
      const double height = x <= e[1] ? (x - e[0]) / (e[1] - e[0]) : (e[2] - x) / (e[2] - e[1]);
      filters[static_cast<std::size_t>(m)][static_cast<std::size_t>(k)] =
          std::max(0.0, height) / (o.mel_norm == MelNorm::area ? area : 1.0);
    }
  }
  return filters;
}

// [win_length]
inline std::vector<double> window(const MelOptions& o) {
  std::vector<double> w;
  for (int i = 0; i < o.win_length; ++i) {
    const double period = o.periodic_window ? o.win_length : std::max(1, o.win_length - 1);
    const double turn = 2.0 * std::numbers::pi * i / period;
    const double hann = o.win_length == 1 ? 1.0 : 0.5 * (1.0 - std::cos(turn));
    const double hamming = o.win_length == 1 ? 1.0 : 0.54 - 0.46 * std::cos(turn);
    switch (o.window) {
      case WindowKind::hann:
        w.push_back(hann);
        break;
      case WindowKind::hamming:
        w.push_back(hamming);
        break;
      case WindowKind::povey:
        w.push_back(std::pow(hann, 0.85));
        break;
      case WindowKind::rectangular:
        w.push_back(1.0);
        break;
    }
  }
  return w;
}

// The clip at sample `at`, which may lie outside: zeros, or mirrors at both ends, one bounce after another.
inline double sample(const std::vector<float>& pcm, std::int64_t at, Padding padding) {
  const std::int64_t last = static_cast<std::int64_t>(pcm.size()) - 1;
  if (padding != Padding::reflect) {
    return at < 0 || at > last ? 0.0 : static_cast<double>(pcm[static_cast<std::size_t>(at)]);
  }
  while (last > 0 && (at < 0 || at > last)) at = at < 0 ? -at : 2 * last - at;
  return static_cast<double>(pcm[static_cast<std::size_t>(last == 0 ? 0 : at)]);
}

// X[k] = sum_i x[i] exp(-2 pi i k / n) for real x: |X[k]|^2 for k = 0 ... n / 2
inline std::vector<double> power_spectrum(const std::vector<double>& x) {
  const std::size_t n = x.size();
  std::vector<double> cosine(n), sine(n), power;
  for (std::size_t i = 0; i < n; ++i) {
    cosine[i] = std::cos(2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n));
    sine[i] = std::sin(2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n));
  }
  for (std::size_t k = 0; k <= n / 2; ++k) {
    double re = 0, im = 0;
    for (std::size_t i = 0; i < n; ++i) {
      re += x[i] * cosine[i * k % n];
      im -= x[i] * sine[i * k % n];
    }
    power.push_back(re * re + im * im);
  }
  return power;
}

// Frame t of the clip, windowed: [n_fft]
inline std::vector<double> frame(const std::vector<float>& pcm, std::int64_t t, const MelOptions& o) {
  const std::int64_t centred = o.padding == Padding::none ? 0 : o.n_fft / 2;
  const std::int64_t offset = o.left_aligned_window ? 0 : (o.n_fft - o.win_length) / 2;
  const std::vector<double> w = window(o);
  std::vector<double> x(w.size()), result(static_cast<std::size_t>(o.n_fft));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t at = t * o.hop_length - centred + offset + static_cast<std::int64_t>(i);
    x[i] = o.input_scale * sample(pcm, at, o.padding);
  }
  double mean = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  if (o.remove_dc) {
    for (double& v : x) v -= mean;
  }
  for (std::size_t i = x.size(); i-- > 0;) x[i] -= o.pre_emphasis * x[i > 0 ? i - 1 : 0];
  for (std::size_t i = 0; i < x.size(); ++i) result[static_cast<std::size_t>(offset) + i] = x[i] * w[i];
  return result;
}

inline std::int64_t frame_count(std::int64_t samples, const MelOptions& o) {
  if (o.n_fft == 0) return samples;
  const std::int64_t pad = o.padding == Padding::none ? 0 : o.n_fft / 2;
  const std::int64_t length = pad == 0 && o.left_aligned_window ? o.win_length : o.n_fft;
  std::int64_t frames = 0;
  while (samples > 0 && frames * o.hop_length + length <= samples + 2 * pad) ++frames;
  return o.drop_last_frame ? std::max<std::int64_t>(0, frames - 1) : frames;
}

// The nearest half, at most the largest.
inline double half_of(double x) {
  return half_to_float_portable(float_to_half_portable(static_cast<float>(std::min(x, 65504.0))));
}

inline void apply_log(Matrix& v, const MelOptions& o) {
  double highest = -1e300;
  for (auto& row : v) {
    for (double& x : row) {
      switch (o.log) {
        case LogKind::none:
          break;
        case LogKind::ln1p:
          x = std::log(1.0 + o.log_multiplier * x);
          break;
        case LogKind::log10_1p:
          x = std::log10(1.0 + o.log_multiplier * x);
          break;
        case LogKind::log10_1p_half:
          x = std::log10(1.0 + o.log_multiplier * half_of(x));
          break;
        case LogKind::ln:
          x = std::log(std::max(x, o.log_floor));
          break;
        case LogKind::db:
          x = 10.0 * std::log10(std::max(x, o.log_floor));
          break;
        case LogKind::whisper:
          x = std::log10(std::max(x, o.log_floor));
          break;
      }
      highest = std::max(highest, x);
    }
  }
  for (auto& row : v) {
    for (double& x : row) {
      if (o.log == LogKind::db && o.top_db > 0) x = std::max(x, highest - o.top_db);
      if (o.log == LogKind::whisper) x = (std::max(x, highest - 8.0) + 4.0) / 4.0;
    }
  }
}

inline Matrix log_mel(const std::vector<float>& pcm, const MelOptions& o) {
  Matrix result;
  if (o.n_fft == 0) {
    for (const float x : pcm) result.push_back({o.input_scale * static_cast<double>(x)});
    return result;
  }
  const Matrix filters = mel_filters(o);
  for (std::int64_t t = 0; t < frame_count(static_cast<std::int64_t>(pcm.size()), o); ++t) {
    std::vector<double> spectrum = power_spectrum(frame(pcm, t, o));
    for (double& v : spectrum) v = o.power == 1 ? std::sqrt(v) : v;
    if (o.n_mels == 0) {
      result.push_back(spectrum);
      continue;
    }
    std::vector<double> bands;
    for (const auto& filter : filters) {
      double sum = 0;
      for (std::size_t k = 0; k < filter.size(); ++k) sum += filter[k] * spectrum[k];
      bands.push_back(sum);
    }
    result.push_back(bands);
  }
  apply_log(result, o);
  return result;
}

}  // namespace melgrad::reference
