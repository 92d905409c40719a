// The part of Python's pickle that a dictionary of tensors needs (protocols 2 to 4). See torch_file.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace melgrad {

// Where a tensor's numbers are: of a storage those from `offset` on, by strides.
struct TorchTensor {
  std::string storage, type;  // its key; "FloatStorage"
  std::int64_t storage_size = 0, offset = 0;
  std::vector<std::int64_t> shape, strides;
};

struct Unpickled {
  std::vector<std::pair<std::string, TorchTensor>> tensors;
  std::vector<std::string> keys;  // of a list of texts: the storages' order in files of before 1.6
};

// Reads one pickle at the start of `bytes` and moves them behind it. Throws Error (input) that begins with
// `where`.
Unpickled unpickle(std::string_view& bytes, const std::string& where);

}  // namespace melgrad
