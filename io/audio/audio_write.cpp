#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sndfile.h>

#include "io/audio/audio.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

struct FormatRow {
  const char* name;
  int sndfile;                    // container and encoding
  std::array<int, 9> rates = {};  // Hz; all 0: any
};
// In the order of AudioFormat.
constexpr std::array<FormatRow, 7> kFormats = {{
    {"wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
    {"au", SF_FORMAT_AU | SF_FORMAT_PCM_16},
    {"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
    {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
    {"ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
    {"opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, {8000, 12000, 16000, 24000, 48000}},
    {"mp3",
     SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III,
     {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}},
}};

const FormatRow& row_of(AudioFormat format) { return kFormats[static_cast<std::size_t>(format)]; }

// The checksum of an Ogg page: polynomial 0x04C11DB7, most significant bit first, no inversion.
std::uint32_t ogg_checksum(const unsigned char* bytes, std::size_t size) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < size; ++i) {
    sum ^= static_cast<std::uint32_t>(bytes[i]) << 24;
    for (int bit = 0; bit < 8; ++bit) sum = (sum << 1) ^ ((sum >> 31) * 0x04C11DB7U);
  }
  return sum;
}

void put_u32(unsigned char* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<unsigned char>(value >> (8 * i));
}

// libsndfile numbers an Ogg stream from the clock. With a fixed number the same samples give the same bytes.
void number_ogg_stream(const fs::path& path) {
  constexpr std::size_t kHeader = 27, kSerial = 14, kChecksum = 22, kSegments = 26;
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::vector<unsigned char> bytes(std::istreambuf_iterator<char>(file), {});
  for (std::size_t page = 0; page + kHeader <= bytes.size();) {
    unsigned char* const at = bytes.data() + page;
    const std::size_t segments = at[kSegments];
    std::size_t size = kHeader + segments;
    require(std::equal(at, at + 4, "OggS") && page + size <= bytes.size(), "{}: no Ogg page at byte {}",
            path.string(), page);
    for (std::size_t i = 0; i < segments; ++i) size += at[kHeader + i];
    require(page + size <= bytes.size(), "{}: the Ogg page at byte {} is cut off", path.string(), page);
    put_u32(at + kSerial, 1);
    put_u32(at + kChecksum, 0);
    put_u32(at + kChecksum, ogg_checksum(at, size));
    page += size;
  }
  file.clear();
  file.seekp(0);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) fail(ErrorKind::output, "{}: cannot be written ({})", path.string(), system_reason(errno));
}

}  // namespace

AudioFormat audio_format(const std::string& name) {
  std::string names;
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (name == kFormats[i].name) return static_cast<AudioFormat>(i);
    names += (i > 0 ? ", " : "") + std::string(kFormats[i].name);
  }
  fail(ErrorKind::usage, "format \"{}\": unknown; choose one of {}", name, names);
}

void check_sample_rate(AudioFormat format, int sample_rate) {
  const FormatRow& row = row_of(format);
  if (row.rates[0] == 0) return;
  std::string known;
  for (const int rate : row.rates) {
    if (rate == sample_rate) return;
    if (rate > 0) known += (known.empty() ? "" : ", ") + std::to_string(rate);
  }
  fail(ErrorKind::usage, "sample rate {} Hz: {} has none such; choose one of {}", sample_rate, row.name,
       known);
}

void write_audio(const fs::path& path, const std::vector<float>& samples, int sample_rate,
                 AudioFormat format) {
  const FormatRow& row = row_of(format);
  check_sample_rate(format, sample_rate);
  SF_INFO info{};
  info.samplerate = sample_rate;
  info.channels = 1;
  info.format = row.sndfile;
  SNDFILE* const file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (file == nullptr) {
    fail(ErrorKind::output, "{}: cannot be written as {} at {} Hz; check the folder and the sample rate",
         path.string(), row.name, sample_rate);
  }
  std::vector<float> limited(samples.size());
  std::transform(samples.begin(), samples.end(), limited.begin(),
                 [](float x) { return std::clamp(x, -1.0F, 1.0F); });
  const auto n = static_cast<sf_count_t>(limited.size());
  errno = 0;
  const bool written = sf_writef_float(file, limited.data(), n) == n;
  const bool closed = sf_close(file) == 0;
  if (!written || !closed)
    fail(ErrorKind::output, "{}: cannot be written ({})", path.string(),
         system_reason(errno == 0 ? EIO : errno));
  if ((row.sndfile & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG) number_ogg_stream(path);
}

}  // namespace melgrad
