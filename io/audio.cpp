#include "io/audio.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <sndfile.h>
#include <soxr.h>
#include <string_view>
#include <xxhash.h>

#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr sf_count_t kBlockSamples = 1 << 16;  // of all channels together
constexpr float kLoudest = 1e6F;  // 32768 happens (floats that were never scaled); beyond this it is no audio

struct CloseSndfile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SndfilePtr = std::unique_ptr<SNDFILE, CloseSndfile>;

std::string without_period(std::string text) {
  while (!text.empty() && (text.back() == '.' || text.back() == ' ' || text.back() == '\n')) text.pop_back();
  return text;
}

template <typename... Args>
[[noreturn]] void refuse(const fs::path& path, fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorKind::input, "{}: {}; replace the file or take it out of the data set", path.string(),
       fmt::format(format, std::forward<Args>(args)...));
}

// libsndfile also parses many rare formats, and takes a headerless file of some extensions for raw samples.
// Only what we document gets as far as its parsers.
bool known_start(const std::array<unsigned char, 4>& b) {
  const std::string_view four(reinterpret_cast<const char*>(b.data()), 4);
  for (const std::string_view magic :
       {"RIFF", "RIFX", "RF64", "riff", ".snd", "dns.", "FORM", "fLaC", "OggS"}) {
    if (four == magic) return true;
  }
  return four.substr(0, 3) == "ID3" ||
         (b[0] == 0xFF && (b[1] & 0xE0) == 0xE0);  // MPEG, with or without a tag
}

bool known_container(int format) {
  switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
    case SF_FORMAT_RF64:
    case SF_FORMAT_W64:
    case SF_FORMAT_AU:
    case SF_FORMAT_AIFF:
    case SF_FORMAT_FLAC:
    case SF_FORMAT_OGG:
    case SF_FORMAT_MPEG:
      return true;
    default:
      return false;  // among them SF_FORMAT_RAW
  }
}

void check_start(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) {
    fail(ErrorKind::input, "{}: no such file; check the path", path.string());
  }
  if (!fs::is_regular_file(status)) refuse(path, "not a regular file");
  std::array<unsigned char, 4> start{};
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(ErrorKind::input, "{}: cannot be opened; check its permissions", path.string());
  in.read(reinterpret_cast<char*>(start.data()), start.size());
  if (in.gcount() == 0) refuse(path, "the file is empty (0 bytes)");
  if (!known_start(start)) refuse(path, "not a WAV, AU, AIFF, FLAC, Ogg, Opus or MP3 file");
}

// libsndfile keeps the reason of a failed open in one variable for the whole process, which every open
// resets. Opens run side by side; one that failed is repeated alone to learn why.
SndfilePtr open_for_reading(const fs::path& path, SF_INFO& info) {
  static std::shared_mutex mutex;
  {
    const std::shared_lock lock(mutex);
    info = {};
    if (SndfilePtr file{sf_open(path.c_str(), SFM_READ, &info)}) return file;
  }
  const std::unique_lock lock(mutex);
  info = {};
  if (SndfilePtr file{sf_open(path.c_str(), SFM_READ, &info)}) return file;
  refuse(path, "cannot be decoded ({})", without_period(sf_strerror(nullptr)));
}

void check_limits(const fs::path& path, const SF_INFO& info, const AudioLimits& limits) {
  if (!known_container(info.format)) refuse(path, "not a WAV, AU, AIFF, FLAC, Ogg, Opus or MP3 file");
  if (info.channels < 1 || info.channels > limits.max_channels) {
    refuse(path, "{} channels, the limit is {}", info.channels, limits.max_channels);
  }
  if (info.samplerate < limits.min_sample_rate || info.samplerate > limits.max_sample_rate) {
    refuse(path, "sample rate {} Hz, outside {} ... {} Hz", info.samplerate, limits.min_sample_rate,
           limits.max_sample_rate);
  }
}

// Mono in, mono out, appended to a vector; equal rates pass through.
class Resampler {
 public:
  Resampler(int from, int to) : ratio_(static_cast<double>(to) / from), from_(from), to_(to) {
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
    out.resize(static_cast<std::size_t>((frames_ * to_ + from_ - 1) / from_));
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
};

// One block of interleaved frames to mono, in place; returns how many samples were scrubbed.
std::int64_t mix_to_mono(std::vector<float>& block, sf_count_t frames, int channels) {
  std::int64_t scrubbed = 0;
  const auto width = static_cast<std::size_t>(channels);
  for (std::size_t f = 0; f < static_cast<std::size_t>(frames); ++f) {
    double sum = 0;
    for (std::size_t c = 0; c < width; ++c) {
      const float x = block[f * width + c];
      if (std::abs(x) <= kLoudest) {  // false for NaN
        sum += x;
      } else {
        ++scrubbed;
      }
    }
    block[f] = static_cast<float>(sum / channels);
  }
  return scrubbed;
}

}  // namespace

Audio read_audio(const fs::path& path, int sample_rate, const AudioLimits& limits) {
  require(sample_rate >= 0, "read_audio: sample rate {}", sample_rate);
  check_start(path);
  SF_INFO info;
  const SndfilePtr file = open_for_reading(path, info);
  check_limits(path, info, limits);

  Audio audio;
  audio.file_rate = info.samplerate;
  audio.channels = info.channels;
  audio.sample_rate = sample_rate > 0 ? sample_rate : info.samplerate;
  Resampler resampler(audio.file_rate, audio.sample_rate);
  const sf_count_t block_frames = std::max<sf_count_t>(1, kBlockSamples / info.channels);
  std::vector<float> block(static_cast<std::size_t>(block_frames * info.channels));
  for (sf_count_t n = 1; n > 0;) {
    n = sf_readf_float(file.get(), block.data(), block_frames);
    if (sf_error(file.get()) != SF_ERR_NO_ERROR) {  // asked every time: the next read forgets it
      refuse(path, "decoding broke off after {:.2f} s ({})", audio.seconds(),
             without_period(sf_strerror(file.get())));
    }
    audio.file_frames += n;
    if (audio.seconds() > limits.max_seconds) refuse(path, "longer than {} s, the limit", limits.max_seconds);
    audio.scrubbed += mix_to_mono(block, n, info.channels);
    resampler.push(block.data(), static_cast<std::size_t>(n), audio.samples);
  }
  resampler.finish(audio.samples);
  return audio;
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
