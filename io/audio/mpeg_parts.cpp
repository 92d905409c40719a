#include "io/audio/mpeg_parts.h"

#include <algorithm>
#include <string_view>

namespace melgrad {
namespace {

constexpr std::uint32_t kSame =
    0xFFFE0C00;                       // sync, version, layer, sample rate: equal in all frames of a stream
constexpr int kMostWrongTags = 1000;  // each costs a look elsewhere
constexpr std::int64_t kMostJunk = 1 << 24;  // bytes between two frames; a sparse file has no end of them
constexpr std::int64_t kMostFree = 1 << 13;  // bytes of a frame in free format

// kbit/s by [MPEG 1 or not][layer][index]
constexpr int kBitrates[2][3][16] = {
    {{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, -1},
     {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, -1},
     {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, -1}},
    {{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, -1},
     {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, -1},
     {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, -1}}};

std::uint32_t u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

}  // namespace

bool MpegParts::parse(std::uint32_t bits, Header& h) {
  const std::uint32_t version = bits >> 19 & 3,
                      layer = 4 - (bits >> 17 & 3);  // version 3, 2, 0: MPEG 1, 2, 2.5
  const std::uint32_t rate = bits >> 10 & 3;
  if (bits >> 21 != 0x7FF || version == 1 || layer == 4 || rate == 3) return false;
  const bool first = version == 3;
  const int kbits = kBitrates[first ? 0 : 1][layer - 1][bits >> 12 & 15];
  if (kbits < 0) return false;
  constexpr int kRates[3] = {44100, 48000, 32000};
  h.bits = bits;
  h.rate = kRates[rate] >> (first ? 0 : version == 2 ? 1 : 2);
  h.channels = (bits >> 6 & 3) == 3 ? 1 : 2;
  h.samples = layer == 1 ? 384 : layer == 2 || first ? 1152 : 576;
  h.side = h.channels == 1 ? (first ? 17 : 9) : (first ? 32 : 17);
  const int padding = bits >> 9 & 1;
  h.length = layer == 1 ? (12 * 1000 * kbits / h.rate + padding) * 4
                        : h.samples / 8 * 1000 * kbits / h.rate + padding;
  if (kbits == 0) h.length = 0;
  return true;
}

// The distance to the next header of the same kind.
std::int64_t MpegParts::free_length(std::int64_t at, std::uint32_t bits) {
  const bool layer1 = (bits >> 17 & 3) == 3;
  const int padding = (bits >> 9 & 1) * (layer1 ? 4 : 1);
  if (free_length_ > 0 && free_bits_ == (bits & kSame)) return free_length_ + padding;
  const std::string_view window = bytes_.peek(at, kMostFree);
  for (std::size_t i = 24; i + 4 <= window.size(); ++i) {
    Header next;
    if (window[i] != '\xFF' || !parse(u32(window, i), next) || next.length != 0 ||
        (next.bits & (kSame | 0xC0)) != (bits & (kSame | 0xC0)))
      continue;
    free_bits_ = bits & kSame;
    free_length_ = static_cast<std::int64_t>(i) - padding;
    return free_length_ + padding;
  }
  return 0;
}

bool MpegParts::frame_at(std::int64_t at, Header& header) {
  if (!parse(bytes_.u32_be(at), header)) return false;
  if (header.length == 0) header.length = free_length(at, header.bits);
  return header.length >= 24;
}

// The length of the tag at `at`, 0 if there is none.
std::int64_t MpegParts::tag_at(std::int64_t at) {
  const std::uint32_t start = bytes_.u32_be(at);
  if (start >> 8 == 0x494433) {  // "ID3": seven bits a byte, and perhaps a footer
    const std::uint32_t flags = bytes_.u32_be(at + 2) & 0xFF, size = bytes_.u32_be(at + 6);
    if ((size & 0x80808080) != 0) return 0;
    return 10 + (flags & 0x10 ? 10 : 0) +
           ((size & 0x7F) | (size >> 8 & 0x7F) << 7 | (size >> 16 & 0x7F) << 14 | (size >> 24 & 0x7F) << 21);
  }
  if (start >> 8 == 0x544147) return 128;                            // "TAG"
  if (start == 0x41504554 && bytes_.u32_be(at + 4) == 0x41474558) {  // "APETAGEX", with a header
    const std::uint32_t size = __builtin_bswap32(bytes_.u32_be(at + 12));
    return 32 + std::int64_t{size};
  }
  return 0;
}

bool MpegParts::ends_well(std::int64_t at) { return at == bytes_.size() || tag_at(at) > 0; }

// Three headers in a row, or fewer that end with the file or before a tag: not by chance.
bool MpegParts::begins_at(std::int64_t at) {
  Header first, next;
  if (!frame_at(at, first)) return false;
  std::int64_t then = at + first.length;
  for (int n = 1; n < 3; ++n) {
    if (n > 1 || at == start_ || is_info(at, first)) {
      if (ends_well(then)) return true;
    }
    if (!frame_at(then, next) || ((next.bits ^ first.bits) & kSame) != 0) return false;
    if (n == 1 && at == at_ && then + next.length > bytes_.size()) return true;
    then += next.length;
  }
  return true;
}

// Moves on to the next frame that is one.
bool MpegParts::find_begin() {
  const std::int64_t last = std::min(bytes_.size() - 24, at_ + kMostJunk);
  for (; at_ <= last; ++at_) {
    const std::string_view ahead = bytes_.peek(at_, 4);
    const char c = ahead.empty() ? '\0' : ahead[0];
    if (c == 'I' || c == 'A' || c == 'T') {
      // A size that leads nowhere is not believed: what follows is searched.
      const std::int64_t length = wrong_tags_ < kMostWrongTags ? tag_at(at_) : 0, after = at_ + length;
      if (length == 0) continue;
      if (ends_well(after) || begins_at(after)) {
        if (start_ == at_) start_ = after;
        at_ = after - 1;
      } else {
        ++wrong_tags_;
      }
    } else if (c == '\xFF' && begins_at(at_)) {
      return true;
    }
  }
  return false;
}

bool MpegParts::is_info(std::int64_t at, const Header& header) {
  const auto side = static_cast<std::size_t>(header.side);
  const std::string_view frame = bytes_.peek(at, 4 + side + 4);
  if (header.length < header.side + 12 || frame.size() < 4 + side + 4) return false;
  for (std::size_t i = 6; i < 4 + side; ++i)  // the first two may be a checksum
    if (frame[i] != 0) return false;
  return frame.substr(4 + side) == "Xing" || frame.substr(4 + side) == "Info";
}

void MpegParts::read_info(const Header& first, MpegPart& part) {
  part.has_info = true;
  const std::string_view frame = bytes_.peek(at_, static_cast<std::size_t>(first.length));
  std::size_t at = 4 + static_cast<std::size_t>(first.side) + 4;
  const std::uint32_t flags = at + 4 <= frame.size() ? u32(frame, at) : 0;
  at += 4;
  if ((flags & 1) != 0 && at + 4 <= frame.size()) part.info_frames = u32(frame, at);
  if (part.info_frames == 0xFFFFFFFF) part.info_frames = 0;
  at += (flags & 1 ? 4 : 0) + (flags & 2 ? 4 : 0) + (flags & 4 ? 100 : 0) + (flags & 8 ? 4 : 0);
  if (at + 24 <= frame.size() && frame[at] != 0) {
    const std::uint32_t both = u32(frame, at + 20) & 0xFFFFFF;
    part.delay = both >> 12;
    part.padding = both & 0xFFF;
  }
}

std::optional<MpegPart> MpegParts::next() {
  Header h;
  if (!find_begin() || !frame_at(at_, h)) return std::nullopt;
  MpegPart part{.begin = at_, .end = at_, .frame_samples = h.samples, .rate = h.rate, .channels = h.channels};
  const std::uint32_t bits = h.bits;
  part.free_format = (bits >> 12 & 15) == 0;
  if ((bits >> 17 & 3) == 1 && is_info(at_, h)) {
    read_info(h, part);
    part.begin = part.end = at_ += h.length;
  }
  while (frame_at(at_, h) && ((h.bits ^ bits) & kSame) == 0 && h.channels == part.channels) {
    if (part.frames > 0 && is_info(at_, h)) break;  // another file begins
    const std::int64_t after = at_ + h.length;
    if (after > bytes_.size()) {
      part.broken_end = true;
      at_ = bytes_.size();
      break;
    }
    Header next;
    if (!frame_at(after, next) && !ends_well(after)) {
      // Nothing follows where it should. A frame that begins within this one tells that this was cut.
      for (std::int64_t inside = at_ + 4; inside < after; ++inside) {
        if (bytes_.peek(inside, 1) != "\xFF" || !begins_at(inside)) continue;
        part.broken_end = true;
        at_ = inside;
        return part;
      }
    }
    ++part.frames;
    part.end = at_ = after;
  }
  // Less than a header may be all that is left of the next frame.
  const std::int64_t left = bytes_.size() - at_;
  if (part.frames > 0 && left > 0 && left < 4 && bytes_.peek(at_, 1) == "\xFF") part.broken_end = true;
  return part;
}

}  // namespace melgrad
