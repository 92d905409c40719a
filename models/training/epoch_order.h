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

// The order of an epoch cut or filled to `steps` batches: [steps, batch], where a batch is `shards` shards,
// one after another. What the last batch has is dealt to its shards evenly; the rest is padding
// (BatchPlan::order) that repeats the shard's first track, or where it has none the batch's.
std::vector<std::int32_t> in_batches(std::vector<std::int32_t> order, std::int64_t steps, std::int64_t batch,
                                     std::int64_t shards);

}  // namespace melgrad
