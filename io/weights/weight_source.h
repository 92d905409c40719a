// Weights as other programs publish them: named tensors, read one by one. Nothing in such a file is executed,
// and nothing is allocated that the file cannot hold.
//
//   .safetensors             Hugging Face
//   .pth, .pt                PyTorch: a state_dict of tensors, in both layouts (torch_file.h)
//   PREFIX[.index]           TensorFlow V2 checkpoint (tensor_bundle.h)
//   .whl, .zip               an archive that holds any of these; `entry` says which
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/arrays/host_array.h"

namespace melgrad {

struct SourceTensor {
  std::string name;
  std::string type;                 // as its format calls it: "F32", "FloatStorage"
  std::vector<std::int64_t> shape;  // empty: one number
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  const std::vector<SourceTensor>& tensors() const { return tensors_; }
  // The k-th of them in float32, row-major, [1] for a single number. Throws Error (input) for a type that
  // holds no real numbers, and where the file is damaged.
  virtual HostArray read(std::size_t k) const = 0;

 protected:
  std::vector<SourceTensor> tensors_;
};

// By what the file holds. `entry`: of an archive, the checkpoint whose path contains it. Throws Error (input)
// for what is none of these, and names the checkpoints of an archive where `entry` does not choose one.
std::unique_ptr<WeightSource> open_weights(const std::string& path, const std::string& entry = "");

// ---- for the readers of formats
// Floats of any width as float32; `bytes` is row-major, little-endian. kind: 'f' IEEE, 'b' bfloat16.
HostArray floats(char kind, std::size_t width, const std::vector<std::int64_t>& shape,
                 std::string_view bytes);
// The numbers of a tensor, or Error (input) that begins with `where` if they would need more than `most`
// bytes.
std::uint64_t count_within(const std::vector<std::int64_t>& shape, std::uint64_t width, std::uint64_t most,
                           const std::string& where);

}  // namespace melgrad
