// Files through libsndfile.
#include <array>
#include <cstdio>
#include <mutex>
#include <shared_mutex>
#include <sndfile.h>

#include "io/audio/audio_sizes.h"
#include "io/audio/decoder.h"
#include "io/audio/flac_frames.h"

namespace melgrad {
namespace {

struct CloseSndfile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SndfilePtr = std::unique_ptr<SNDFILE, CloseSndfile>;

ByteRange& range_of(void* data) { return *static_cast<ByteRange*>(data); }

SF_VIRTUAL_IO virtual_io() {
  return {.get_filelen = [](void* data) -> sf_count_t { return range_of(data).size(); },
          .seek = [](sf_count_t offset, int whence, void* data) -> sf_count_t {
            return range_of(data).seek(offset, whence);
          },
          .read = [](void* to, sf_count_t bytes, void* data) -> sf_count_t {
            return bytes <= 0
                       ? 0
                       : static_cast<sf_count_t>(range_of(data).read(to, static_cast<std::size_t>(bytes)));
          },
          .write = [](const void*, sf_count_t, void*) -> sf_count_t { return 0; },
          .tell = [](void* data) -> sf_count_t { return range_of(data).tell(); }};
}

std::string without_period(std::string text) {
  while (!text.empty() && (text.back() == '.' || text.back() == ' ' || text.back() == '\n')) text.pop_back();
  return text;
}

// libsndfile also parses many rare formats; only what we document gets as far as the samples.
bool known_container(int format) {
  switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
    case SF_FORMAT_RF64:
    case SF_FORMAT_W64:
    case SF_FORMAT_AU:
    case SF_FORMAT_AIFF:
    case SF_FORMAT_CAF:
    case SF_FORMAT_FLAC:
    case SF_FORMAT_OGG:
      return true;
    default:
      return false;  // among them SF_FORMAT_RAW
  }
}

class SndfileDecoder : public Decoder {
 public:
  SndfileDecoder(const FilePtr& file, std::int64_t begin, std::int64_t end)
      : file_(file), size_(sound_size(*file, begin)), range_(*file, begin, end, size_.patches) {
    open();
    if (!known_container(info_.format))
      refuse(file->path(), "not a WAV, AU, AIFF, FLAC, Ogg, Opus or MP3 file");
    rate = info_.samplerate;
    channels = info_.channels;
  }

  std::size_t read(std::vector<float>& block) override {
    const auto width = static_cast<std::size_t>(channels);
    block.resize(std::max<std::size_t>(1, kBlockSamples / width) * width);
    const sf_count_t n = read_some(block);
    frames_ += n;
    // Asked every time: the next read forgets it.
    if (const int error = sf_error(sound_.get()); error != SF_ERR_NO_ERROR) {
      const std::string reason = without_period(sf_strerror(sound_.get()));
      // A file that was cut ends within a frame, which some decoders call damage; what is damaged goes on
      // after it.
      std::vector<float> more(block.size());
      if (!range_.saw_end() || read_some(more) > 0 ||
          (is_flac() && flac_goes_on_after(*file_, frames_, size_.promised)))
        refuse(file_->path(), "decoding broke off after {:.2f} s ({})", static_cast<double>(frames_) / rate,
               reason);
      cut_short = true;
    }
    if (file_->error() != 0)
      refuse(file_->path(), "reading broke off after {:.2f} s (errno {})",
             static_cast<double>(frames_) / rate, file_->error());
    if (n == 0) finish();
    return static_cast<std::size_t>(n);
  }

 private:
  // libsndfile keeps the reason of a failed open in one variable for the whole process, which every open
  // resets. Opens run side by side; one that failed is repeated alone to learn why.
  void open() {
    static std::shared_mutex mutex;
    SF_VIRTUAL_IO io = virtual_io();
    {
      const std::shared_lock lock(mutex);
      sound_.reset(sf_open_virtual(&io, SFM_READ, &info_, &range_));
    }
    if (sound_) return;
    const std::unique_lock lock(mutex);
    info_ = {};
    range_.seek(0, SEEK_SET);
    sound_.reset(sf_open_virtual(&io, SFM_READ, &info_, &range_));
    if (!sound_) refuse(file_->path(), "cannot be decoded ({})", without_period(sf_strerror(nullptr)));
  }

  sf_count_t read_some(std::vector<float>& block) {
    return sf_readf_float(sound_.get(), block.data(), static_cast<sf_count_t>(block.size()) / channels);
  }

  bool is_flac() const { return (info_.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC; }

  void finish() {
    const double seconds = static_cast<double>(frames_) / rate;
    const bool flac = is_flac();
    cut_short |= flac ? frames_ < size_.promised : size_.there < size_.promised;
    if (!cut_short || size_.promised == 0) return;
    promised_seconds = flac ? static_cast<double>(size_.promised) / rate
                            : seconds * static_cast<double>(size_.promised) /
                                  static_cast<double>(std::max<std::int64_t>(1, size_.there));
  }

  FilePtr file_;
  SoundSize size_;
  ByteRange range_;
  SF_INFO info_{};
  SndfilePtr sound_;
  sf_count_t frames_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> open_sndfile(const FilePtr& file, std::int64_t begin, std::int64_t end) {
  return std::make_unique<SndfileDecoder>(file, begin, end);
}

}  // namespace melgrad
