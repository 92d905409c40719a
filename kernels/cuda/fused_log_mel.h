// Log-mel features in one pass over memory: PCM is read once, features are written once, all between stays in
// registers and shared memory. For frames of 256 to 4,096 samples, a power of two, under a window as long,
// without Kaldi's conditioning; log_mel.cu has the path for the rest.
//
// A block of 128 threads takes several neighbouring frames at once (16 of 256 samples, one of 4,096), whose
// samples it fetches together, and then the next group; twiddle factors stay in registers for all
// of them. The real transform is a complex one of half the size, taken apart afterwards as in
// kernels/cpu/fft.h.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/fft.h"
#include "kernels/math/half.h"
#include "kernels/math/mel_math.h"
#include "kernels/tensor.h"

namespace melgrad {

// Values of a tensor that is f32 or f16. The question which of them is the same for all threads.
struct FloatOrHalf {
  float* single = nullptr;
  std::uint16_t* half = nullptr;

  FloatOrHalf() = default;
  explicit FloatOrHalf(Tensor t) {
    if (t.dtype == DType::f16) {
      half = t.f16();
    } else {
      single = t.f32();
    }
  }
  MELGRAD_DEVICE float operator[](std::int64_t i) const {
    return half != nullptr ? half_to_float(half[i]) : single[i];
  }
  MELGRAD_DEVICE void put(std::int64_t i, float value) const {
    if (half != nullptr) {
      half[i] = float_to_half(value);
    } else {
      single[i] = value;
    }
  }
};

struct FusedLogMelArguments {
  FloatOrHalf pcm;
  std::int64_t samples, frames, first_sample;  // first_sample: where frame 0 begins
  int hop, bands;
  bool mirror, squared, filtered;
  const Complex* window;               // [n_fft / 2], pairs
  const Complex* roots;                // [n_fft] cos and sin of 2 pi k / n_fft
  const std::int32_t *first, *offset;  // filters: MelTables
  const float* weight;
  LogLaw law;
  FloatOrHalf out;  // [frames, bands]
  float* highest;   // [blocks] largest value of each block's frames, or null
};

// Half: samples of a frame / 2. EvenHop: a frame begins at an even place, so that two samples are one load.
template <int Half, bool EvenHop>
struct FusedLogMel {
  using Fft = SharedFft<Half>;
  static constexpr int kThreads = 128, kFrames = kThreads / Fft::kThreads, kBins = Half + 1;
  static constexpr int kResidentBlocks = 4;
  FusedLogMelArguments a;

  std::int64_t groups() const { return (a.frames + kFrames - 1) / kFrames; }
  std::int64_t shared_bytes() const {
    return shared_size<float>(group_samples()) + shared_size<Complex>(kFrames * Fft::kSize) +
           shared_size<float>(kFrames * kBins) + shared_size<float>(kFrames * a.bands) +
           shared_size<float>(kThreads);
  }
  MELGRAD_HD std::int64_t group_samples() const { return std::int64_t{kFrames - 1} * a.hop + 2 * Half; }

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    float* samples = t.template shared<float>(group_samples());
    Complex* spectra = t.template shared<Complex>(kFrames * Fft::kSize);
    float* powers = t.template shared<float>(kFrames * kBins);
    float* values = t.template shared<float>(kFrames * a.bands);
    float* largest = t.template shared<float>(kThreads);

    // Threads of a frame, and what each of them keeps.
    const int lane = t.index() % Fft::kThreads, mine = t.index() / Fft::kThreads;
    Complex* z = spectra + mine * Fft::kSize;
    float* power = powers + mine * kBins;
    Fft fft;
    fft.load(a.roots, 2, lane);

    float top = -3.402823466e38F;
    for (std::int64_t group = t.block(); group * kFrames < a.frames; group += t.blocks()) {
      const std::int64_t begin = a.first_sample + group * kFrames * a.hop;
      fetch_samples(t, begin, samples);
      t.sync();
      const float* frame = samples + mine * a.hop;
      fft.run(t, z, lane, [&](int i) { return windowed(frame, i); });
      t.sync();
      store_power(z, power, lane);
      t.sync();
      // Neighbouring threads take the same band of different frames: as many taps, and no two in one bank.
      const std::int64_t left = a.frames - group * kFrames;
      const int count = left < kFrames ? static_cast<int>(left) : kFrames;
      for (int i = t.index(); i < kFrames * a.bands; i += kThreads) {
        const int row = i % kFrames, band = i / kFrames;
        const float value = log_value(a.law, band_value(powers + row * kBins, band));
        values[row * a.bands + band] = value;
        if (row < count) top = Larger{}(value, top);
      }
      t.sync();
      const std::int64_t out = group * kFrames * a.bands;
      for (int i = t.index(); i < count * a.bands; i += kThreads) a.out.put(out + i, values[i]);
    }
    if (a.highest == nullptr) return;
    largest[t.index()] = top;
    t.sync();
    if (t.index() > 0) return;
    for (int i = 1; i < kThreads; ++i) top = Larger{}(largest[i], top);
    a.highest[t.block()] = top;
  }

 private:
  // Away from both ends of the clip nothing needs to be asked of a sample, and loads need not wait for each
  // other.
  template <typename Thread>
  MELGRAD_DEVICE void fetch_samples(Thread& t, std::int64_t begin, float* to) const {
    const int n = static_cast<int>(group_samples());
    const auto store = [to](int i, float x) { to[i] = x; };
    if (begin < 0 || begin + n > a.samples) {
      fetch<1>(
          t, n, [&](int i) { return sample(begin + i); }, store);
    } else if (a.pcm.half != nullptr) {
      const std::uint16_t* from = a.pcm.half + begin;
      fetch<8>(
          t, n, [from](int i) { return half_to_float(from[i]); }, store);
    } else {
      const float* from = a.pcm.single + begin;
      fetch<8>(
          t, n, [from](int i) { return from[i]; }, store);
    }
  }

  MELGRAD_DEVICE float sample(std::int64_t i) const {
    if (i >= 0 && i < a.samples) return a.pcm[i];
    return a.mirror ? a.pcm[mirrored(i, a.samples)] : 0.0F;
  }

  MELGRAD_DEVICE Complex windowed(const float* frame, int i) const {
    const Complex w = a.window[i];
    if constexpr (EvenHop) {
      const Complex x = reinterpret_cast<const Complex*>(frame)[i];
      return {x.re * w.re, x.im * w.im};
    } else {
      return {frame[2 * i] * w.re, frame[2 * i + 1] * w.im};
    }
  }

  // Bins k and Half - k together.
  MELGRAD_DEVICE void store_power(const Complex* z, float* power, int lane) const {
    if (lane == 0) {
      const Complex both = z[Fft::place(0)];
      power[0] = square_of({both.re + both.im, 0});
      power[Half] = square_of({both.re - both.im, 0});
      if (!a.squared) {
        power[0] = std::sqrt(power[0]);
        power[Half] = std::sqrt(power[Half]);
      }
    }
    const Complex *up = z + Fft::place(lane + 1), *down = z + Fft::place(Half - 1 - lane);
#pragma unroll
    for (int i = 0; i < Fft::kPerThread / 2; ++i) {
      const int k = lane + 1 + i * Fft::kThreads;
      const Complex p = up[i], q = down[-i];
      const Complex even = {0.5F * (p.re + q.re), 0.5F * (p.im - q.im)};
      const Complex odd = turned({0.5F * (p.im + q.im), 0.5F * (q.re - p.re)}, a.roots[k]);
      power[Half - k] = square_of(even - odd);
      power[k] = square_of(even + odd);  // of bin Half / 2 this one stays
    }
    if (a.squared) return;
#pragma unroll
    for (int i = 0; i < Fft::kPerThread / 2; ++i) {
      const int k = lane + 1 + i * Fft::kThreads;
      power[k] = std::sqrt(power[k]);
      if (2 * k != Half) power[Half - k] = std::sqrt(power[Half - k]);
    }
  }
  MELGRAD_DEVICE static float square_of(Complex x) { return x.re * x.re + x.im * x.im; }

  MELGRAD_DEVICE float band_value(const float* power, int band) const {
    if (!a.filtered) return power[band];
    const std::int32_t from = a.offset[band], taps = a.offset[band + 1] - from;
    power += a.first[band];
    float sum = 0;
    for (std::int32_t i = 0; i < taps; ++i) sum += a.weight[from + i] * power[i];
    return sum;
  }
};

}  // namespace melgrad
