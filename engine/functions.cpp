#include "engine/functions.h"

#include "engine/param.h"

namespace melgrad {
namespace {

std::int64_t convolved(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return (in + 2 * pad - kernel) / stride + 1;
}

void check_conv(const char* name, const Shape& x, const Shape& w, const Shape& y) {
  require(x.rank() == 4 && w.rank() == 4 && x[3] == w[3] && y[1] > 0 && y[2] > 0,
          "{}: input {} does not fit weights {}", name, x.str(), w.str());
}

// `shape` with another extent of one axis.
Shape with_extent(const Shape& shape, int axis, std::int64_t extent) {
  const auto e = [&](int a) { return a == axis ? extent : shape[a]; };
  switch (shape.rank()) {
    case 1:
      return {e(0)};
    case 2:
      return {e(0), e(1)};
    case 3:
      return {e(0), e(1), e(2)};
    default:
      return {e(0), e(1), e(2), e(3)};
  }
}

Var linear_of(Tape& tape, Var x, std::int64_t rows, Param& w, Param& b) {
  const Tensor in = tape.value(x);
  const std::int64_t width = in.numel() / rows;
  require(width == w.shape[1], "linear: input {} does not fit weights {}", in.shape.str(), w.shape.str());
  const Tensor flat = in.reshape({rows, width});
  const Tensor y = tape.take({rows, w.shape[0]});
  const Var vw = tape.param(w), vb = tape.param(b);
  tape.ops().linear_forward(flat, w.value, b.value, y);
  return tape.result(y, {x, vw, vb}, [&tape, x, vw, vb, flat](Tensor dy) {
    tape.ops().linear_backward_params(flat, dy, tape.gradient_of(vw), tape.gradient_of(vb));
    if (!tape.needs_grad(x)) return;
    tape.ops().linear_backward_input(dy, tape.value(vw), tape.gradient_of(x).reshape(flat.shape));
  });
}

}  // namespace

Var linear(Tape& tape, Var x, Param& w, Param& b) { return linear_of(tape, x, tape.value(x).dim(0), w, b); }

Var linear_rows(Tape& tape, Var x, Param& w, Param& b) {
  return linear_of(tape, x, tape.value(x).numel() / w.shape[1], w, b);
}

Var conv2d(Tape& tape, Var x, Param& w, Param& b, const Conv2d& conv) {
  const Tensor in = tape.value(x);
  const Shape out{in.dim(0), convolved(in.dim(1), w.shape[1], conv.stride_t, conv.pad_t),
                  convolved(in.dim(2), w.shape[2], conv.stride_f, conv.pad_f), w.shape[0]};
  check_conv("conv2d", in.shape, w.shape, out);
  const Tensor y = tape.take(out, tape.activation_type());
  const Var vw = tape.param(w), vb = tape.param(b);
  tape.ops().conv2d_forward(in, w.value, b.value, conv, y);
  return tape.result(y, {x, vw, vb}, [&tape, x, vw, vb, in, conv](Tensor dy) {
    tape.ops().conv2d_backward_params(in, dy, conv, tape.gradient_of(vw), tape.gradient_of(vb));
    if (!tape.needs_grad(x)) return;
    tape.ops().conv2d_backward_input(dy, tape.value(vw), conv, tape.gradient_of(x));
  });
}

Var max_pool(Tape& tape, Var x, const Pool2d& pool) {
  const Tensor in = tape.value(x);
  const Shape out{in.dim(0), pool.frames_of(in.dim(1)), pool.bands_of(in.dim(2)), in.dim(3)};
  require(out.numel() > 0, "max_pool: input {} is smaller than the window {} x {}", in.shape.str(),
          pool.frames, pool.bands);
  const Tensor y = tape.take(out, in.dtype), argmax = tape.take(out, DType::u8);
  tape.ops().max_pool_forward(in, pool, y, argmax);
  return tape.result(y, {x}, [&tape, x, pool, argmax](Tensor dy) {
    tape.ops().max_pool_backward(dy, argmax, pool, tape.gradient_of(x));
  });
}

Var stem(Tape& tape, Var x, Param& w, Param& b, const Pool2d& pool) {
  const Tensor in = tape.value(x);
  const Shape out{in.dim(0), (in.dim(1) - w.shape[1] + 1) / pool.frames,
                  (in.dim(2) - w.shape[2] + 1) / pool.bands, w.shape[0]};
  check_conv("stem", in.shape, w.shape, out);
  require(in.dim(3) == 1 && !tape.needs_grad(x), "stem: input {} must be data of one channel",
          in.shape.str());
  require(pool.stride_t == 0 && pool.stride_f == 0, "stem: its windows lie side by side");
  const Tensor y = tape.take(out, tape.activation_type()), argmax = tape.take(out, DType::u8);
  const Var vw = tape.param(w), vb = tape.param(b);
  tape.ops().stem_forward(in, w.value, b.value, pool, y, argmax);
  return tape.result(y, {vw, vb}, [&tape, vw, vb, in, y, argmax, pool](Tensor dy) {
    tape.ops().stem_backward_params(in, y, argmax, dy, pool, tape.gradient_of(vw), tape.gradient_of(vb));
  });
}

Var activation(Tape& tape, Var x, Activation f) {
  const Tensor y = tape.take(tape.value(x).shape, tape.value(x).dtype);
  tape.ops().activation_forward(tape.value(x), f, y);
  return tape.result(y, {x}, [&tape, x, y, f](Tensor dy) {
    tape.ops().activation_backward(tape.value(x), y, dy, f, tape.gradient_of(x));
  });
}

Var relu(Tape& tape, Var x) { return activation(tape, x, Activation::relu); }

Var beside_mean(Tape& tape, Var x, float scale) {
  const Tensor in = tape.value(x);
  require(in.shape.rank() == 4 && in.dim(3) == 1 && !tape.needs_grad(x), "beside_mean: {}", in.shape.str());
  const Tensor mean = tape.take({in.dim(0), in.dim(2)}), y = tape.take({in.dim(0), in.dim(1), in.dim(2), 2});
  tape.ops().global_mean_forward(in.reshape({in.dim(0), in.dim(1), in.dim(2)}), {}, mean);
  tape.ops().beside_mean(in, mean, scale, y);
  return tape.input(y);
}

Var dropout(Tape& tape, Var x, const Dropout& dropout) {
  if (!tape.training() || dropout.rate == 0) return x;
  const Tensor y = tape.take(tape.value(x).shape, tape.value(x).dtype);
  tape.ops().dropout_forward(tape.value(x), dropout, y);
  return tape.result(y, {x}, [&tape, x, dropout](Tensor dy) {
    tape.ops().dropout_backward(dy, dropout, tape.gradient_of(x));
  });
}

Var add(Tape& tape, Var a, Var b) {
  require(tape.value(a).shape == tape.value(b).shape && tape.value(a).dtype == tape.value(b).dtype,
          "add: {} and {}", tape.value(a).shape.str(), tape.value(b).shape.str());
  const Tensor y = tape.take(tape.value(a).shape, tape.value(a).dtype);
  tape.ops().copy(tape.value(a), y);
  tape.ops().add(tape.value(b), {y, Write::accumulate});
  return tape.result(y, {a, b}, [&tape, a, b](Tensor dy) {
    for (const Var v : {a, b}) {
      if (tape.needs_grad(v)) tape.ops().add(dy, tape.gradient_of(v));
    }
  });
}

Var batch_norm(Tape& tape, Var x, const BatchNormParams& params, const BatchNorm& norm) {
  const Tensor in = tape.value(x), y = tape.take(in.shape, in.dtype);
  const std::int64_t channels = in.dim(in.shape.rank() - 1);
  require(params.gamma.shape[0] == channels, "batch_norm: input {} does not fit {} channels", in.shape.str(),
          params.gamma.shape[0]);
  Ops& ops = tape.ops();
  const Tensor running_mean = params.running_mean.value, running_variance = params.running_variance.value;
  const Tensor gamma = params.gamma.value, beta = params.beta.value;
  if (!tape.training() || !params.gamma.trainable) {
    ops.batch_norm_inference(in, gamma, beta, running_mean, running_variance, norm.epsilon, y);
    return tape.result(y, {x}, [=, &tape](Tensor dy) {  // a factor for each channel: the norm of ones about 0
      const Shape row{1, channels}, rows{1, in.numel() / channels, channels};
      const Tensor one = tape.take(row), zero = tape.take({channels}), factor = tape.take(row);
      tape.ops().fill(one, 1.0F);
      tape.ops().fill(zero, 0.0F);
      tape.ops().batch_norm_inference(one, gamma, zero, zero, running_variance, norm.epsilon, factor);
      tape.ops().scale_channels_backward(in.reshape(rows), factor, dy.reshape(rows),
                                         tape.gradient_of(x).reshape(rows),
                                         {tape.take(row), Write::overwrite});
    });
  }
  const Tensor mean = tape.take({channels}), scale = tape.take({channels});
  ops.batch_norm_forward(in, gamma, beta, norm, y, mean, scale, running_mean, running_variance);
  const Var vg = tape.param(params.gamma), vb = tape.param(params.beta);
  return tape.result(y, {x, vg, vb}, [&tape, x, vg, vb, in, gamma, mean, scale](Tensor dy) {
    const Grad dx = tape.needs_grad(x) ? tape.gradient_of(x) : Grad{};
    tape.ops().batch_norm_backward(in, gamma, mean, scale, dy, dx, tape.gradient_of(vg),
                                   tape.gradient_of(vb));
  });
}

namespace {

// x as [groups, P, C]
Tensor grouped(const char* name, Tensor x, std::int64_t groups) {
  const std::int64_t channels = x.dim(x.shape.rank() - 1);
  require(groups > 0 && x.numel() % (groups * channels) == 0, "{}: {} is not {} groups", name, x.shape.str(),
          groups);
  return x.reshape({groups, x.numel() / (groups * channels), channels});
}

}  // namespace

namespace {

// In both `shape` is that of the result, [groups, C] but for axes of 1.
Var max_of(Tape& tape, Var x, std::int64_t groups, Tensor lengths, const Shape& shape) {
  const Tensor in = grouped("global_max", tape.value(x), groups);
  const Shape pooled{groups, in.dim(2)};
  const Tensor y = tape.take(shape, in.dtype), argmax = tape.take(pooled, DType::i32);
  tape.ops().global_max_forward(in, lengths, y.reshape(pooled), argmax);
  return tape.result(y, {x}, [&tape, x, in, argmax, pooled](Tensor dy) {
    tape.ops().global_max_backward(dy.reshape(pooled), argmax, tape.gradient_of(x).reshape(in.shape));
  });
}

Var mean_of(Tape& tape, Var x, Tensor in, Tensor lengths, const Shape& shape) {
  const Shape pooled{in.dim(0), in.dim(2)};
  const Tensor y = tape.take(shape, in.dtype);
  tape.ops().global_mean_forward(in, lengths, y.reshape(pooled));
  return tape.result(y, {x}, [&tape, x, in, lengths, pooled](Tensor dy) {
    tape.ops().global_mean_backward(dy.reshape(pooled), lengths, tape.gradient_of(x).reshape(in.shape));
  });
}

}  // namespace

Var global_max(Tape& tape, Var x, std::int64_t groups, Tensor lengths) {
  const Tensor in = tape.value(x);
  return max_of(tape, x, groups, lengths, {groups, in.dim(in.shape.rank() - 1)});
}

Var global_mean(Tape& tape, Var x, std::int64_t groups, Tensor lengths) {
  const Tensor in = grouped("global_mean", tape.value(x), groups);
  return mean_of(tape, x, in, lengths, {groups, in.dim(2)});
}

Var attention_pool(Tape& tape, Var x, Var scores, std::int64_t groups) {
  const Tensor in = grouped("attention_pool", tape.value(x), groups),
               of = grouped("attention_pool", tape.value(scores), groups);
  require(in.dim(1) == of.dim(1) && in.dim(2) % of.dim(2) == 0 && of.dtype == DType::f32,
          "attention_pool: {} and {}", in.shape.str(), of.shape.str());
  const Tensor weights = tape.take(of.shape), y = tape.take({groups, in.dim(2)}, in.dtype);
  tape.ops().attention_pool_forward(in, of, weights, y);
  return tape.result(y, {x, scores}, [&tape, x, scores, in, weights](Tensor dy) {
    tape.ops().attention_pool_backward(in, weights, dy, tape.gradient_of(x).reshape(in.shape),
                                       tape.gradient_of(scores).reshape(weights.shape));
  });
}

Var mean_over_time(Tape& tape, Var x) {
  const Tensor in = tape.value(x);
  const std::int64_t examples = in.dim(0), frames = in.dim(1), row = in.dim(2) * in.dim(3);
  return mean_of(tape, x, in.reshape({examples, frames, row}), {}, {examples, row});
}

Var mean_over_bands(Tape& tape, Var x) {
  const Tensor in = tape.value(x);
  return mean_of(tape, x, grouped("global_mean", in, in.dim(0) * in.dim(1)), {},
                 {in.dim(0), in.dim(1), 1, in.dim(3)});
}

Var max_over_bands(Tape& tape, Var x) {
  const Shape s = tape.value(x).shape;
  return max_of(tape, x, s[0] * s[1], {}, {s[0], s[1], 1, s[3]});
}

Var append_frames(Tape& tape, Var x, std::int64_t frames) {
  const Tensor in = tape.value(x);
  const std::int64_t examples = in.dim(0), width = in.numel() / examples, frame = in.dim(2) * in.dim(3);
  const Tensor y = tape.take({examples, in.dim(1) + frames, in.dim(2), in.dim(3)}, in.dtype);
  tape.ops().fill(y, 0.0F);
  const Shape row{examples, width}, longer{examples, width + frames * frame};
  tape.ops().copy_columns(in.reshape(row), 0, y.reshape(longer), 0, width, Write::overwrite);
  return tape.result(y, {x}, [&tape, x, row, longer](Tensor dy) {
    const Grad dx = tape.gradient_of(x).reshape(row);
    tape.ops().copy_columns(dy.reshape(longer), 0, dx.tensor, 0, row[1], dx.write);
  });
}

Var scale_channels(Tape& tape, Var x, Var g) {
  const Tensor gate = tape.value(g), in = grouped("scale_channels", tape.value(x), gate.dim(0));
  require(gate.dim(1) == in.dim(2), "scale_channels: {} and {}", in.shape.str(), gate.shape.str());
  const Tensor y = tape.take(tape.value(x).shape, in.dtype);
  tape.ops().scale_channels_forward(in, gate, y.reshape(in.shape));
  return tape.result(y, {x, g}, [&tape, x, g, in, gate](Tensor dy) {
    const Grad dx = tape.gradient_of(x);
    tape.ops().scale_channels_backward(in, gate, dy.reshape(in.shape), dx.reshape(in.shape),
                                       tape.gradient_of(g));
  });
}

Var concat(Tape& tape, const std::vector<Var>& parts) {
  const auto matrix = [](Tensor t) {
    const std::int64_t columns = t.dim(t.shape.rank() - 1);
    return t.reshape({t.numel() / columns, columns});
  };
  const Tensor first = tape.value(parts[0]);
  std::vector<std::int64_t> begin{0};
  for (const Var part : parts) {
    const Tensor t = matrix(tape.value(part));
    require(t.dim(0) == matrix(first).dim(0) && t.dtype == first.dtype, "concat: {} and {}",
            first.shape.str(), tape.value(part).shape.str());
    begin.push_back(begin.back() + t.dim(1));
  }
  const int last = first.shape.rank() - 1;
  const Shape shape = with_extent(first.shape, last, begin.back());
  const Tensor y = tape.take(shape, first.dtype);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Tensor from = matrix(tape.value(parts[i]));
    tape.ops().copy_columns(from, 0, matrix(y), begin[i], from.dim(1), Write::overwrite);
  }
  return tape.result(y, parts, [&tape, parts, begin, matrix](Tensor dy) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!tape.needs_grad(parts[i])) continue;
      const Grad dx = tape.gradient_of(parts[i]);
      tape.ops().copy_columns(matrix(dy), begin[i], matrix(dx.tensor), 0, begin[i + 1] - begin[i], dx.write);
    }
  });
}

Var swap_axes(Tape& tape, Var x) {
  const Tensor in = tape.value(x);
  const std::int64_t a = in.dim(0), b = in.dim(1), c = in.numel() / (a * b);
  const Tensor y = tape.take({b, a, c}, in.dtype);
  tape.ops().swap_axes(in.reshape({a, b, c}), {y, Write::overwrite});
  return tape.result(y, {x}, [&tape, x, a, b, c](Tensor dy) {
    tape.ops().swap_axes(dy, tape.gradient_of(x).reshape({a, b, c}));
  });
}

Var columns(Tape& tape, Var x, std::int64_t from, std::int64_t count) {
  const Tensor in = tape.value(x);
  require(in.shape.rank() == 2 && from >= 0 && from + count <= in.dim(1), "columns: {} + {} of {}", from,
          count, in.shape.str());
  const Tensor y = tape.take({in.dim(0), count}, in.dtype);
  tape.ops().copy_columns(in, from, y, 0, count, Write::overwrite);
  return tape.result(y, {x}, [&tape, x, from, count](Tensor dy) {
    const Grad dx = tape.gradient_of(x);
    if (dx.write == Write::overwrite) tape.ops().fill(dx.tensor, 0.0F);
    tape.ops().copy_columns(dy, 0, dx.tensor, from, count, Write::accumulate);
  });
}

Var mean(Tape& tape, const std::vector<Var>& parts) {
  Var sum = parts[0];
  for (std::size_t k = 1; k < parts.size(); ++k) sum = add(tape, sum, parts[k]);
  if (parts.size() == 1) return sum;
  const Tensor share = tape.take({1, tape.value(sum).dim(tape.value(sum).shape.rank() - 1)});
  tape.ops().fill(share, 1 / static_cast<float>(parts.size()));
  return scale_channels(tape, sum, tape.input(share));
}

Var at(Tape& tape, Var x, std::int64_t index) {
  const Tensor in = tape.value(x);
  require(in.shape.rank() == 3 && index < in.dim(0), "at: {} of {}", index, in.shape.str());
  const std::int64_t size = in.numel() / in.dim(0);
  const Tensor y = in.span(index * size, size, {in.dim(1), in.dim(2)});
  return tape.result(y, {x}, [&tape, x, index, size](Tensor dy) {
    const Grad dx = tape.gradient_of(x);
    if (dx.write == Write::overwrite) tape.ops().fill(dx.tensor, 0.0F);
    tape.ops().add(dy, {dx.tensor.span(index * size, size, dy.shape), Write::accumulate});
  });
}

Var recurrent(Tape& tape, Var x, const RecurrentParams& params, const Recurrent& recurrent) {
  const Tensor in = tape.value(x);
  const std::int64_t steps = in.dim(0), examples = in.dim(1), units = params.u.shape[1];
  const std::int64_t gates = gates_of(recurrent.cell) * units, saved_width = saved_of(recurrent.cell) * units;
  require(in.shape.rank() == 3 && params.w.shape[0] == gates && params.u.shape[0] == gates,
          "recurrent: input {}, weights {} and {}", in.shape.str(), params.w.shape.str(),
          params.u.shape.str());
  const Var projected = linear_rows(tape, x, params.w, params.b_input);
  const Tensor a = tape.value(projected).reshape({steps, examples, gates});
  const Tensor states = tape.take({steps + 1, examples, units});
  const Tensor saved = saved_width > 0 ? tape.take({steps, examples, saved_width}) : Tensor{};
  tape.ops().recurrent_forward(a, params.u.value, params.b_state.value, recurrent, states, saved);

  const Var vu = tape.param(params.u), vb = tape.param(params.b_state);
  const std::int64_t first = recurrent.reverse ? 0 : examples * units;
  const Tensor out = states.span(first, steps * examples * units, {steps, examples, units});
  return tape.result(out, {projected, vu, vb}, [=, &tape](Tensor dy) {
    const Grad dx = tape.gradient_of(projected);
    require(dx.write == Write::overwrite, "recurrent: its projected input has another use");
    tape.ops().recurrent_backward(tape.value(vu), recurrent, states, saved, dy, dx.tensor.reshape(a.shape),
                                  tape.gradient_of(vu), tape.gradient_of(vb));
  });
}

Var harmonic_filters(Tape& tape, Tensor centres, Param& q, float hz_per_bin, std::int64_t bins) {
  const Tensor w = tape.take({centres.numel(), bins});
  const Var vq = tape.param(q);
  tape.ops().harmonic_filters_forward(centres, q.value, hz_per_bin, w);
  return tape.result(w, {vq}, [&tape, vq, centres, hz_per_bin](Tensor dw) {
    tape.ops().harmonic_filters_backward(centres, tape.value(vq), hz_per_bin, dw, tape.gradient_of(vq));
  });
}

Var project(Tape& tape, Tensor x, Var w, Shape shape) {
  const Tensor filters = tape.value(w);
  const std::int64_t rows = x.dim(0), outputs = filters.dim(0);
  require(x.dim(1) == filters.dim(1), "project: {} and {}", x.shape.str(), filters.shape.str());
  const Tensor y = tape.take({rows, outputs}), zero = tape.take({outputs});
  tape.ops().fill(zero, 0.0F);
  tape.ops().linear_forward(x, filters, zero, y);
  return tape.result(y.reshape(shape), {w}, [&tape, x, w, rows, outputs](Tensor dy) {
    const Grad unused{tape.take({outputs}), Write::overwrite};
    tape.ops().linear_backward_params(x, dy.reshape({rows, outputs}), tape.gradient_of(w), unused);
  });
}

}  // namespace melgrad
