// MPEG audio through libmpg123, which is given frames only: where they lie, mpeg_parts.h finds out.
#include <algorithm>
#include <cstdio>
#include <mpg123.h>

#include "io/audio/decoder.h"
#include "io/audio/mpeg_parts.h"

namespace melgrad {
namespace {

constexpr std::int64_t kDecoderDelay =
    529;  // samples that a decoder of layer III adds to the encoder's delay

struct Delete {
  void operator()(mpg123_handle* handle) const { mpg123_delete(handle); }
};

class MpegDecoder : public Decoder {
 public:
  MpegDecoder(const FilePtr& file, const MpegPart& first) : file_(file), parts_(*file), range_(*file, 0, 0) {
    int error = MPG123_OK;
    handle_.reset(mpg123_new(nullptr, &error));
    require(handle_ != nullptr, "mpg123: {}", mpg123_plain_strerror(error));
    // Neither resampling nor trimming by mpg123, and no reading of lengths: samples as they are coded.
    mpg123_param(handle_.get(), MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE | MPG123_GAPLESS, 0);
    mpg123_param(handle_.get(), MPG123_ADD_FLAGS,
                 MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_IGNORE_INFOFRAME | MPG123_IGNORE_STREAMLENGTH |
                     MPG123_SKIP_ID3V2,
                 0);
    mpg123_replace_reader_handle(
        handle_.get(),
        [](void* range, void* to, std::size_t bytes) {
          return static_cast<mpg123_ssize_t>(static_cast<ByteRange*>(range)->read(to, bytes));
        },
        [](void* range, off_t offset, int whence) -> off_t {
          return static_cast<ByteRange*>(range)->seek(offset, whence);
        },
        nullptr);
    rate = first.rate;
    channels = first.channels;
  }

  std::size_t read(std::vector<float>& block) override {
    while (part_ || begin_part()) {
      const std::size_t frames = read_part(block);
      if (frames > 0) return frames;
      end_part();
    }
    settle();
    return 0;
  }

 private:
  bool begin_part() {
    do {
      part_ = parts_.next();
      if (!part_) return false;
      if (part_->has_info) settle();
      account(*part_);
    } while (part_->frames == 0);
    rate = part_->rate;
    channels = part_->channels;
    // As mpg123 itself trims: nothing where the count of frames is not told, and no padding where it is
    // wrong.
    from_ = part_->info_frames > 0 ? part_->delay + kDecoderDelay : 0;
    until_ = part_->frames * part_->frame_samples;
    if (part_->info_frames >= part_->frames)
      until_ = std::min(until_, part_->info_frames * part_->frame_samples - part_->padding + kDecoderDelay);
    at_ = 0;
    // That frames follow one another is known; only the size of those in free format mpg123 finds by looking
    // ahead.
    mpg123_param(handle_.get(), part_->free_format ? MPG123_REMOVE_FLAGS : MPG123_ADD_FLAGS,
                 MPG123_NO_READAHEAD, 0);
    range_ = ByteRange(*file_, part_->begin, part_->end);
    if (mpg123_open_handle(handle_.get(), &range_) != MPG123_OK) broke_off();
    return true;
  }

  // Decodes until there are samples that are heard; 0 at the end of the part.
  std::size_t read_part(std::vector<float>& block) {
    const auto width = static_cast<std::size_t>(channels);
    for (int code = MPG123_OK; code != MPG123_DONE;) {
      block.resize(kBlockSamples);
      std::size_t bytes = 0;
      code = mpg123_read(handle_.get(), block.data(), block.size() * sizeof(float), &bytes);
      if (code != MPG123_OK && code != MPG123_DONE && code != MPG123_NEW_FORMAT) broke_off();
      const auto frames = static_cast<std::int64_t>(bytes / sizeof(float) / width);
      const std::int64_t first = std::clamp(from_ - at_, std::int64_t{0}, frames);
      const std::int64_t last = std::clamp(until_ - at_, first, frames);
      at_ += frames;
      if (first == last) continue;
      const auto begin = block.begin();
      std::copy(begin + first * channels, begin + last * channels, begin);
      heard_ += last - first;
      return static_cast<std::size_t>(last - first);
    }
    return 0;
  }

  void end_part() {
    seconds_ += static_cast<double>(heard_) / part_->rate;
    heard_ = 0;
    part_.reset();
  }

  // Frames against what the last frame of Xing or LAME promised. Some encoders count that frame too.
  void account(const MpegPart& part) {
    if (part.has_info) owed_ = part.info_frames;
    seconds_a_frame_ = static_cast<double>(part.frame_samples) / part.rate;
    owed_ -= part.frames;
    broken_ |= part.broken_end;
  }
  void settle() {
    if (owed_ > 1 || broken_) {
      cut_short = true;
      missing_ += seconds_a_frame_ * static_cast<double>(std::max<std::int64_t>(owed_, 1));
    }
    owed_ = 0;
    broken_ = false;
    if (cut_short) promised_seconds = seconds_ + missing_;
  }

  [[noreturn]] void broke_off() {
    refuse(file_->path(), "decoding broke off after {:.2f} s ({})",
           seconds_ + static_cast<double>(heard_) / std::max(rate, 1), mpg123_strerror(handle_.get()));
  }

  FilePtr file_;
  MpegParts parts_;
  ByteRange range_;
  std::unique_ptr<mpg123_handle, Delete> handle_;
  std::optional<MpegPart> part_;
  std::int64_t from_ = 0, until_ = 0,
               at_ = 0;     // samples of the part: what is heard of it, and where decoding is
  std::int64_t heard_ = 0;  // samples of the part that were given out
  double seconds_ = 0;      // of the parts before
  std::int64_t owed_ = 0;   // frames
  bool broken_ = false;
  double seconds_a_frame_ = 0, missing_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> open_mpeg(const FilePtr& file) {
  const std::optional<MpegPart> first = MpegParts(*file).next();
  if (!first) return nullptr;
  return std::make_unique<MpegDecoder>(file, *first);
}

}  // namespace melgrad
