// Where the frames of an MPEG audio file lie. Only headers are read, frame after frame, so that tags (ID3,
// APE), junk and the seams of joined files are seen for what they are, and so that no length that a header or
// an estimate states decides how much is heard: frames are counted.
#pragma once

#include <cstdint>
#include <optional>

#include "io/files/byte_range.h"

namespace melgrad {

// Frames without a gap between them, all of one rate and number of channels, to be decoded by themselves.
struct MpegPart {
  std::int64_t begin = 0,
               end = 0;  // bytes of the frames; a frame of Xing, LAME or Info before them is left out
  std::int64_t frames = 0;
  int frame_samples = 0, rate = 0, channels = 0;
  bool free_format = false;
  // Of the frame left out:
  bool has_info = false;
  std::int64_t info_frames = 0;         // that it promises, 0 if it does not
  std::int64_t delay = 0, padding = 0;  // samples that the encoder put before and after
  bool broken_end = false;              // the file ends within the frame after the last one
};

class MpegParts {
 public:
  explicit MpegParts(const InputFile& file) : bytes_(file) {}
  std::optional<MpegPart> next();

 private:
  struct Header {
    std::uint32_t bits = 0;
    int rate = 0, channels = 0, samples = 0, side = 0;
    std::int64_t length = 0;  // bytes; 0: in free format, to be found
  };
  static bool parse(std::uint32_t bits, Header& header);
  bool frame_at(std::int64_t at, Header& header);
  bool begins_at(std::int64_t at);
  std::int64_t free_length(std::int64_t at, std::uint32_t bits);
  std::int64_t tag_at(std::int64_t at);
  bool ends_well(std::int64_t at);
  bool find_begin();
  void read_info(const Header& first, MpegPart& part);
  bool is_info(std::int64_t at, const Header& header);

  ByteWalker bytes_;
  std::int64_t at_ = 0;
  std::int64_t start_ = 0;  // of the file behind its tags
  int wrong_tags_ = 0;
  std::int64_t free_length_ = 0;  // of frames in free format without padding, once it is known
  std::uint32_t free_bits_ = 0;
};

}  // namespace melgrad
