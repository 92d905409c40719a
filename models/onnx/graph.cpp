#include "models/onnx/graph.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "kernels/error.h"

namespace melgrad {
namespace {

std::string text_of(const OnnxAttribute& attribute) {
  std::string text = attribute.name + "=";
  if (const auto* i = std::get_if<std::int64_t>(&attribute.value)) return text + std::to_string(*i);
  if (const auto* f = std::get_if<float>(&attribute.value)) return text + fmt::format("{}", *f);
  if (const auto* s = std::get_if<std::string>(&attribute.value)) return text + *s;
  for (const std::int64_t i : std::get<std::vector<std::int64_t>>(attribute.value))
    text += std::to_string(i) + ",";
  return text;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::string OnnxGraph::node(const std::string& op, std::vector<std::string> from,
                            std::vector<OnnxAttribute> attributes) {
  std::string what = fmt::format("{}({})", op, fmt::join(from, ","));
  for (const OnnxAttribute& attribute : attributes) what += " " + text_of(attribute);
  const auto [it, is_new] = known_.try_emplace(what);
  if (is_new) {
    it->second = fmt::format("{}_{}", lower(op), nodes.size());
    nodes.push_back({op, std::move(from), it->second, std::move(attributes)});
  }
  return it->second;
}

std::string OnnxGraph::add_constant(const std::string& name, OnnxConstant constant) {
  std::string own = name;
  for (int k = 2;; ++k) {
    const auto [it, is_new] = constants.try_emplace(own, constant);
    if (is_new || it->second == constant) return own;
    own = fmt::format("{}.{}", name, k);
  }
}

std::string OnnxGraph::constant(const std::string& name, OnnxShape shape, std::vector<float> values) {
  return add_constant(name, {std::move(shape), std::move(values)});
}

std::string OnnxGraph::constant(const std::string& name, OnnxShape shape, std::vector<std::int64_t> values) {
  return add_constant(name, {std::move(shape), std::move(values)});
}

std::string OnnxGraph::scalar(float value) {
  return constant(fmt::format("{}", value), {}, std::vector<float>{value});
}

std::string OnnxGraph::integers(std::vector<std::int64_t> values) {
  const auto count = std::ssize(values);
  const std::string name = fmt::format("[{}]", fmt::join(values, ","));
  return constant(name, {count}, std::move(values));
}

void OnnxGraph::output(OnnxPort port, const std::string& value) {
  nodes.push_back({"Identity", {value}, port.name, {}});
  outputs.push_back(std::move(port));
}

namespace {

// The one node that reads a value; null if several do.
OnnxNode* only_reader(OnnxGraph& graph, const std::string& value) {
  OnnxNode* reader = nullptr;
  for (OnnxNode& node : graph.nodes)
    for (const std::string& input : node.inputs) {
      if (input != value) continue;
      if (reader != nullptr) return nullptr;
      reader = &node;
    }
  return reader;
}

const std::vector<float>* floats_of(const OnnxGraph& graph, const std::string& name) {
  const auto it = graph.constants.find(name);
  return it == graph.constants.end() ? nullptr : std::get_if<std::vector<float>>(&it->second.values);
}

float epsilon_of(const OnnxNode& norm) {
  for (const OnnxAttribute& attribute : norm.attributes)
    if (attribute.name == "epsilon") return std::get<float>(attribute.value);
  return 1e-5F;
}

// `layer` has weights [outputs, ...] and a bias [outputs], both constants that it alone may have: new ones
// take their place.
void fold(OnnxGraph& graph, OnnxNode& layer, const OnnxNode& norm) {
  OnnxConstant weights = graph.constants.at(layer.inputs[1]), bias = graph.constants.at(layer.inputs[2]);
  auto& w = std::get<std::vector<float>>(weights.values);
  auto& b = std::get<std::vector<float>>(bias.values);
  const auto of_norm = [&](std::size_t k) -> const std::vector<float>& {
    return *floats_of(graph, norm.inputs[k]);
  };
  const auto &gamma = of_norm(1), &beta = of_norm(2), &mean = of_norm(3), &variance = of_norm(4);
  const std::size_t row = w.size() / b.size();
  for (std::size_t o = 0; o < b.size(); ++o) {
    const double factor = gamma[o] / std::sqrt(static_cast<double>(variance[o]) + epsilon_of(norm));
    for (std::size_t i = 0; i < row; ++i) w[o * row + i] = static_cast<float>(w[o * row + i] * factor);
    b[o] = static_cast<float>((static_cast<double>(b[o]) - mean[o]) * factor + beta[o]);
  }
  layer.inputs[1] = graph.constant(layer.inputs[1] + ".folded", weights.shape, w);
  layer.inputs[2] = graph.constant(layer.inputs[2] + ".folded", bias.shape, b);
  layer.output = norm.output;
}

}  // namespace

void fold_batch_norms(OnnxGraph& graph) {
  std::set<std::string> folded;  // outputs of the norms
  for (OnnxNode& layer : graph.nodes) {
    if (layer.op != "Conv" && layer.op != "Gemm") continue;
    const OnnxNode* norm = only_reader(graph, layer.output);
    if (norm == nullptr || norm->op != "BatchNormalization") continue;
    if (layer.inputs.size() != 3 || floats_of(graph, layer.inputs[1]) == nullptr) continue;
    folded.insert(norm->output);
    fold(graph, layer, OnnxNode(*norm));
  }
  std::erase_if(graph.nodes, [&](const OnnxNode& node) {
    return node.op == "BatchNormalization" && folded.contains(node.output);
  });
}

void drop_unused(OnnxGraph& graph) {
  std::set<std::string> needed;
  for (const OnnxPort& port : graph.outputs) needed.insert(port.name);
  std::vector<OnnxNode> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!needed.contains(node->output)) continue;
    needed.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  graph.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  std::erase_if(graph.constants, [&](const auto& constant) { return !needed.contains(constant.first); });
}

void keep_as_half(OnnxGraph& graph, const std::string& but) {
  constexpr std::int64_t kFloat = 1;  // TensorProto's number of f32
  constexpr float kLargestHalf = 65504;
  std::vector<OnnxNode> widened;
  std::map<std::string, OnnxConstant> constants;
  for (auto& [name, constant] : graph.constants) {
    const auto* floats = std::get_if<std::vector<float>>(&constant.values);
    const bool fits = floats != nullptr && std::all_of(floats->begin(), floats->end(),
                                                       [](float v) { return std::abs(v) <= kLargestHalf; });
    if (!fits || constant.shape.size() < 2 || name.starts_with(but)) {
      constants[name] = std::move(constant);
      continue;
    }
    constant.half = true;
    constants[name + ".half"] = std::move(constant);
    widened.push_back({"Cast", {name + ".half"}, name, {{"to", kFloat}}});
  }
  graph.constants = std::move(constants);
  graph.nodes.insert(graph.nodes.begin(), std::make_move_iterator(widened.begin()),
                     std::make_move_iterator(widened.end()));
}

}  // namespace melgrad
