// How pick_batch (kernels/ops.h) draws where a segment starts: the same on every device, and on the host when
// it cuts the segments itself.
#pragma once

#include "kernels/math/philox.h"

namespace melgrad {

// The track of an entry of BatchPlan::order, padding or not.
MELGRAD_HD inline std::int32_t repeated(std::int32_t entry) { return entry >= 0 ? entry : ~entry; }

// How many starts there are to choose from in a track of `rows` rows; one at least.
MELGRAD_HD inline std::int64_t segment_choices(std::int64_t rows, std::int64_t frames, bool skip_last_start) {
  const std::int64_t all = rows - frames + (skip_last_start ? 0 : 1);
  return all > 1 ? all : 1;
}

// `example`: its place in the batch, or 0 for all where they share one start.
MELGRAD_HD inline std::int64_t drawn_start(std::uint64_t seed, std::int64_t counter, std::int64_t example,
                                           std::int64_t choices) {
  constexpr std::uint32_t kStream = 0x5e6;  // of the generator
  const Philox4 random =
      philox(seed, kStream, static_cast<std::uint64_t>(counter), static_cast<std::uint64_t>(example));
  return uniform_below(random.word[0], choices);
}

}  // namespace melgrad
