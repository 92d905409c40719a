#include "io/audio/audio.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <soxr.h>
#include <string_view>
#include <xxhash.h>

#include "io/audio/decoder.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr float kLoudest = 1e6F;  // 32768 happens (floats that were never scaled); beyond this it is no audio

void check_limits(const fs::path& path, const Decoder& decoder, const AudioLimits& limits) {
  if (decoder.channels < 1 || decoder.channels > limits.max_channels) {
    refuse(path, "{} channels, the limit is {}", decoder.channels, limits.max_channels);
  }
  if (decoder.rate < limits.min_sample_rate || decoder.rate > limits.max_sample_rate) {
    refuse(path, "sample rate {} Hz, outside {} ... {} Hz", decoder.rate, limits.min_sample_rate,
           limits.max_sample_rate);
  }
}

// The decoder for what the file begins with: libraries parse many rare formats, and only what we document
// gets as far as them.
std::unique_ptr<Decoder> decoder_of(const FilePtr& file) {
  std::string start(4, '\0');
  if (file->read(0, start.data(), 4) == 0) refuse(file->path(), "the file is empty (0 bytes)");
  if (start == "OggS") return open_ogg(file);
  for (const std::string_view magic :
       {"RIFF", "RIFX", "RF64", "riff", ".snd", "dns.", "FORM", "fLaC", "caff"}) {
    if (start == magic) return open_sndfile(file, 0, file->size());
  }
  // Tags, junk or nothing may stand before the frames; FLAC too may stand behind a tag.
  if (audio_kind(file->path()) != AudioKind::by_ffmpeg) {
    if (auto mpeg = open_mpeg(file)) return mpeg;
    if (start.starts_with("ID3")) return open_sndfile(file, 0, file->size());
  }
  refuse(file->path(), "not a WAV, AU, AIFF, FLAC, Ogg, Opus or MP3 file");
}

std::unique_ptr<Decoder> open_decoder(const FilePart& part, const AudioOptions& options) {
  const auto file = std::make_shared<const InputFile>(part);
  const fs::path& path = file->path();
  try {
    auto decoder = decoder_of(file);
    check_limits(path, *decoder, options.limits);
    return decoder;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input || file->size() == 0) throw;
    if (options.ffmpeg) return open_ffmpeg(file, options);
    if (audio_kind(path) == AudioKind::by_ffmpeg) {
      fail(ErrorKind::input, "{}: {} is not read by melgrad itself; give --ffmpeg, or convert the file",
           path.string(), path.extension().string().substr(1));
    }
    throw;
  }
}

// Mono in, mono out, appended to a vector; equal rates pass through.
class Resampler {
 public:
  // `start`: how long the vector is.
  Resampler(int from, int to, std::size_t start)
      : ratio_(static_cast<double>(to) / from), from_(from), to_(to), start_(start) {
    if (from == to) return;
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    soxr_error_t error = nullptr;
    soxr_.reset(soxr_create(from, to, 1, &error, &io, &quality, nullptr));
    require(error == nullptr, "resample {} -> {} Hz: {}", from, to, error);
  }

  void push(const float* in, std::size_t n, std::vector<float>& out) {
    frames_ += static_cast<std::int64_t>(n);
    if (!soxr_) {
      out.insert(out.end(), in, in + n);
      return;
    }
    std::size_t used = 0;
    while (used < n) {
      std::size_t taken = 0;
      process(in + used, n - used, &taken, out);
      used += taken;
    }
  }

  // The filter's tail; the length is then ceil(frames * to / from), as librosa has it.
  void finish(std::vector<float>& out) {
    if (!soxr_) return;
    while (process(nullptr, 0, nullptr, out) > 0) {
    }
    out.resize(start_ + static_cast<std::size_t>((frames_ * to_ + from_ - 1) / from_));
  }

 private:
  struct Delete {
    void operator()(soxr* s) const { soxr_delete(s); }
  };

  std::size_t process(const float* in, std::size_t n, std::size_t* taken, std::vector<float>& out) {
    const std::size_t old = out.size();
    const auto room = static_cast<std::size_t>(static_cast<double>(n) * ratio_) + 4096;
    out.resize(old + room);
    std::size_t made = 0;
    const soxr_error_t error = soxr_process(soxr_.get(), in, n, taken, out.data() + old, room, &made);
    require(error == nullptr, "resample {} -> {} Hz: {}", from_, to_, error);
    out.resize(old + made);
    return made;
  }

  std::unique_ptr<soxr, Delete> soxr_;
  double ratio_;
  std::int64_t from_, to_, frames_ = 0;
  std::size_t start_;
};

// Interleaved frames to mono, and what is learnt of the channels on the way.
class Mixer {
 public:
  // `only`: the channel that is taken, -1 for the mean of all.
  explicit Mixer(int only) : only_(only) {}

  // One block, in place.
  void mix(std::vector<float>& block, std::size_t frames, int channels) {
    const auto width = static_cast<std::size_t>(channels);
    const std::size_t taken = std::min(static_cast<std::size_t>(std::max(only_, 0)), width - 1);
    powers.resize(std::max(powers.size(), width));
    for (std::size_t f = 0; f < frames; ++f) {
      double sum = 0;
      for (std::size_t c = 0; c < width; ++c) {
        float& x = block[f * width + c];
        if (const float level = std::abs(x); level <= std::numeric_limits<float>::max())
          peak = std::max(peak, level);
        if (!(std::abs(x) <= kLoudest)) {  // true for NaN
          ++scrubbed;
          x = 0;
        }
        sum += x;
        powers[c] += static_cast<double>(x) * x;
      }
      const float mono = only_ < 0 ? static_cast<float>(sum / channels) : block[f * width + taken];
      mixed_power += static_cast<double>(mono) * mono;
      block[f] = mono;
    }
    samples += static_cast<double>(frames) * channels;
    mixed += static_cast<double>(frames);
  }

  std::vector<double> powers;  // of each channel: the sum of squares
  double mixed_power = 0, samples = 0, mixed = 0;
  float peak = 0;
  std::int64_t scrubbed = 0;

 private:
  int only_;
};

// What is in memory already.
class HeldSamples final : public Decoder {
 public:
  HeldSamples(std::span<const float> interleaved, int in_channels, int in_rate) : left_(interleaved) {
    channels = in_channels;
    rate = in_rate;
  }
  std::size_t read(std::vector<float>& block) override {
    const auto width = static_cast<std::size_t>(channels);
    const std::size_t frames = std::min(left_.size(), kBlockSamples) / width;
    block.assign(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(frames * width));
    left_ = left_.subspan(frames * width);
    return frames;
  }

 private:
  std::span<const float> left_;
};

using OpenDecoder = std::function<std::unique_ptr<Decoder>()>;

// Decodes to the end; `path` is for messages.
Audio read_mixed(const OpenDecoder& open, const fs::path& path, int sample_rate, const AudioOptions& options,
                 Mixer& mixer) {
  const auto decoder = open();
  Audio audio;
  audio.file_rate = decoder->rate;
  audio.sample_rate = sample_rate > 0 ? sample_rate : decoder->rate;
  int rate = decoder->rate;
  double seconds = 0;
  auto resampler = std::make_unique<Resampler>(rate, audio.sample_rate, 0);
  std::vector<float> block;
  for (;;) {
    const std::size_t n = decoder->read(block);
    if (n == 0) break;
    check_limits(path, *decoder, options.limits);
    if (decoder->rate != rate) {
      resampler->finish(audio.samples);
      rate = decoder->rate;
      resampler = std::make_unique<Resampler>(rate, audio.sample_rate, audio.samples.size());
    }
    seconds += static_cast<double>(n) / rate;
    if (seconds > options.limits.max_seconds)
      refuse(path, "longer than {} s, the limit", options.limits.max_seconds);
    audio.file_frames += rate == audio.file_rate
                             ? static_cast<std::int64_t>(n)
                             : std::llround(static_cast<double>(n) * audio.file_rate / rate);
    audio.channels = std::max(audio.channels, decoder->channels);
    mixer.mix(block, n, decoder->channels);
    resampler->push(block.data(), n, audio.samples);
  }
  resampler->finish(audio.samples);
  if (audio.channels == 0) audio.channels = decoder->channels;
  audio.cut_short = decoder->cut_short;
  audio.promised_seconds = decoder->promised_seconds;
  audio.complaint = decoder->complaint;
  return audio;
}

int channel_of(ChannelMix mix) { return mix == ChannelMix::left ? 0 : mix == ChannelMix::right ? 1 : -1; }

Audio read_all(const OpenDecoder& open, const fs::path& path, int sample_rate, const AudioOptions& options) {
  require(sample_rate >= 0, "read_audio: sample rate {}", sample_rate);
  Mixer mixer(channel_of(options.mix));
  Audio audio = read_mixed(open, path, sample_rate, options, mixer);
  if (options.mix == ChannelMix::louder && mixer.powers.size() > 1) {  // known only now, so once more
    const auto loudest = std::max_element(mixer.powers.begin(), mixer.powers.end());
    mixer = Mixer(static_cast<int>(loudest - mixer.powers.begin()));
    audio = read_mixed(open, path, sample_rate, options, mixer);
  }
  audio.scrubbed = mixer.scrubbed;
  audio.peak = mixer.peak;
  audio.mixed_power = mixer.mixed_power / std::max(1.0, mixer.mixed);
  for (const double power : mixer.powers) audio.channel_power += power / std::max(1.0, mixer.samples);
  return audio;
}

}  // namespace

Audio read_audio(const FilePart& file, int sample_rate, const AudioOptions& options) {
  return read_all([&] { return open_decoder(file, options); }, file.path, sample_rate, options);
}

Audio audio_of(std::span<const float> interleaved, int channels, int rate, int sample_rate,
               const AudioOptions& options, const std::string& name) {
  require(channels > 0 && interleaved.size() % static_cast<std::size_t>(channels) == 0,
          "audio_of: {} samples of {} channels", interleaved.size(), channels);
  const auto open = [&] {
    auto held = std::make_unique<HeldSamples>(interleaved, channels, rate);
    check_limits(name, *held, options.limits);
    return held;
  };
  return read_all(open, name, sample_rate, options);
}

std::uint64_t content_digest(const Audio& audio) {
  XXH3_state_t* const state = XXH3_createState();
  require(state != nullptr, "content_digest: no memory for the hash");
  XXH3_64bits_reset_withSeed(state, static_cast<std::uint64_t>(audio.sample_rate));
  std::array<std::int16_t, 4096> block;
  for (std::size_t at = 0; at < audio.samples.size(); at += block.size()) {
    const std::size_t n = std::min(block.size(), audio.samples.size() - at);
    for (std::size_t i = 0; i < n; ++i) {
      block[i] = static_cast<std::int16_t>(
          std::lrint(std::clamp(audio.samples[at + i] * 32768.0F, -32768.0F, 32767.0F)));
    }
    XXH3_64bits_update(state, block.data(), n * sizeof(std::int16_t));
  }
  const std::uint64_t digest = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  return digest;
}

AudioKind audio_kind(const fs::path& path) {
  static const std::set<std::string, std::less<>> readable = {
      ".wav", ".wave", ".rf64", ".w64", ".au",   ".snd", ".aif", ".aiff", ".aifc",
      ".caf", ".flac", ".ogg",  ".oga", ".opus", ".mp3", ".mp2", ".mpga"};
  static const std::set<std::string, std::less<>> by_ffmpeg = {
      ".m4a", ".m4b",  ".mp4", ".m4v",  ".mov", ".3gp", ".aac", ".wma",  ".asf", ".wmv", ".mka",
      ".mkv", ".webm", ".ac3", ".eac3", ".dts", ".ape", ".wv",  ".tta",  ".tak", ".mpc", ".amr",
      ".ra",  ".rm",   ".avi", ".flv",  ".ogv", ".spx", ".mpg", ".mpeg", ".dsf", ".dff", ".shn"};
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (readable.contains(extension)) return AudioKind::readable;
  return by_ffmpeg.contains(extension) ? AudioKind::by_ffmpeg : AudioKind::none;
}

bool has_audio_extension(const fs::path& path) { return audio_kind(path) == AudioKind::readable; }

}  // namespace melgrad
