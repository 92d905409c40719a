// Which tracks make up an epoch, in which order: a function of the seed and the epoch alone.
#pragma once

#include <cstdint>
#include <vector>

namespace melgrad {

// All of `tracks`.
std::vector<std::int32_t> shuffled_epoch(const std::vector<std::int32_t>& tracks, std::uint64_t seed,
                                         std::int64_t epoch);
// As many, the same number of each label or one more; `labels` are those of `tracks`. Each track of a label
// comes once before any comes again.
std::vector<std::int32_t> balanced_epoch(const std::vector<std::int32_t>& tracks,
                                         const std::vector<std::int32_t>& labels, std::uint64_t seed,
                                         std::int64_t epoch);

}  // namespace melgrad
