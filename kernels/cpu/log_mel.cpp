#include "kernels/cpu/log_mel.h"

#include <algorithm>
#include <limits>
#include <omp.h>
#include <vector>

#include "kernels/cpu/fft.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"
#include "kernels/math/mel_math.h"

namespace melgrad {
namespace {

// What all threads share while one clip is processed.
struct Clip {
  const float* pcm;
  std::int64_t samples, frames, bands;
  const MelTables& mel;
  const RealFft& fft;
  const LogLaw& law;
  std::vector<float> scaled_window;  // window times input_scale, [win_length]
};

// One thread's working memory and the pipeline for a block of frames.
class Worker {
 public:
  explicit Worker(const Clip& clip)
      : clip_(clip),
        padded_(static_cast<std::size_t>(kLanes * clip.mel.options.n_fft)),
        time_(static_cast<std::size_t>(clip.fft.buffer_lanes())),
        spectrum_(static_cast<std::size_t>(clip.fft.bins())),
        bands_(static_cast<std::size_t>(clip.bands)) {}

  // Frames first ... first + kLanes - 1; those past the end are computed again from the last frame, not
  // stored. Returns the largest value stored.
  float block(std::int64_t first, float* out) {
    gather(first);
    clip_.fft.forward(time_.data());
    power_spectrum();
    const Lanes* rows = clip_.mel.options.n_mels > 0 ? filter() : spectrum_.data();
    const std::int64_t count = std::min(kLanes, clip_.frames - first);
    return scatter(rows, count, out + first * clip_.bands);
  }

 private:
  const float* frame(std::int64_t index, std::int64_t lane);
  void gather(std::int64_t first);
  void condition(Lanes* x, std::int64_t n);
  void power_spectrum();
  const Lanes* filter();
  float scatter(const Lanes* rows, std::int64_t count, float* out);
  Lanes to_log(Lanes x) const;

  const Clip& clip_;
  std::vector<float> padded_;  // [kLanes, n_fft] frames that reach beyond the clip
  LaneBuffer time_, spectrum_, bands_;
};

// The samples under the window of a frame: in place where the clip has them all, else a padded copy.
const float* Worker::frame(std::int64_t index, std::int64_t lane) {
  const MelOptions& o = clip_.mel.options;
  const std::int64_t begin = clip_.mel.first_sample() + index * o.hop_length + clip_.mel.window_first();
  if (begin >= 0 && begin + o.win_length <= clip_.samples) return clip_.pcm + begin;
  float* copy = padded_.data() + lane * o.n_fft;
  for (std::int64_t i = 0; i < o.win_length; ++i) {
    const std::int64_t at = begin + i;
    const bool inside = at >= 0 && at < clip_.samples;
    if (o.padding == Padding::reflect) {
      copy[i] = clip_.pcm[mirrored(at, clip_.samples)];
    } else {
      copy[i] = inside ? clip_.pcm[at] : 0.0f;
    }
  }
  return copy;
}

// Frames into lanes, kLanes samples of each at a time, windowed on the way.
void Worker::gather(std::int64_t first) {
  const MelOptions& o = clip_.mel.options;
  const float* from[kLanes];
  for (std::int64_t lane = 0; lane < kLanes; ++lane)
    from[lane] = frame(std::min(first + lane, clip_.frames - 1), lane);

  const float* window = clip_.scaled_window.data();
  const bool conditioned = o.remove_dc || o.pre_emphasis > 0;
  Lanes* x = time_.data() + clip_.mel.window_first();
  std::fill(time_.data(), x, Lanes{});
  std::fill(x + o.win_length, time_.data() + o.n_fft, Lanes{});
  std::int64_t i = 0;
  for (; i + kLanes <= o.win_length; i += kLanes) {
    Lanes tile[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) tile[lane] = load(from[lane] + i);
    if (!conditioned) {
      const Lanes w = load(window + i);
      for (Lanes& row : tile) row *= w;
    }
    transpose(tile);
    for (int j = 0; j < kLanes; ++j) x[i + j] = tile[j];
  }
  for (; i < o.win_length; ++i) {
    for (int lane = 0; lane < kLanes; ++lane)
      x[i][lane] = conditioned ? from[lane][i] : from[lane][i] * window[i];
  }
  if (conditioned) condition(x, o.win_length);
}

// DC removal, pre-emphasis, then the window, in place.
void Worker::condition(Lanes* x, std::int64_t n) {
  Lanes mean{};
  if (clip_.mel.options.remove_dc) {
    for (int correction = 0; correction < 2;
         ++correction) {  // the second sum removes the first one's rounding
      Lanes sum{};
      for (std::int64_t i = 0; i < n; ++i) sum += x[i] - mean;
      mean += sum / static_cast<float>(n);
    }
  }
  const float c = static_cast<float>(clip_.mel.options.pre_emphasis);
  Lanes previous = x[0] - mean;
  for (std::int64_t i = 0; i < n; ++i) {
    const Lanes centred = x[i] - mean;
    x[i] = (centred - c * previous) * clip_.scaled_window[static_cast<std::size_t>(i)];
    previous = centred;
  }
}

void Worker::power_spectrum() {
  Lanes* power = spectrum_.data();
  const auto squared = [=](std::int64_t k, Lanes re, Lanes im) { power[k] = re * re + im * im; };
  const auto magnitude = [=](std::int64_t k, Lanes re, Lanes im) { power[k] = sqrt(re * re + im * im); };
  if (clip_.mel.options.power == 2) {
    clip_.fft.for_each_bin(time_.data(), squared);
  } else {
    clip_.fft.for_each_bin(time_.data(), magnitude);
  }
}

const Lanes* Worker::filter() {
  const MelTables& mel = clip_.mel;
  for (std::int64_t m = 0; m < clip_.bands; ++m) {
    const auto at = static_cast<std::size_t>(m);
    const std::int32_t begin = mel.filter_offset[at], taps = mel.filter_offset[at + 1] - begin;
    const float* weight = mel.filter_weight.data() + begin;
    const Lanes* bin = spectrum_.data() + mel.filter_first[at];
    Lanes sum{};
    for (std::int32_t i = 0; i < taps; ++i) sum += weight[i] * bin[i];
    bands_.data()[m] = sum;
  }
  return bands_.data();
}

inline Lanes Worker::to_log(Lanes x) const {
  const LogLaw& law = clip_.law;
  if (law.identity) return x;
  if (law.half)
    for (int lane = 0; lane < kLanes; ++lane) x[lane] = rounded_to_half(x[lane]);
  const Lanes inside = max(law.multiplier * x + law.offset, law.floor);
  return law.scale * log(min(inside, std::numeric_limits<float>::max()));
}

// Log, then lanes back into frames: rows [bands] of kLanes frames -> out [count, bands].
float Worker::scatter(const Lanes* rows, std::int64_t count, float* out) {
  Lanes highest = Lanes{} - std::numeric_limits<float>::max();
  for (std::int64_t b = 0; b < clip_.bands; b += kLanes) {
    const std::int64_t width = std::min(kLanes, clip_.bands - b);
    Lanes tile[kLanes]{};
    for (std::int64_t j = 0; j < width; ++j) {
      tile[j] = to_log(rows[b + j]);
      highest = tile[j] > highest ? tile[j] : highest;
    }
    transpose(tile);
    for (std::int64_t lane = 0; lane < count; ++lane) {
      if (width == kLanes) {
        store(out + lane * clip_.bands + b, tile[lane]);
      } else {
        for (std::int64_t j = 0; j < width; ++j) out[lane * clip_.bands + b + j] = tile[lane][j];
      }
    }
  }
  // Lanes past the last frame repeat it, so they cannot exceed the true maximum.
  float result = highest[0];
  for (int lane = 1; lane < kLanes; ++lane) result = std::max(result, highest[lane]);
  return result;
}

// Second pass of the laws that look at the whole clip.
void limit_to_range(const LogLaw& law, float highest, float* out, std::int64_t count, int threads) {
  const float lowest = highest - law.range;
#pragma omp parallel for simd schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = limited_value(law, out[i], lowest);
  }
}

}  // namespace

void log_mel(const float* pcm, std::int64_t samples, const MelTables& mel, float* out, int threads) {
  const std::int64_t frames = mel.frames(samples), blocks = (frames + kLanes - 1) / kLanes;
  if (frames == 0) return;
  threads = static_cast<int>(std::clamp<std::int64_t>(threads, 1, blocks));
  if (mel.options.n_fft == 0) {
    const auto scale = static_cast<float>(mel.options.input_scale);
    parallel_blocks(samples, threads, 65536, [=](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) out[i] = scale * pcm[i];
    });
    return;
  }

  const RealFft fft(mel.options.n_fft, mel.roots);
  const LogLaw law = log_law(mel.options);
  Clip clip{pcm, samples, frames, mel.bands(), mel, fft, law, {}};
  for (std::int64_t i = 0; i < mel.options.win_length; ++i) {
    const float w = mel.window[static_cast<std::size_t>(mel.window_first() + i)];
    clip.scaled_window.push_back(w * static_cast<float>(mel.options.input_scale));
  }

  // Memory is taken before the threads start: an exception must not leave a parallel region.
  std::vector<Worker> workers(static_cast<std::size_t>(threads), Worker(clip));
  float highest = -std::numeric_limits<float>::max();
#pragma omp parallel num_threads(threads) reduction(max : highest)
  {
    Worker& worker = workers[static_cast<std::size_t>(omp_get_thread_num())];
#pragma omp for schedule(static)
    for (std::int64_t block = 0; block < blocks; ++block) {
      highest = std::max(highest, worker.block(block * kLanes, out));
    }
  }
  if (law.range > 0) limit_to_range(law, highest, out, frames * clip.bands, threads);
}

}  // namespace melgrad
