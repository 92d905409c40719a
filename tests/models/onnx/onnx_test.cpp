// Graphs as they are put together, and that every recipe's network becomes one. What the graphs compute is
// checked by onnxruntime (tests/onnx.sh).
#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "kernels/devices/make_device.h"
#include "models/embedded.h"
#include "models/onnx/export.h"
#include "tests/models/synthetic.h"

namespace melgrad {
namespace {

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

const Floats& floats(const OnnxGraph& graph, const std::string& name) {
  return std::get<Floats>(graph.constants.at(name).values);
}

std::int64_t count(const OnnxGraph& graph, const std::string& op) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const OnnxNode& n) { return n.op == op; });
}

TEST(OnnxGraph, EqualNodesAndConstantsAreOne) {
  OnnxGraph graph;
  const std::string one = graph.constant("w", {2}, Floats{1, 2});
  EXPECT_EQ(graph.constant("w", {2}, Floats{1, 2}), one);
  EXPECT_NE(graph.constant("w", {1, 2}, Floats{1, 2}), one);
  EXPECT_NE(graph.constant("w", {2}, Floats{1, 3}), one);
  const std::string y = graph.node("Softmax", {"x"}, {{"axis", std::int64_t{1}}});
  EXPECT_EQ(graph.node("Softmax", {"x"}, {{"axis", std::int64_t{1}}}), y);
  EXPECT_NE(graph.node("Softmax", {"x"}, {{"axis", std::int64_t{0}}}), y);
  EXPECT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.constants.size(), 3U);
}

// x -> Conv (1 channel to 2) -> BatchNormalization -> y
struct Normed {
  OnnxGraph graph;
  std::string convolved;
  Normed() {
    const std::string w = graph.constant("w", {2, 1, 1, 2}, Floats{1, 2, 3, 4}),
                      b = graph.constant("b", {2}, Floats{5, 6});
    convolved = graph.node("Conv", {"x", w, b});
    const auto of_channels = [&](const char* name, float first, float second) {
      return graph.constant(name, {2}, Floats{first, second});
    };
    const std::string y = graph.node("BatchNormalization",
                                     {convolved, of_channels("gamma", 2, 3), of_channels("beta", 0.5F, -1),
                                      of_channels("mean", 1, 2), of_channels("variance", 3, 8)},
                                     {{"epsilon", 1.0F}});
    graph.output({"y", {"n"}}, y);
  }
};

TEST(OnnxGraph, BatchNormsBecomePartOfWeights) {
  Normed normed;
  fold_batch_norms(normed.graph);
  drop_unused(normed.graph);
  ASSERT_EQ(normed.graph.nodes.size(), 2U);
  const OnnxNode& conv = normed.graph.nodes[0];
  EXPECT_EQ(conv.output, normed.graph.nodes[1].inputs[0]);
  // gamma / sqrt(variance + epsilon) is 1 and 1.
  EXPECT_EQ(floats(normed.graph, conv.inputs[1]), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(floats(normed.graph, conv.inputs[2]), (Floats{5 - 1 + 0.5F, 6 - 2 - 1}));
}

TEST(OnnxGraph, ABatchNormStaysWhereItsInputHasAnotherUse) {
  Normed normed;
  normed.graph.output({"z", {"n"}}, normed.graph.node("Relu", {normed.convolved}));
  fold_batch_norms(normed.graph);
  EXPECT_EQ(count(normed.graph, "BatchNormalization"), 1);
}

TEST(OnnxGraph, HalvesAreWidenedAgain) {
  Normed normed;
  const std::size_t whole = onnx_file(normed.graph).size();
  keep_as_half(normed.graph, "features.");
  EXPECT_EQ(count(normed.graph, "Cast"), 1);  // the rest has one axis
  EXPECT_TRUE(normed.graph.constants.at("w.half").half);
  EXPECT_FALSE(normed.graph.constants.contains("w"));
  EXPECT_EQ(normed.graph.nodes[0].output, "w");
  EXPECT_NE(onnx_file(normed.graph).size(), whole);
}

TEST(OnnxGraph, WhatAHalfCannotHoldStaysWhole) {
  OnnxGraph graph;
  graph.constant("w", {1, 2}, Floats{1, 65600});
  keep_as_half(graph, "features.");
  EXPECT_FALSE(graph.constants.at("w").half);
  EXPECT_TRUE(graph.nodes.empty());
}

// Networks with random weights.
class OnnxExport : public ::testing::Test {
 protected:
  LoadedModel random_network(const Recipe& recipe) {
    LoadedModel model{recipe, {"a", "b", "c"}, MelTables(recipe.features).bands(), nullptr};
    model.model = new_model(*device_, recipe, model.bands, model.classes.size());
    model.model->params().initialise(*device_, 1);
    if (recipe.input.standardise == Standardise::bands)
      model.model->standardise_input(*device_, Floats(static_cast<std::size_t>(model.bands), 1),
                                     Floats(static_cast<std::size_t>(model.bands), 2));
    return model;
  }
  OnnxGraph exported(LoadedModel& model, const OnnxOptions& options = {}) {
    return onnx_graph(*device_, model, options, "model");
  }
  std::unique_ptr<Device> device_ = make_device("cpu");
};

class OnnxOfRecipe : public OnnxExport, public ::testing::WithParamInterface<std::string> {};

std::vector<std::string> networks() {
  std::vector<std::string> names = names_of(embedded_recipes());
  std::erase_if(names, [](const std::string& name) { return name == "mtat" || name == "mtat-sota"; });
  return names;
}

INSTANTIATE_TEST_SUITE_P(Recipes, OnnxOfRecipe, ::testing::ValuesIn(networks()), [](const auto& param_info) {
  std::string name = param_info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

std::set<std::string> names(const std::vector<OnnxPort>& ports) {
  std::set<std::string> all;
  for (const OnnxPort& port : ports) all.insert(port.name);
  return all;
}

// Every input of a node is a constant, comes from a node before it, or enters.
void expect_in_order(const OnnxGraph& graph) {
  std::set<std::string> known = names(graph.inputs);
  for (const auto& [name, constant] : graph.constants) known.insert(name);
  for (const OnnxNode& node : graph.nodes) {
    for (const std::string& input : node.inputs)
      EXPECT_TRUE(known.contains(input)) << node.op << " " << input;
    EXPECT_TRUE(known.insert(node.output).second) << node.output;
  }
  for (const OnnxPort& port : graph.outputs) EXPECT_TRUE(known.contains(port.name)) << port.name;
}

TEST_P(OnnxOfRecipe, EveryNetworkIsAGraphFromSoundToAnswer) {
  LoadedModel model = random_network(load_recipe(GetParam()));
  const OnnxGraph graph = exported(model);
  expect_in_order(graph);
  EXPECT_EQ(names(graph.inputs), (std::set<std::string>{"audio"}));
  EXPECT_EQ(names(graph.outputs),
            (std::set<std::string>{"probabilities", "segments", "starts", "embedding"}));
  // All trainable numbers are there, but those of batch norms that became part of others.
  std::int64_t numbers = 0;
  for (const auto& [name, constant] : graph.constants)
    if (const auto* values = std::get_if<Floats>(&constant.values);
        values != nullptr && !name.starts_with("features."))
      numbers += std::ssize(*values);
  std::int64_t of_norms = 0;
  for (const Param& param : model.model->params().all())
    if (param.name.ends_with(".gamma") || param.name.ends_with(".beta")) of_norms += param.shape.numel();
  EXPECT_GE(numbers, model.model->params().count() - of_norms - 1);  // q of the harmonic filters is in them
}

TEST_P(OnnxOfRecipe, FeaturesOrOneSegmentAreTakenToo) {
  LoadedModel model = random_network(load_recipe(GetParam()));
  const OnnxGraph of_features = exported(model, {.front_end = OnnxFrontEnd::none});
  expect_in_order(of_features);
  EXPECT_EQ(of_features.inputs[0].shape,
            (std::vector<std::string>{"n", std::to_string(model.recipe.segment.frames),
                                      std::to_string(model.bands)}));
  const OnnxOptions one{.segments = OnnxSegments::one};
  if (model.recipe.features.top_db == 0) {
    expect_in_order(exported(model, one));
    return;
  }
  try {
    exported(model, one);
    FAIL() << "a segment knows no clip's maximum";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("features.top_db looks at the maximum"), std::string::npos);
  }
}

TEST_F(OnnxExport, HalfWeightsHalveTheFile) {
  LoadedModel model = random_network(load_recipe("mtat-crnn"));
  const auto bytes = [&](OnnxPrecision half) {
    return static_cast<double>(
        onnx_file(exported(model, {OnnxFrontEnd::none, OnnxSegments::all, half})).size());
  };
  EXPECT_NEAR(bytes(OnnxPrecision::f16) / bytes(OnnxPrecision::f32), 0.5, 0.05);
}

// 7, the first number of examples that is tried, divides its channels and its units.
TEST_F(OnnxExport, ExtentsAreToldFromTheNumberOfExamples) {
  Recipe recipe = load_recipe("mtat-cnn2d-gru");
  recipe.model.width = 7.0 / 32;
  LoadedModel model = random_network(recipe);
  const OnnxGraph graph = exported(model, {.front_end = OnnxFrontEnd::none});
  expect_in_order(graph);
  bool reshapes = false;
  for (const OnnxNode& node : graph.nodes) {
    if (node.op != "Reshape") continue;
    reshapes = true;
    const auto& shape = std::get<Ints>(graph.constants.at(node.inputs[1]).values);
    EXPECT_EQ(std::count(shape.begin(), shape.end(), -1), 1) << node.inputs[1];
    for (const std::int64_t extent : shape) EXPECT_NE(extent % 11, 0) << node.inputs[1];
  }
  EXPECT_TRUE(reshapes);
}

TEST_F(OnnxExport, ImportedFeaturesCannotBeComputed) {
  Recipe recipe = testing::small_recipe();
  recipe.features.preset = "imported";
  LoadedModel model = random_network(recipe);
  EXPECT_NO_THROW(exported(model, {.front_end = OnnxFrontEnd::none}));
  try {
    exported(model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input);
    EXPECT_EQ(std::string(error.what()).rfind("model: ", 0), 0U) << error.what();
  }
}

}  // namespace
}  // namespace melgrad
