// The size of the sound that the header of a WAV, RF64, W64, AIFF, AU, CAF or FLAC file states, beside what
// is there. A stated size may be wrong in two ways: larger than the file, which was then cut short; or not a
// size at all (0, -1, what programs write that stream into a pipe), and then the sound lasts to the end of
// the file.
#pragma once

#include <cstdint>
#include <vector>

#include "io/files/byte_range.h"

namespace melgrad {

struct SoundSize {
  // In bytes, or in frames for FLAC. 0: nothing is stated, or nothing of these formats was found.
  std::int64_t promised = 0;
  bool streamed = false;       // what is stated is no size
  std::int64_t there = 0;      // bytes; unknown (0) for FLAC
  std::vector<Patch> patches;  // what makes a decoder read all there is
};

// Of the file that begins at byte `begin`. Reads a few bytes a chunk, whatever the sizes say.
SoundSize sound_size(const InputFile& file, std::int64_t begin);

}  // namespace melgrad
