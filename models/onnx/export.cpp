#include "models/onnx/export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/memory.h"
#include "models/onnx/recorder.h"
#include "models/training/evaluator.h"
#include "models/training/task.h"

namespace melgrad {
namespace {

using Ints = std::vector<std::int64_t>;

// Where each segment of features [1, frames, bands] begins, in frames: [n], as segment_starts has them.
std::string starts_of(OnnxGraph& graph, const std::string& features, const SegmentOptions& segment) {
  const auto number = [&](const char* name, std::int64_t value) {
    return graph.constant(name, {}, Ints{value});
  };
  const std::string rows =
      graph.node("Gather", {graph.node("Shape", {features}), number("axis", 1)}, {{"axis", std::int64_t{0}}});
  const std::string last = graph.node("Sub", {rows, number("segment.frames", segment.frames)});
  const std::string zero = number("zero", 0), one = number("one", 1);
  if (segment.test_crops > 0) {
    const std::string crops = number("segment.crops", segment.test_crops);
    return graph.node("Mul", {graph.node("Range", {zero, crops, one}), graph.node("Div", {last, crops})});
  }
  const std::string step = number("segment.step", segment_step(segment));
  // One at least, whose rows are then not there: the runtime refuses what is shorter than a segment.
  const std::string count =
      graph.node("Max", {graph.node("Add", {graph.node("Div", {last, step}), one}), one});
  return graph.node("Mul", {graph.node("Range", {zero, count, one}), step});
}

// Rows begin, begin + 1, ... of features [1, frames, bands] for each of `starts`: [n, 1, T, bands]
std::string cut(OnnxGraph& graph, const std::string& features, const std::string& starts, std::int64_t frames,
                std::int64_t bands) {
  Ints within;
  for (std::int64_t t = 0; t < frames; ++t) within.push_back(t);
  const std::string rows = graph.node("Add", {graph.node("Unsqueeze", {starts, graph.integers({1})}),
                                              graph.constant("segment.rows", {1, frames}, within)});
  const std::string segments = graph.node("Gather", {features, rows}, {{"axis", std::int64_t{1}}});
  return graph.node("Reshape", {segments, graph.integers({-1, 1, frames, bands})});
}

struct Heard {
  std::string probabilities, embedding;  // of segments, [n, classes] and [n, width]
  std::int64_t width = 0;
};

// The network on `planes` [n, 1, frames, bands]; nothing where the extents could not be told apart.
std::optional<Heard> hear(Device& device, LoadedModel& model, OnnxGraph& graph, const std::string& planes,
                          std::int64_t examples) {
  OnnxDevice recording(device, graph, model.model->params(), examples);
  OnnxRecorder& ops = recording.ops();
  Arena arena(recording);
  Tape tape(recording, arena);
  tape.reset(false);
  const auto segments = [&] {
    const Tensor x = tape.take({examples, model.recipe.segment.frames, model.bands, 1});
    ops.enters(x, planes);
    return x;
  };
  const auto probabilities = [&](Tensor x) {
    return ops.value(task_of(model.recipe).probabilities(tape, model.model->logits(tape, x, {})));
  };
  Heard heard;
  heard.probabilities = probabilities(segments());
  if (model.recipe.segment.test_reverse) {
    const Tensor x = segments();
    ops.resample(x, {{.reverse = 1}, 0, {}}, x);
    const std::string both = graph.node("Add", {heard.probabilities, probabilities(x)});
    heard.probabilities = graph.node("Mul", {both, graph.scalar(0.5F)});
  }
  const Tensor embedding = tape.value(model.model->embedding(tape, segments()));
  heard.width = embedding.numel() / examples;
  heard.embedding = ops.value(embedding.reshape({examples, heard.width}));
  if (ops.ambiguous()) return {};
  return heard;
}

// The fewest samples that make so many frames, and that can be mirrored.
std::int64_t samples_for(const MelTables& tables, std::int64_t frames) {
  const MelOptions& o = tables.options;
  std::int64_t samples = std::max<std::int64_t>(1, (frames - 1) * o.hop_length);
  if (o.padding == Padding::reflect) samples = std::max<std::int64_t>(samples, o.n_fft / 2 + 1);
  while (tables.frames(samples) < frames) ++samples;
  return samples;
}

void describe(OnnxGraph& graph, const LoadedModel& model, const OnnxOptions& options) {
  const MelOptions& features = model.recipe.features;
  const SegmentOptions& segment = model.recipe.segment;
  graph.metadata = {{"classes", nlohmann::json(model.classes).dump()}, {"recipe", as_toml(model.recipe)}};
  if (options.front_end != OnnxFrontEnd::none) {
    graph.metadata.emplace_back("sample_rate", std::to_string(features.sample_rate));
    graph.metadata.emplace_back("segment_samples",
                                std::to_string(samples_for(MelTables(features), segment.frames)));
  } else {
    graph.metadata.emplace_back("frames", std::to_string(segment.frames));
    graph.metadata.emplace_back("bands", std::to_string(model.bands));
  }
}

std::optional<OnnxGraph> with_examples(Device& device, LoadedModel& model, const OnnxOptions& options,
                                       std::int64_t examples) {
  OnnxGraph graph;
  const Recipe& recipe = model.recipe;
  const std::int64_t frames = recipe.segment.frames, bands = model.bands;
  const bool sound = options.front_end != OnnxFrontEnd::none;
  const bool clip = sound && options.segments == OnnxSegments::all;
  std::string planes, starts;
  if (!sound) {
    graph.input({"features", {"n", std::to_string(frames), std::to_string(bands)}});
    planes = graph.node("Unsqueeze", {"features", graph.integers({1})});
  } else if (clip) {
    graph.input({"audio", {"samples"}});
    const std::string row = graph.node("Unsqueeze", {"audio", graph.integers({0})});
    const std::string features = onnx_front_end(graph, row, recipe.features, options.front_end, true);
    starts = starts_of(graph, features, recipe.segment);
    planes = cut(graph, features, starts, frames, bands);
  } else {
    graph.input({"audio", {"n", "samples"}});
    const std::string features = onnx_front_end(graph, "audio", recipe.features, options.front_end, false);
    const std::string first =
        graph.node("Slice", {features, graph.integers({0}), graph.integers({frames}), graph.integers({1})});
    planes =
        graph.node("Reshape", {first, graph.integers({0, 1, frames, bands})});  // 0: as many as there are
  }
  const std::optional<Heard> heard = hear(device, model, graph, planes, examples);
  if (!heard) return {};
  const std::string classes = std::to_string(model.classes.size());
  if (clip) {
    const std::string mean =
        graph.node("ReduceMean", {heard->probabilities}, {{"axes", Ints{0}}, {"keepdims", std::int64_t{0}}});
    graph.output({"probabilities", {classes}}, mean);
    graph.output({"segments", {"n", classes}}, heard->probabilities);
    const auto frame =
        static_cast<float>(recipe.features.hop_length) / static_cast<float>(recipe.features.sample_rate);
    graph.output(
        {"starts", {"n"}},
        graph.node("Mul", {graph.node("Cast", {starts}, {{"to", std::int64_t{1}}}), graph.scalar(frame)}));
  } else {
    graph.output({"probabilities", {"n", classes}}, heard->probabilities);
  }
  graph.output({"embedding", {"n", std::to_string(heard->width)}}, heard->embedding);
  return graph;
}

}  // namespace

OnnxGraph onnx_graph(Device& device, LoadedModel& model, const OnnxOptions& options,
                     const std::string& name) {
  if (options.front_end != OnnxFrontEnd::none && model.recipe.features.preset == "imported")
    fail(ErrorKind::input,
         "{}: was trained on imported features; melgrad cannot compute those from audio: --frontend none",
         name);
  for (const std::int64_t examples : {7, 11, 13, 17, 19, 23, 29, 31}) {
    std::optional<OnnxGraph> graph = with_examples(device, model, options, examples);
    if (!graph) continue;
    fold_batch_norms(*graph);
    drop_unused(*graph);
    if (options.precision == OnnxPrecision::f16) keep_as_half(*graph, "features.");
    describe(*graph, model, options);
    return *std::move(graph);
  }
  fail(ErrorKind::internal, "onnx_graph: no number of examples tells them from other extents");
}

}  // namespace melgrad
