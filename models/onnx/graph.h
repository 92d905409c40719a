// OnnxGraph: an ONNX graph as it is put together (operators of opset 17, IR version 8), and the file it
// becomes. Equal nodes and equal constants are one, so that whoever builds may ask for the same twice.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace melgrad {

using OnnxShape = std::vector<std::int64_t>;

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>> value;
};

struct OnnxNode {
  std::string op;                   // "Conv"
  std::vector<std::string> inputs;  // "": left out
  std::string output;
  std::vector<OnnxAttribute> attributes;
};

struct OnnxConstant {
  OnnxShape shape;  // empty: a scalar
  std::variant<std::vector<float>, std::vector<std::int64_t>> values;
  bool half = false;  // floats that the file holds as f16

  bool operator==(const OnnxConstant&) const = default;
};

// An f32 input or output of the whole: extents are numbers, or names of what may vary.
struct OnnxPort {
  std::string name;
  std::vector<std::string> shape;
};

class OnnxGraph {
 public:
  // The name of its first output, which is all that is wanted of it.
  std::string node(const std::string& op, std::vector<std::string> from,
                   std::vector<OnnxAttribute> attributes = {});
  // The name of the constant: the one wished for unless another has it.
  std::string constant(const std::string& name, OnnxShape shape, std::vector<float> values);
  std::string constant(const std::string& name, OnnxShape shape, std::vector<std::int64_t> values);
  std::string scalar(float value);
  std::string integers(std::vector<std::int64_t> values);  // [n]

  void input(OnnxPort port) { inputs.push_back(std::move(port)); }
  // `value` leaves under the port's name.
  void output(OnnxPort port, const std::string& value);

  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxConstant> constants;
  std::vector<OnnxPort> inputs, outputs;
  std::vector<std::pair<std::string, std::string>> metadata;

 private:
  std::string add_constant(const std::string& name, OnnxConstant constant);

  std::map<std::string, std::string> known_;  // what a node computes -> its output
};

// Batch normalisation behind a convolution or a dense layer becomes part of its weights.
void fold_batch_norms(OnnxGraph& graph);
// Without nodes and constants that no output needs.
void drop_unused(OnnxGraph& graph);
// Constants of at least two axes whose name does not begin with `but` are kept as f16 and computed with as
// f32, but for those with a number that f16 cannot hold.
void keep_as_half(OnnxGraph& graph, const std::string& but);

// The bytes of a .onnx file: a ModelProto.
std::string onnx_file(const OnnxGraph& graph);

}  // namespace melgrad
