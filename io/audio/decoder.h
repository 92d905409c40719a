// Inside read_audio: one decoder a library. What comes out is interleaved frames, block after block; their
// rate and channels may change between blocks, as they do where files were joined.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/audio/audio_options.h"
#include "io/files/byte_range.h"
#include "kernels/error.h"

namespace melgrad {

class Decoder {
 public:
  Decoder() = default;
  virtual ~Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // The next frames, as `rate` and `channels` say from then on; how many, 0 at the end. Throws Error (input).
  virtual std::size_t read(std::vector<float>& block) = 0;

  int rate = 0;      // Hz; of the first block before it is read
  int channels = 0;  // at least 1

  // Known when read() has returned 0.
  bool cut_short = false;       // the file ends before the sound in it does
  double promised_seconds = 0;  // what a header then promises, 0 where none does
  std::string complaint;        // what the decoder said though it went on
};

using FilePtr = std::shared_ptr<const InputFile>;

constexpr std::size_t kBlockSamples = 1 << 16;  // of all channels together

// WAV, AU, AIFF, CAF, W64, FLAC and one link of an Ogg file, in bytes begin ... end.
std::unique_ptr<Decoder> open_sndfile(const FilePtr& file, std::int64_t begin, std::int64_t end);
// Ogg: link after link.
std::unique_ptr<Decoder> open_ogg(const FilePtr& file);
// MPEG 1, 2 and 2.5, layers I to III: stream after stream. Null where no frame is found.
std::unique_ptr<Decoder> open_mpeg(const FilePtr& file);
// Whatever the program ffmpeg reads.
std::unique_ptr<Decoder> open_ffmpeg(const FilePtr& file, const AudioOptions& options);

template <typename... Args>
[[noreturn]] void refuse(const std::filesystem::path& path, fmt::format_string<Args...> format,
                         Args&&... args) {
  fail(ErrorKind::input, "{}: {}; replace the file or take it out of the data set", path.string(),
       fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace melgrad
