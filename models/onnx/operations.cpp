// What each operation is in ONNX.
#include <algorithm>
#include <limits>
#include <numbers>

#include "kernels/error.h"
#include "models/onnx/recorder.h"

namespace melgrad {
namespace {

using Ints = std::vector<std::int64_t>;

std::int64_t last_of(const Tensor& t) { return t.dim(t.shape.rank() - 1); }

}  // namespace

// ---- element-wise ----------------------------------------------------------------------------------------

void OnnxRecorder::add(Tensor x, Grad y) {
  const bool adds = y.write == Write::accumulate;
  if (!lives(x) && !(adds && lives(y.tensor))) return OpsDecorator::add(x, y);
  if (!adds) return each(x, y.tensor, [](const std::string& name) { return name; });
  const Tensor& sum = y.tensor;
  const auto planes_of = [&](const Tensor& t) { return whole(t) ? find(t)->planes : std::string(); };
  const std::string a = planes_of(sum), b = planes_of(x);
  if (!a.empty() && !b.empty() && find(sum)->at.shape == find(x)->at.shape)
    put({sum.data, find(sum)->at.shape}, "", graph_->node("Add", {a, b}));
  else put(sum, graph_->node("Add", {operand(sum), operand(x)}), "");
}

void OnnxRecorder::activation_forward(Tensor x, Activation f, Out y) {
  if (!lives(x)) return OpsDecorator::activation_forward(x, f, y);
  OnnxGraph& g = *graph_;
  each(x, y, [&](const std::string& v) -> std::string {
    switch (f) {
      case Activation::relu:
        return g.node("Relu", {v});
      case Activation::elu:
        return g.node("Elu", {v});
      case Activation::sigmoid:
        return g.node("Sigmoid", {v});
      case Activation::tanh:
        return g.node("Tanh", {v});
      case Activation::decibels: {
        const auto per_neper = static_cast<float>(10 / std::numbers::ln10);
        return g.node("Mul", {g.node("Log", {g.node("Max", {v, g.scalar(1e-10F)})}), g.scalar(per_neper)});
      }
      case Activation::gelu: {
        const std::string erf =
            g.node("Erf", {g.node("Mul", {v, g.scalar(std::numbers::sqrt2_v<float> / 2)})});
        return g.node("Mul", {g.node("Mul", {v, g.scalar(0.5F)}), g.node("Add", {erf, g.scalar(1)})});
      }
      case Activation::silu:
        return g.node("Mul", {v, g.node("Sigmoid", {v})});
    }
    return v;
  });
}

void OnnxRecorder::softmax_forward(Tensor logits, Out probs) {
  if (!lives(logits)) return OpsDecorator::softmax_forward(logits, probs);
  put(probs, graph_->node("Softmax", {rows(logits)}, {{"axis", std::int64_t{-1}}}), "");
}

// ---- layers ----------------------------------------------------------------------------------------------

void OnnxRecorder::linear_forward(Tensor x, Tensor w, Tensor b, Out y) {
  if (!lives(x)) return OpsDecorator::linear_forward(x, w, b, y);
  std::string in, weights;
  const Value value = *find(x);
  if (whole(x) && !value.planes.empty() && x.dim(0) == value.at.dim(0)) {
    // All of an example: its weights are put in the order of planes, and nothing is moved.
    in = graph_->node("Flatten", {value.planes}, {{"axis", std::int64_t{1}}});
    weights = graph_->constant(name_of(w), {w.dim(0), w.dim(1)}, channels_first(w, value.at.dim(3)));
  } else {
    in = rows(x);
    weights = constant(w);
  }
  put(y, graph_->node("Gemm", {in, weights, constant(b)}, {{"transB", std::int64_t{1}}}), "");
  dense_[y.data] = {x, w, b};
}

std::string OnnxRecorder::convolved(const Tensor& x, const Tensor& w, const Tensor& b, const Conv2d& conv) {
  const std::string kernel =
      graph_->constant(name_of(w), {w.dim(0), w.dim(3), w.dim(1), w.dim(2)}, channels_first(w, w.dim(3)));
  return graph_->node("Conv", {planes(x), kernel, constant(b)},
                      {{"kernel_shape", Ints{w.dim(1), w.dim(2)}},
                       {"strides", Ints{conv.stride_t, conv.stride_f}},
                       {"pads", Ints{conv.pad_t, conv.pad_f, conv.pad_t, conv.pad_f}}});
}

std::string OnnxRecorder::max_pooled(const std::string& planes, const Pool2d& pool) {
  return graph_->node(
      "MaxPool", {planes},
      {{"kernel_shape", Ints{pool.frames, pool.bands}}, {"strides", Ints{pool.step_t(), pool.step_f()}}});
}

void OnnxRecorder::conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Out y) {
  if (!lives(x)) return OpsDecorator::conv2d_forward(x, w, b, conv, y);
  put(y, "", convolved(x, w, b, conv));
}

void OnnxRecorder::max_pool_forward(Tensor x, const Pool2d& pool, Out y, Out argmax) {
  if (!lives(x)) return OpsDecorator::max_pool_forward(x, pool, y, argmax);
  put(y, "", max_pooled(planes(x), pool));
}

void OnnxRecorder::stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) {
  if (!lives(x)) return OpsDecorator::stem_forward(x, w, b, pool, y, argmax);
  put(y, "", max_pooled(graph_->node("Relu", {convolved(x, w, b, {})}), pool));
}

void OnnxRecorder::batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean,
                                        Tensor running_variance, float epsilon, Out y) {
  if (!lives(x))
    return OpsDecorator::batch_norm_inference(x, gamma, beta, running_mean, running_variance, epsilon, y);
  const auto normed = [&](const std::string& v) {
    return graph_->node(
        "BatchNormalization",
        {v, constant(gamma), constant(beta), constant(running_mean), constant(running_variance)},
        {{"epsilon", epsilon}});
  };
  // Channels are the second axis of what it takes.
  if (x.shape.rank() == 4) return put(y, "", normed(planes(x)));
  const std::string flat = normed(rows({x.data, {x.numel() / last_of(x), last_of(x)}, x.dtype}));
  put({y.data, {x.numel() / last_of(x), last_of(x)}, y.dtype}, flat, "");
}

void OnnxRecorder::recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Out states,
                                     Out saved) {
  if (!lives(x)) return OpsDecorator::recurrent_forward(x, u, b, recurrent, states, saved);
  const auto dense = dense_.find(x.data);
  require(dense != dense_.end() && !recurrent.lengths,
          "OnnxRecorder: a recurrent layer without its dense one");
  const Dense& input = dense->second;
  const std::int64_t steps = x.dim(0), units = u.dim(1), gates = gates_of(recurrent.cell);
  // ONNX has the gates of an LSTM as i, o, f, c where ours are i, f, g, o, those of a GRU as z, r, h of r, z,
  // n.
  const Ints order = recurrent.cell == Cell::lstm  ? Ints{0, 3, 1, 2}
                     : recurrent.cell == Cell::gru ? Ints{1, 0, 2}
                                                   : Ints{0};
  const auto ordered = [&](const Tensor& t) {
    const std::vector<float> from = numbers(t);
    const auto size = static_cast<std::ptrdiff_t>(from.size()) / gates;
    std::vector<float> to;
    for (const std::int64_t gate : order)
      to.insert(to.end(), from.begin() + gate * size, from.begin() + (gate + 1) * size);
    return to;
  };
  std::vector<float> biases = ordered(input.b);
  const std::vector<float> of_state = ordered(b);
  biases.insert(biases.end(), of_state.begin(), of_state.end());
  std::vector<OnnxAttribute> attributes = {{"hidden_size", units}};
  if (recurrent.reverse) attributes.push_back({"direction", std::string("reverse")});
  if (recurrent.cell == Cell::gru) attributes.push_back({"linear_before_reset", std::int64_t{1}});
  const std::int64_t width = input.w.dim(1);
  const std::string all =
      graph_->node(recurrent.cell == Cell::lstm  ? "LSTM"
                   : recurrent.cell == Cell::gru ? "GRU"
                                                 : "RNN",
                   {rows({input.x.data, {steps, x.dim(1), width}, input.x.dtype}),
                    graph_->constant(name_of(input.w), {1, gates * units, width}, ordered(input.w)),
                    graph_->constant(name_of(u), {1, gates * units, units}, ordered(u)),
                    graph_->constant(name_of(input.b), {1, 2 * gates * units}, biases)},
                   attributes);
  const std::int64_t first = recurrent.reverse ? 0 : x.dim(1) * units;
  put(states.span(first, steps * x.dim(1) * units, {steps, x.dim(1), units}),
      graph_->node("Squeeze", {all, graph_->integers({1})}), "");
}

// ---- pooling ---------------------------------------------------------------------------------------------

void OnnxRecorder::pool(const std::string& reduction, const Tensor& x, const Tensor& lengths,
                        const Tensor& y) {
  require(!lengths, "OnnxRecorder: {} over a part", reduction);
  const Value value = *find(x);
  const Shape s = value.at.shape;
  const auto reduced = [&](const std::string& of, Ints axes, std::int64_t kept) {
    return graph_->node(reduction, {of}, {{"axes", std::move(axes)}, {"keepdims", kept}});
  };
  if (whole(x) && !value.planes.empty() && x.dim(2) == s[3] && x.dim(0) == s[0])
    return put(y, reduced(value.planes, {2, 3}, 0), "");
  if (whole(x) && !value.planes.empty() && x.dim(2) == s[3] && x.dim(0) == s[0] * s[1])
    return put({y.data, {s[0], s[1], 1, s[3]}, y.dtype}, "", reduced(value.planes, {3}, 1));
  put(y, reduced(rows(x), {1}, 0), "");
}

void OnnxRecorder::global_max_forward(Tensor x, Tensor lengths, Out y, Out argmax) {
  if (!lives(x)) return OpsDecorator::global_max_forward(x, lengths, y, argmax);
  pool("ReduceMax", x, lengths, y);
}

void OnnxRecorder::global_mean_forward(Tensor x, Tensor lengths, Out y) {
  if (!lives(x)) return OpsDecorator::global_mean_forward(x, lengths, y);
  pool("ReduceMean", x, lengths, y);
}

void OnnxRecorder::attention_pool_forward(Tensor x, Tensor scores, Out weights, Out y) {
  if (!lives(x)) return OpsDecorator::attention_pool_forward(x, scores, weights, y);
  const std::int64_t places = x.dim(1), heads = scores.dim(2), channels = x.dim(2) / heads;
  const auto of_heads = [&](const std::string& v, std::int64_t width) {
    return graph_->node("Reshape", {v, graph_->integers({-1, places, heads, width})});
  };
  const std::string shares =
      of_heads(graph_->node("Softmax", {rows(scores)}, {{"axis", std::int64_t{1}}}), 1);
  const std::string weighed = graph_->node("Mul", {of_heads(rows(x), channels), shares});
  const std::string sum =
      graph_->node("ReduceSum", {weighed, graph_->integers({1})}, {{"keepdims", std::int64_t{0}}});
  put(y, graph_->node("Reshape", {sum, graph_->integers({-1, x.dim(2)})}), "");
}

// ---- channels and columns --------------------------------------------------------------------------------

void OnnxRecorder::scale_channels_forward(Tensor x, Tensor g, Out y) {
  if (!lives(x)) return OpsDecorator::scale_channels_forward(x, g, y);
  if (!lives(g)) {  // the same for all examples
    require(g.dim(0) == 1, "OnnxRecorder: factors {} of each example", g.shape.str());
    const std::string factors = graph_->constant("factors", {g.dim(1)}, numbers(g));
    const Tensor flat{x.data, {x.dim(1), x.dim(2)}, x.dtype};
    return put({y.data, flat.shape, y.dtype}, graph_->node("Mul", {rows(flat), factors}), "");
  }
  const Value value = *find(x);
  const bool planar =
      whole(x) && !value.planes.empty() && x.dim(0) == value.at.dim(0) && x.dim(2) == value.at.dim(3);
  const std::string gate =
      graph_->node("Unsqueeze", {rows(g), graph_->integers(planar ? Ints{2, 3} : Ints{1})});
  if (planar) put({y.data, value.at.shape, y.dtype}, "", graph_->node("Mul", {value.planes, gate}));
  else put(y, graph_->node("Mul", {rows(x), gate}), "");
}

void OnnxRecorder::copy_columns(Tensor from, std::int64_t from_column, InOut to, std::int64_t to_column,
                                std::int64_t columns, Write write) {
  const auto begun = columns_.find(begin_of(to));
  if (!lives(from) && begun == columns_.end())
    return OpsDecorator::copy_columns(from, from_column, to, to_column, columns, write);
  Columns& all = columns_.try_emplace(begin_of(to), Columns{to, {}}).first->second;
  std::int64_t next = 0;
  for (const Columns::Part& part : all.parts) next += part.count;
  require(write == Write::overwrite && to_column == next && lives(from),
          "OnnxRecorder: columns out of order");
  all.parts.push_back({to_column, columns, from, from_column});
}

void OnnxRecorder::join(const Columns& columns) {
  const Tensor& matrix = columns.matrix;
  std::vector<std::string> flat, planar;
  std::int64_t width = 0;
  Shape shape;
  for (const Columns::Part& part : columns.parts) {
    const Value value = *find(part.from);
    const Shape s = value.at.shape;
    width += part.count;
    const bool channels = whole(part.from) && !value.planes.empty() && part.count == s[3];
    if (channels && (planar.empty() || (shape[1] == s[1] && shape[2] == s[2]))) {
      planar.push_back(value.planes);
      shape = s;
    }
  }
  if (planar.size() == columns.parts.size() && width == matrix.dim(1))
    return put({matrix.data, {shape[0], shape[1], shape[2], width}, matrix.dtype}, "",
               graph_->node("Concat", planar, {{"axis", std::int64_t{1}}}));
  for (const Columns::Part& part : columns.parts) {
    std::string name = rows(part.from);
    if (part.count < part.from.dim(1))
      name =
          graph_->node("Slice", {name, graph_->integers({part.from_column}),
                                 graph_->integers({part.from_column + part.count}), graph_->integers({1})});
    flat.push_back(name);
  }
  std::string all = flat.size() == 1 ? flat[0] : graph_->node("Concat", flat, {{"axis", std::int64_t{1}}});
  if (width < matrix.dim(1)) {  // zeros stand there (append_frames)
    const std::vector<float> rest = numbers(matrix);
    require(std::all_of(rest.begin(), rest.end(), [](float v) { return v == 0; }),
            "OnnxRecorder: columns missing");
    all = graph_->node("Pad", {all, graph_->integers({0, 0, 0, matrix.dim(1) - width})});
  }
  put(matrix, all, "");
}

void OnnxRecorder::swap_axes(Tensor x, Grad y) {
  if (!lives(x)) return OpsDecorator::swap_axes(x, y);
  put(y.tensor, graph_->node("Transpose", {rows(x)}, {{"perm", Ints{1, 0, 2}}}), "");
}

// ---- the input -------------------------------------------------------------------------------------------

void OnnxRecorder::resample(Tensor x, const Resample& resample, Out y) {
  require(
      resample.reverse == 1 && resample.tempo == 0 && resample.band_scale == 0 && resample.band_shift == 0,
      "OnnxRecorder: only turning round has a form in ONNX");
  put(y, "",
      graph_->node("Slice", {planes(x), graph_->integers({-1}),
                             graph_->integers({std::numeric_limits<std::int64_t>::min()}),
                             graph_->integers({2}), graph_->integers({-1})}));
}

void OnnxRecorder::standardise(Tensor x, Tensor mean, Tensor scale, Out y) {
  if (!lives(x)) return OpsDecorator::standardise(x, mean, scale, y);
  const std::string centred =
      graph_->node("Sub", {planes(x), graph_->constant("input.mean", {mean.dim(0)}, numbers(mean))});
  put(y, "", graph_->node("Mul", {centred, graph_->constant("input.scale", {scale.dim(0)}, numbers(scale))}));
}

void OnnxRecorder::beside_mean(Tensor x, Tensor mean, float scale, Out y) {
  if (!lives(x)) return OpsDecorator::beside_mean(x, mean, scale, y);
  const std::string of_bands = graph_->node("Unsqueeze", {rows(mean), graph_->integers({1, 2})});
  const std::string above =
      graph_->node("Mul", {graph_->node("Sub", {planes(x), of_bands}), graph_->scalar(scale)});
  put(y, "", graph_->node("Concat", {planes(x), above}, {{"axis", std::int64_t{1}}}));
}

}  // namespace melgrad
