// Audio in and out. read_audio decodes WAV, RF64, W64, AU, AIFF, CAF, FLAC, Ogg Vorbis, Opus (libsndfile) and
// MPEG audio (libmpg123), with AudioOptions::ffmpeg whatever the program ffmpeg reads as well, mixes to mono
// and resamples (soxr HQ, what librosa calls "soxr_hq", with librosa's length: ceil(n * target / source)).
// Files are untrusted: the number of frames comes from decoding to the end and never from the header, files
// that were joined are heard to the last, sizes are capped, metadata is not read, and a sample that is not a
// usable number becomes 0 and is counted. Safe to call from several threads. Samples are in -1 ... 1 for
// integer formats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/audio/audio_options.h"
#include "io/files/file_part.h"

namespace melgrad {

struct Audio {
  std::vector<float> samples;  // mono, at sample_rate
  int sample_rate = 0;         // Hz, of `samples`
  int file_rate = 0;           // Hz, before resampling; of the first part, where files of several were joined
  int channels = 0;            // before mixing; the most of all parts
  std::int64_t file_frames = 0;  // decoded, before resampling, at file_rate
  std::int64_t scrubbed = 0;     // samples that were NaN, infinite or beyond 1e6 and became 0

  bool cut_short = false;       // the file ends before the sound in it does; what is there was decoded
  double promised_seconds = 0;  // what its header then promises, 0 where it says nothing
  std::string complaint;        // of ffmpeg, which went on nevertheless
  float peak = 0;               // of all channels, before mixing and resampling; infinite samples apart
  double mixed_power = 0, channel_power = 0;  // mean squares: of the mix, and of the channels

  double seconds() const { return file_rate > 0 ? static_cast<double>(file_frames) / file_rate : 0; }
};

// sample_rate 0 keeps the file's own. A valid file without a single sample gives empty `samples`. Throws
// Error (input), one line that starts with the path, for anything that cannot be decoded to its end.
Audio read_audio(const FilePart& file, int sample_rate, const AudioOptions& options = {});

// The same of samples in memory: frames of `channels` interleaved, at `rate` Hz. `name` stands for the path.
Audio audio_of(std::span<const float> interleaved, int channels, int rate, int sample_rate,
               const AudioOptions& options = {}, const std::string& name = "samples");

// XXH3 of the samples as 16-bit integers, seeded with the sample rate: the same sound as 16-bit WAV and as
// FLAC has the same digest. Equal digests mean equal audio for any data set one can hold (64 bits).
std::uint64_t content_digest(const Audio& audio);

enum class AudioFormat { wav, au, aiff, flac, ogg, opus, mp3 };
// "wav", ..., which is also the file extension. Throws Error (usage) that lists the names.
AudioFormat audio_format(const std::string& name);
// Opus and MP3 exist at some sample rates only. Throws Error (usage) that lists them for another one.
void check_sample_rate(AudioFormat format, int sample_rate);
// Writes mono 16-bit PCM or the format's usual compression; samples are limited to -1 ... 1. The same samples
// give the same bytes. Throws Error (output), and (usage) as check_sample_rate does.
void write_audio(const std::filesystem::path& path, const std::vector<float>& samples, int sample_rate,
                 AudioFormat format);

// What the end of a name says, in any case: `readable` by melgrad itself (wav au aiff caf w64 flac ogg opus
// mp3 mp2 and their other endings), `by_ffmpeg` with AudioOptions::ffmpeg alone (m4a aac wma mp4 mkv webm
// ...), or none.
enum class AudioKind { none, readable, by_ffmpeg };
AudioKind audio_kind(const std::filesystem::path& path);
// Whether that is `readable`.
bool has_audio_extension(const std::filesystem::path& path);

}  // namespace melgrad
