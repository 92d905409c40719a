#include "io/audio/audio_sizes.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace melgrad {
namespace {

constexpr int kMostChunks = 100000;  // looked at before the sound

std::uint64_t number(const InputFile& file, std::int64_t at, int bytes, bool big_endian) {
  unsigned char b[8] = {};
  file.read(at, b, static_cast<std::size_t>(bytes));
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | b[big_endian ? i : bytes - 1 - i];
  return value;
}

Patch patch(std::int64_t at, std::int64_t value, int bytes, bool big_endian) {
  Patch out{at, std::string(static_cast<std::size_t>(bytes), '\0')};
  for (int i = 0; i < bytes; ++i)
    out.bytes[static_cast<std::size_t>(big_endian ? bytes - 1 - i : i)] =
        static_cast<char>(value >> 8 * i & 0xFF);
  return out;
}

std::string text(const InputFile& file, std::int64_t at, std::size_t bytes) {
  std::string out(bytes, '\0');
  file.read(at, out.data(), bytes);
  return out;
}

// What programs write that cannot go back to the header: 0x7F000000 (sox), close below 2^31 or 2^32, or -1.
bool streamed(std::uint64_t size) {
  return (size >= 0x7F000000 && size <= 0x7F000100) || (size >= 0x7FFFF000 && size <= 0x80000000) ||
         (size >= 0xFFFFF000 && size <= 0xFFFFFFFF) || size >= (1ULL << 62);
}

// A family of formats made of chunks: how a chunk's head looks.
struct Chunks {
  int id_bytes, size_bytes;
  bool big_endian, size_counts_head;
  int align;
  std::int64_t head() const { return id_bytes + size_bytes; }
  std::int64_t body_size(const InputFile& file, std::int64_t at) const {
    const std::uint64_t size = number(file, at + id_bytes, size_bytes, big_endian);
    const std::uint64_t less = size_counts_head ? static_cast<std::uint64_t>(head()) : 0;
    return static_cast<std::int64_t>(std::min<std::uint64_t>(size < less ? 0 : size - less, 1ULL << 62));
  }
  std::int64_t next(std::int64_t at, std::int64_t body) const {
    return at + (head() + body + align - 1) / align * align;
  }
};
constexpr Chunks kRiff{4, 4, false, false, 2}, kRifx{4, 4, true, false, 2}, kW64{16, 8, false, true, 8},
    kCaf{4, 8, true, false, 1};

// Whether chunks with printable names lie from `at` to the end without a gap: then a chunk of sound before
// them that has no byte is empty indeed.
bool only_chunks(const InputFile& file, const Chunks& chunks, std::int64_t at) {
  for (int n = 0; n < kMostChunks && at + chunks.head() <= file.size(); ++n) {
    for (const char c : text(file, at, 4))
      if (std::isprint(static_cast<unsigned char>(c)) == 0) return false;
    at = chunks.next(at, chunks.body_size(file, at));
  }
  return at >= file.size() && at <= file.size() + 8;
}

// The place of the chunk whose id starts so, from `at` on; 0 if there is none.
std::int64_t find_chunk(const InputFile& file, const Chunks& chunks, std::int64_t at, const char* id) {
  for (int n = 0; n < kMostChunks && at + chunks.head() <= file.size(); ++n) {
    if (text(file, at, std::strlen(id)) == id) return at;
    at = chunks.next(at, chunks.body_size(file, at));
  }
  return 0;
}

// `stated` bytes of sound from `data` on.
SoundSize judge(const InputFile& file, std::uint64_t stated, std::int64_t data, bool empty_is_empty) {
  SoundSize out;
  out.there = std::max<std::int64_t>(0, file.size() - data);
  out.streamed = streamed(stated) ? stated > static_cast<std::uint64_t>(out.there)
                                  : stated == 0 && out.there > 0 && !empty_is_empty;
  out.promised = out.streamed ? 0 : static_cast<std::int64_t>(std::min<std::uint64_t>(stated, 1ULL << 62));
  return out;
}

SoundSize riff(const InputFile& file, std::int64_t begin, const Chunks& chunks, bool rf64) {
  const std::int64_t data = find_chunk(file, chunks, begin + 12, "data");
  if (data == 0) return {};
  std::uint64_t stated = number(file, data + 4, 4, chunks.big_endian);
  const std::int64_t ds64 = rf64 ? find_chunk(file, chunks, begin + 12, "ds64") : 0;
  const bool elsewhere = ds64 > 0 && ds64 < data && stated == 0xFFFFFFFF;
  if (elsewhere) stated = number(file, ds64 + 16, 8, false);
  SoundSize out = judge(file, stated, data + 8, stated == 0 && only_chunks(file, chunks, data + 8));
  if (out.streamed) {
    const std::int64_t all = file.size() - begin - 8;
    if (elsewhere) {
      out.patches = {patch(ds64 + 8, all, 8, false), patch(ds64 + 16, out.there, 8, false)};
    } else {
      out.patches = {patch(begin + 4, std::min<std::int64_t>(all, 0xFFFFFFFE), 4, chunks.big_endian),
                     patch(data + 4, std::min<std::int64_t>(out.there, 0xFFFFFFFE), 4, chunks.big_endian)};
    }
  }
  return out;
}

SoundSize w64(const InputFile& file, std::int64_t begin) {
  const std::int64_t data = find_chunk(file, kW64, begin + 40, "data");
  if (data == 0) return {};
  const std::uint64_t stated = number(file, data + 16, 8, false);
  SoundSize out = judge(file,
                        stated < 24           ? 0
                        : stated > 1ULL << 62 ? stated
                                              : stated - 24,
                        data + 24, stated == 24 && only_chunks(file, kW64, data + 24));
  if (out.streamed)
    out.patches = {patch(begin + 16, file.size() - begin, 8, false),
                   patch(data + 16, out.there + 24, 8, false)};
  return out;
}

SoundSize aiff(const InputFile& file, std::int64_t begin) {
  const std::int64_t comm = find_chunk(file, kRifx, begin + 12, "COMM");
  const std::int64_t ssnd = find_chunk(file, kRifx, begin + 12, "SSND");
  if (comm == 0 || ssnd == 0) return {};
  const std::uint64_t stated = number(file, ssnd + 4, 4, true);
  SoundSize out = judge(file,
                        stated <= 8        ? 0
                        : streamed(stated) ? stated
                                           : stated - 8,
                        ssnd + 16, stated == 8 && only_chunks(file, kRifx, ssnd + 16));
  if (out.streamed) {
    const std::int64_t frame =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(number(file, comm + 8, 2, true) *
                                                            ((number(file, comm + 14, 2, true) + 7) / 8)));
    out.patches = {patch(begin + 4, file.size() - begin - 8, 4, true),
                   patch(comm + 10, out.there / frame, 4, true), patch(ssnd + 4, out.there + 8, 4, true)};
  }
  return out;
}

SoundSize caf(const InputFile& file, std::int64_t begin) {
  const std::int64_t data = find_chunk(file, kCaf, begin + 8, "data");
  if (data == 0) return {};
  const std::uint64_t stated = number(file, data + 4, 8, true);  // with the count of edits, 4 bytes
  SoundSize out = judge(file,
                        stated <= 4           ? 0
                        : stated > 1ULL << 62 ? stated
                                              : stated - 4,
                        data + 16, stated == 4 && only_chunks(file, kCaf, data + 16));
  // A size beyond the file, too, is what libsndfile would not open here.
  if (out.streamed || out.promised > out.there) out.patches = {patch(data + 4, out.there + 4, 8, true)};
  return out;
}

SoundSize au(const InputFile& file, std::int64_t begin, bool big_endian) {
  const auto data = begin + static_cast<std::int64_t>(number(file, begin + 4, 4, big_endian));
  SoundSize out = judge(file, number(file, begin + 8, 4, big_endian), data, false);
  if (out.streamed)
    out.patches = {patch(begin + 8, std::min<std::int64_t>(out.there, 0xFFFFFFFE), 4, big_endian)};
  return out;
}

SoundSize flac(const InputFile& file, std::int64_t begin) {
  SoundSize out;
  const std::int64_t info = begin + 8;  // STREAMINFO comes first
  if ((number(file, begin + 4, 1, true) & 0x7F) != 0) return out;
  out.promised = static_cast<std::int64_t>(number(file, info + 10, 8, true) & 0xFFFFFFFFF);
  return out;
}

}  // namespace

SoundSize sound_size(const InputFile& file, std::int64_t begin) {
  const std::string magic = text(file, begin, 4), kind = text(file, begin + 8, 4);
  if ((magic == "RIFF" || magic == "RF64") && kind == "WAVE")
    return riff(file, begin, kRiff, magic == "RF64");
  if (magic == "RIFX" && kind == "WAVE") return riff(file, begin, kRifx, false);
  if (magic == "riff") return w64(file, begin);
  if (magic == "FORM") return aiff(file, begin);
  if (magic == "caff") return caf(file, begin);
  if (magic == ".snd" || magic == "dns.") return au(file, begin, magic == ".snd");
  if (magic == "fLaC") return flac(file, begin);
  return {};
}

}  // namespace melgrad
