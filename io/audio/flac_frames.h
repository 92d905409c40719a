// Frames of a FLAC file, found by their headers, where a decoder does not say why it stopped.
#pragma once

#include <cstdint>

#include "io/files/byte_range.h"

namespace melgrad {

// Whether a frame begins in the file that holds samples after the first `sample`: what lies between was then
// damaged, and the file is not one that was cut. `promised`: samples of the whole file, 0 if not known.
bool flac_goes_on_after(const InputFile& file, std::int64_t sample, std::int64_t promised);

}  // namespace melgrad
