// Log-mel features: kernels/mel.h holds the maths. The usual sizes go through one kernel (fused_log_mel.h).
// For all others a clip goes through in chunks of frames, bounded so that the memory in between stays small
// for a clip of any length: windowed frames, their spectra (Libraries), band values.
#include "kernels/cuda/block.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/fused_log_mel.h"
#include "kernels/math/mel_math.h"

namespace melgrad {

// Window and filters in device memory, kept for as long as the operations live: a program uses one or two.
class DeviceMelTables {
 public:
  DeviceMelTables(Device& device, const MelTables& mel) : options(mel.options), device_(&device) {
    std::vector<float> scaled;  // the window times input_scale
    for (const float w : mel.window) scaled.push_back(w * static_cast<float>(options.input_scale));
    window = upload(scaled);
    roots = upload(mel.roots);
    if (options.n_mels == 0) return;
    first = upload(mel.filter_first);
    offset = upload(mel.filter_offset);
    weight = upload(mel.filter_weight);
  }
  ~DeviceMelTables() {
    for (void* block : blocks_) device_->release(block);
  }
  DeviceMelTables(const DeviceMelTables&) = delete;
  DeviceMelTables& operator=(const DeviceMelTables&) = delete;

  MelOptions options;
  const float *window = nullptr, *roots = nullptr;
  const std::int32_t *first = nullptr, *offset = nullptr;
  const float* weight = nullptr;

 private:
  template <typename T>
  const T* upload(const std::vector<T>& host) {
    const auto bytes = static_cast<std::int64_t>(std::max<std::size_t>(1, host.size()) * sizeof(T));
    blocks_.push_back(device_->allocate(static_cast<std::size_t>(bytes)));
    const auto used = static_cast<std::int64_t>(host.size() * sizeof(T));
    device_->to_device({blocks_.back(), {used}, DType::u8}, host.data());
    return static_cast<const T*>(blocks_.back());
  }

  Device* device_;
  std::vector<void*> blocks_;
};

namespace {

// A block takes a frame: the samples under the window, conditioned, windowed, zeros around. Frames past the
// clip's last repeat it; nothing reads them.
struct FrameSamples {
  static constexpr int kThreads = kReduceThreads;
  FloatOrHalf pcm;
  std::int64_t samples, frames, first_frame;
  std::int64_t first_sample, hop;  // where frame 0 begins, and the way to the next
  int n_fft, win_length, window_first;
  bool mirror, remove_dc;
  float pre_emphasis;
  const float* window;  // [n_fft]
  float* out;           // [blocks, n_fft]

  std::int64_t shared_bytes() const { return shared_size<float>(win_length) + reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    float* x = t.template shared<float>(win_length);
    double* scratch = t.template shared<double>(kReduceThreads);
    std::int64_t frame = first_frame + t.block();
    frame = frame < frames ? frame : frames - 1;
    const std::int64_t begin = first_sample + frame * hop + window_first;
    double sum = 0;
    for (int i = t.index(); i < win_length; i += t.count()) {
      x[i] = sample(begin + i);
      sum += x[i];
    }
    float mean = 0;
    if (remove_dc) mean = static_cast<float>(block_sum(t, scratch, sum) / win_length);
    t.sync();
    for (int i = t.index(); i < n_fft; i += t.count()) {
      const int at = i - window_first;
      float value = 0;
      if (at >= 0 && at < win_length) {
        value = (x[at] - mean - pre_emphasis * (x[at > 0 ? at - 1 : 0] - mean)) * window[i];
      }
      out[t.block() * n_fft + i] = value;
    }
  }

  MELGRAD_DEVICE float sample(std::int64_t i) const {
    if (i >= 0 && i < samples) return pcm[i];
    return mirror ? pcm[mirrored(i, samples)] : 0.0F;
  }
};

// A block takes a frame: power of its bins into shared memory, then a band per thread. `highest` [frames] is
// the frame's largest value, for the laws that look at the whole clip, or null.
struct BandValues {
  static constexpr int kThreads = kReduceThreads;
  const float* spectrum;  // [blocks, bins, 2]
  int bins, bands;
  bool squared, filtered;
  const std::int32_t *first, *offset;
  const float* weight;
  LogLaw law;
  FloatOrHalf out;
  std::int64_t first_value;  // in `out`, of the first frame of the chunk
  float* highest;            // of the first frame of the chunk

  std::int64_t shared_bytes() const { return shared_size<float>(bins) + reduce_shared_bytes<float>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    float* power = t.template shared<float>(bins);
    float* scratch = t.template shared<float>(kReduceThreads);
    const float* z = spectrum + t.block() * bins * 2;
    for (int k = t.index(); k < bins; k += t.count()) {
      const float square = z[2 * k] * z[2 * k] + z[2 * k + 1] * z[2 * k + 1];
      power[k] = squared ? square : std::sqrt(square);
    }
    t.sync();
    float top = -3.402823466e38F;
    for (int m = t.index(); m < bands; m += t.count()) {
      const float value = log_value(law, filtered ? filter(power, m) : power[m]);
      out.put(first_value + t.block() * bands + m, value);
      top = Larger{}(value, top);
    }
    if (highest == nullptr) return;
    top = block_reduce(t, scratch, top, Larger{});
    if (t.index() == 0) highest[t.block()] = top;
  }

  MELGRAD_DEVICE float filter(const float* power, int m) const {
    float sum = 0;
    for (std::int32_t i = offset[m]; i < offset[m + 1]; ++i)
      sum += weight[i] * power[first[m] + i - offset[m]];
    return sum;
  }
};

// One block: the largest of n values goes to values[n].
struct LargestOfAll {
  static constexpr int kThreads = kReduceThreads;
  float* values;
  std::int64_t n;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<float>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    float* scratch = t.template shared<float>(kReduceThreads);
    float top = values[0];
    for (std::int64_t i = t.index(); i < n; i += t.count()) top = Larger{}(values[i], top);
    top = block_reduce(t, scratch, top, Larger{});
    if (t.index() == 0) values[n] = top;
  }
};

// to[i] = value(i), i < n
template <typename Value>
struct PutAll {
  static constexpr int kThreads = 256;
  FloatOrHalf to;
  std::int64_t n;
  Value value;

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) to.put(i, value(i));
  }
};
template <typename Value>
void put_all(Stream stream, Tensor to, const Value& value) {
  launch(stream, blocks_for(to.numel(), 256), PutAll<Value>{FloatOrHalf(to), to.numel(), value});
}

struct ScaledSample {
  FloatOrHalf pcm;
  float scale;
  MELGRAD_DEVICE float operator()(std::int64_t i) const { return scale * pcm[i]; }
};

struct LimitToRange {
  LogLaw law;
  FloatOrHalf values;
  const float* highest;
  MELGRAD_DEVICE float operator()(std::int64_t i) const {
    return limited_value(law, values[i], *highest - law.range);
  }
};

// The second pass of the laws that look at the whole clip: n values in `highest`, room for one more behind
// them.
void limit_to_highest(Stream stream, const LogLaw& law, Tensor y, float* highest, std::int64_t n) {
  launch(stream, 1, LargestOfAll{highest, n});
  put_all(stream, y, LimitToRange{law, FloatOrHalf(y), highest + n});
}

bool is_fused(const MelOptions& o) {
  return o.n_fft >= 256 && o.n_fft <= 4096 && (o.n_fft & (o.n_fft - 1)) == 0 && o.win_length == o.n_fft &&
         o.hop_length <= o.n_fft && o.n_mels <= o.n_fft / 2 && !o.remove_dc && o.pre_emphasis == 0;
}

// Calls action(FusedLogMel<...>) for the size of a frame.
template <typename Action>
void with_fused_kernel(const MelOptions& o, const FusedLogMelArguments& arguments, const Action& action) {
  const auto sized = [&]<int Half>(std::integral_constant<int, Half>) {
    if (o.hop_length % 2 == 0) {
      action(FusedLogMel<Half, true>{arguments});
    } else {
      action(FusedLogMel<Half, false>{arguments});
    }
  };
  switch (o.n_fft) {
    case 256:
      return sized(std::integral_constant<int, 128>{});
    case 512:
      return sized(std::integral_constant<int, 256>{});
    case 1024:
      return sized(std::integral_constant<int, 512>{});
    case 2048:
      return sized(std::integral_constant<int, 1024>{});
    case 4096:
      return sized(std::integral_constant<int, 2048>{});
  }
}

// Frames that go through together: a power of two, so that few sizes need a plan of the FFT, and at most 16
// MB.
std::int64_t frames_of_chunk(std::int64_t frames, std::int64_t n_fft) {
  std::int64_t chunk = 1;
  while (chunk < frames && 2 * chunk * n_fft <= std::int64_t{4} << 20) chunk *= 2;
  return chunk;
}

}  // namespace

CudaOps::CudaOps(Device& device, Libraries& libraries, Stream stream)
    : device_(&device), libraries_(&libraries), stream_(stream), workspace_(device) {}
CudaOps::~CudaOps() = default;

const DeviceMelTables& CudaOps::tables_of(const MelTables& mel) {
  for (const auto& tables : mel_tables_) {
    if (tables->options == mel.options) return *tables;
  }
  mel_tables_.push_back(std::make_unique<DeviceMelTables>(*device_, mel));
  return *mel_tables_.back();
}

void CudaOps::log_mel(Tensor pcm, const MelTables& mel, Out y) {
  const MelOptions& o = mel.options;
  if (o.n_fft == 0) {
    put_all(stream_, y, ScaledSample{FloatOrHalf(pcm), static_cast<float>(o.input_scale)});
    return;
  }
  workspace_.restart();
  const DeviceMelTables& tables = tables_of(mel);
  const std::int64_t frames = y.dim(0);
  const LogLaw law = log_law(o);
  if (is_fused(o)) {
    const FusedLogMelArguments arguments{FloatOrHalf(pcm),
                                         pcm.numel(),
                                         frames,
                                         mel.first_sample(),
                                         o.hop_length,
                                         static_cast<int>(mel.bands()),
                                         o.padding == Padding::reflect,
                                         o.power == 2,
                                         o.n_mels > 0,
                                         reinterpret_cast<const Complex*>(tables.window),
                                         reinterpret_cast<const Complex*>(tables.roots),
                                         tables.first,
                                         tables.offset,
                                         tables.weight,
                                         law,
                                         FloatOrHalf(y),
                                         nullptr};
    with_fused_kernel(o, arguments, [&](auto kernel) {
      const std::int64_t blocks = std::min(kernel.groups(), blocks_at_once(kernel));
      if (law.range > 0) kernel.a.highest = scratch({blocks + 1}).f32();
      launch(stream_, blocks, kernel);
      if (law.range > 0) limit_to_highest(stream_, law, y, kernel.a.highest, blocks);
    });
    return;
  }
  const std::int64_t bins = o.n_fft / 2 + 1, chunk = frames_of_chunk(frames, o.n_fft);
  const Tensor samples = scratch({chunk, o.n_fft}), spectrum = scratch({chunk, bins, 2}),
               highest = scratch({frames + 1});
  for (std::int64_t from = 0; from < frames; from += chunk) {
    launch(
        stream_, chunk,
        FrameSamples{FloatOrHalf(pcm), pcm.numel(), frames, from, mel.first_sample(), o.hop_length, o.n_fft,
                     o.win_length, static_cast<int>(mel.window_first()), o.padding == Padding::reflect,
                     o.remove_dc, static_cast<float>(o.pre_emphasis), tables.window, samples.f32()});
    libraries_->fft(samples, spectrum);
    launch(stream_, std::min(chunk, frames - from),
           BandValues{spectrum.f32(), static_cast<int>(bins), static_cast<int>(mel.bands()), o.power == 2,
                      o.n_mels > 0, tables.first, tables.offset, tables.weight, law, FloatOrHalf(y),
                      from * mel.bands(), law.range > 0 ? highest.f32() + from : nullptr});
  }
  if (law.range > 0) limit_to_highest(stream_, law, y, highest.f32(), frames);
}

}  // namespace melgrad
