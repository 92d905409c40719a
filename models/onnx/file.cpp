// What graph.h holds as a ModelProto of onnx.proto, which is Debian's (libonnx-dev).
#include "kernels/error.h"
#include "kernels/math/half.h"
#include "models/onnx/graph.h"
#include "onnx.pb.h"

namespace melgrad {
namespace {

// Little-endian, as the format wants it and as this machine has it.
template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

void set(onnx::AttributeProto& proto, const OnnxAttribute& attribute) {
  proto.set_name(attribute.name);
  if (const auto* i = std::get_if<std::int64_t>(&attribute.value)) {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(*i);
  } else if (const auto* f = std::get_if<float>(&attribute.value)) {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(*f);
  } else if (const auto* s = std::get_if<std::string>(&attribute.value)) {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(*s);
  } else {
    proto.set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t v : std::get<std::vector<std::int64_t>>(attribute.value)) proto.add_ints(v);
  }
}

void set(onnx::TensorProto& proto, const std::string& name, const OnnxConstant& constant) {
  proto.set_name(name);
  for (const std::int64_t extent : constant.shape) proto.add_dims(extent);
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&constant.values)) {
    proto.set_data_type(onnx::TensorProto::INT64);
    proto.set_raw_data(bytes_of(*integers));
    return;
  }
  const auto& floats = std::get<std::vector<float>>(constant.values);
  proto.set_data_type(constant.half ? onnx::TensorProto::FLOAT16 : onnx::TensorProto::FLOAT);
  if (!constant.half) return proto.set_raw_data(bytes_of(floats));
  std::vector<std::uint16_t> halves;
  for (const float value : floats) halves.push_back(float_to_half(value));
  proto.set_raw_data(bytes_of(halves));
}

void set(onnx::ValueInfoProto& proto, const OnnxPort& port) {
  proto.set_name(port.name);
  onnx::TypeProto::Tensor& tensor = *proto.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx::TensorProto::FLOAT);
  for (const std::string& extent : port.shape) {
    auto& dim = *tensor.mutable_shape()->add_dim();
    if (extent.find_first_not_of("0123456789") == std::string::npos) dim.set_dim_value(std::stoll(extent));
    else dim.set_dim_param(extent);
  }
}

}  // namespace

std::string onnx_file(const OnnxGraph& graph) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("melgrad");
  model.set_producer_version(MELGRAD_VERSION);
  onnx::OperatorSetIdProto& opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(17);
  for (const auto& [key, value] : graph.metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  onnx::GraphProto& proto = *model.mutable_graph();
  proto.set_name("melgrad");
  for (const OnnxNode& node : graph.nodes) {
    onnx::NodeProto& one = *proto.add_node();
    one.set_name(node.output);
    one.set_op_type(node.op);
    for (const std::string& input : node.inputs) one.add_input(input);
    one.add_output(node.output);
    for (const OnnxAttribute& attribute : node.attributes) set(*one.add_attribute(), attribute);
  }
  for (const auto& [name, constant] : graph.constants) set(*proto.add_initializer(), name, constant);
  for (const OnnxPort& port : graph.inputs) set(*proto.add_input(), port);
  for (const OnnxPort& port : graph.outputs) set(*proto.add_output(), port);
  std::string bytes;
  if (!model.SerializeToString(&bytes))
    fail(ErrorKind::input, "an ONNX file holds at most 2 GB, which this network exceeds");
  return bytes;
}

}  // namespace melgrad
