// A model as safetensors (huggingface/safetensors, format 0.4), to share weights with other programs: 8 bytes
// length of a JSON header, the header, the bytes of the tensors in its order without gaps. A checkpoint's
// parameters stand under their own names ("conv1.weight"), its other arrays as they are ("input/mean",
// "bands"), its texts in "__metadata__". Layouts are melgrad's: convolution kernels are [out, frames, bands,
// in] (PyTorch: [out, in, frames, bands]).
#pragma once

#include <cstdint>
#include <string>

#include "io/arrays/checkpoint.h"

namespace melgrad {

// Written whole or not at all. Throws Error (output), or Error (input) for a type that safetensors lacks.
void save_safetensors(const std::string& path, const Checkpoint& model);
// Throws Error (input) naming the file and the tensor. Nothing is allocated that the file does not hold.
Checkpoint load_safetensors(const std::string& path, std::int64_t max_bytes = std::int64_t{1} << 36);

}  // namespace melgrad
