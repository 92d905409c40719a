// A TensorFlow V2 checkpoint ("tensor bundle"): PREFIX.index, a LevelDB table from names to entries
// (BundleEntryProto), and PREFIX.data-0000k-of-0000n with the bytes. Checksums (masked CRC-32C) of blocks and
// tensors are verified; compressed tables, partitioned tensors and big-endian files are refused.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "io/weights/weight_source.h"

namespace melgrad {

// `index` is the content of PREFIX.index, `shard` gives that of PREFIX.data-..., asked for once each.
std::unique_ptr<WeightSource> open_tensor_bundle(const std::string& prefix, const std::string& index,
                                                 const std::function<std::string(const std::string&)>& shard);

}  // namespace melgrad
