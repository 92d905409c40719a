#include "engine/functions.h"

namespace melgrad {
namespace {

std::int64_t convolved(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return (in + 2 * pad - kernel) / stride + 1;
}

void check_conv(const char* name, const Shape& x, const Shape& w, const Shape& y) {
  require(x.rank() == 4 && w.rank() == 4 && x[3] == w[3] && y[1] > 0 && y[2] > 0,
          "{}: input {} does not fit weights {}", name, x.str(), w.str());
}

// The gradients of a layer's weights and bias, which its backward operation writes together. One of them may
// have had a contribution already (a penalty on the weights): then the other starts from zero.
struct LayerGradients {
  Tensor dw, db;
  Write write;
};

LayerGradients gradients_of(Tape& tape, Var w, Var b) {
  const auto dw = tape.gradient_of(w), db = tape.gradient_of(b);
  if (dw.write == db.write) return {dw.grad, db.grad, dw.write};
  tape.ops().fill(dw.write == Write::overwrite ? dw.grad : db.grad, 0.0F);
  return {dw.grad, db.grad, Write::accumulate};
}

}  // namespace

Var linear(Tape& tape, Var x, Param& w, Param& b) {
  const Tensor in = tape.value(x);
  const std::int64_t rows = in.dim(0), width = in.numel() / rows;
  require(width == w.shape[1], "linear: input {} does not fit weights {}", in.shape.str(), w.shape.str());
  const Tensor flat = in.reshape({rows, width});
  const Tensor y = tape.take({rows, w.shape[0]});
  const Var vw = tape.param(w), vb = tape.param(b);
  tape.ops().linear_forward(flat, w.value, b.value, y);
  return tape.result(y, {x, vw, vb}, [&tape, x, vw, vb, flat](Tensor dy) {
    const auto [dw, db, write] = gradients_of(tape, vw, vb);
    tape.ops().linear_backward_params(flat, dy, dw, db, write);
    if (!tape.needs_grad(x)) return;
    const auto dx = tape.gradient_of(x);
    tape.ops().linear_backward_input(dy, tape.value(vw), dx.grad.reshape(flat.shape), dx.write);
  });
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
    const auto [dw, db, write] = gradients_of(tape, vw, vb);
    tape.ops().conv2d_backward_params(in, dy, conv, dw, db, write);
    if (!tape.needs_grad(x)) return;
    const auto dx = tape.gradient_of(x);
    tape.ops().conv2d_backward_input(dy, tape.value(vw), conv, dx.grad, dx.write);
  });
}

Var max_pool(Tape& tape, Var x, const Pool2d& pool) {
  const Tensor in = tape.value(x);
  const Shape out{in.dim(0), in.dim(1) / pool.frames, in.dim(2) / pool.bands, in.dim(3)};
  require(out.numel() > 0, "max_pool: input {} is smaller than the window {} x {}", in.shape.str(),
          pool.frames, pool.bands);
  const Tensor y = tape.take(out, in.dtype), argmax = tape.take(out, DType::u8);
  tape.ops().max_pool_forward(in, pool, y, argmax);
  return tape.result(y, {x}, [&tape, x, pool, argmax](Tensor dy) {
    const auto dx = tape.gradient_of(x);
    tape.ops().max_pool_backward(dy, argmax, pool, dx.grad, dx.write);
  });
}

Var stem(Tape& tape, Var x, Param& w, Param& b, const Pool2d& pool) {
  const Tensor in = tape.value(x);
  const Shape out{in.dim(0), (in.dim(1) - w.shape[1] + 1) / pool.frames,
                  (in.dim(2) - w.shape[2] + 1) / pool.bands, w.shape[0]};
  check_conv("stem", in.shape, w.shape, out);
  require(in.dim(3) == 1 && !tape.needs_grad(x), "stem: input {} must be data of one channel",
          in.shape.str());
  const Tensor y = tape.take(out, tape.activation_type()), argmax = tape.take(out, DType::u8);
  const Var vw = tape.param(w), vb = tape.param(b);
  tape.ops().stem_forward(in, w.value, b.value, pool, y, argmax);
  return tape.result(y, {vw, vb}, [&tape, vw, vb, in, y, argmax, pool](Tensor dy) {
    const auto [dw, db, write] = gradients_of(tape, vw, vb);
    tape.ops().stem_backward_params(in, y, argmax, dy, pool, dw, db, write);
  });
}

Var relu(Tape& tape, Var x) {
  const Tensor y = tape.take(tape.value(x).shape, tape.value(x).dtype);
  tape.ops().relu_forward(tape.value(x), y);
  return tape.result(y, {x}, [&tape, x, y](Tensor dy) {
    const auto dx = tape.gradient_of(x);
    tape.ops().relu_backward(y, dy, dx.grad, dx.write);
  });
}

Var dropout(Tape& tape, Var x, const Dropout& dropout) {
  if (!tape.training() || dropout.rate == 0) return x;
  const Tensor y = tape.take(tape.value(x).shape, tape.value(x).dtype);
  tape.ops().dropout_forward(tape.value(x), dropout, y);
  return tape.result(y, {x}, [&tape, x, dropout](Tensor dy) {
    const auto dx = tape.gradient_of(x);
    tape.ops().dropout_backward(dy, dropout, dx.grad, dx.write);
  });
}

Var add(Tape& tape, Var a, Var b) {
  require(tape.value(a).shape == tape.value(b).shape && tape.value(a).dtype == tape.value(b).dtype,
          "add: {} and {}", tape.value(a).shape.str(), tape.value(b).shape.str());
  const Tensor y = tape.take(tape.value(a).shape, tape.value(a).dtype);
  tape.ops().add(tape.value(a), y, Write::overwrite);
  tape.ops().add(tape.value(b), y, Write::accumulate);
  return tape.result(y, {a, b}, [&tape, a, b](Tensor dy) {
    for (const Var v : {a, b}) {
      if (!tape.needs_grad(v)) continue;
      const auto dx = tape.gradient_of(v);
      tape.ops().add(dy, dx.grad, dx.write);
    }
  });
}

Var l2_penalty(Tape& tape, ParamStore& params) {
  const Tensor loss = tape.take({1});
  tape.ops().fill(loss, 0.0F);
  std::vector<std::pair<Var, float>> terms;
  for (Param& p : params.all()) {
    if (p.l2 == 0) continue;
    tape.ops().l2_penalty_forward(p.value, p.l2, loss, Write::accumulate);
    terms.emplace_back(tape.param(p), p.l2);
  }
  if (terms.empty()) return tape.input(loss);
  return tape.result(loss, {terms[0].first}, [&tape, terms](Tensor dy) {
    for (const auto& [w, lambda] : terms) {
      const auto dw = tape.gradient_of(w);
      tape.ops().l2_penalty_backward(tape.value(w), lambda, dy, dw.grad, dw.write);
    }
  });
}

CrossEntropy cross_entropy(Tape& tape, Var logits, Tensor labels, Tensor weights) {
  const Tensor z = tape.value(logits);
  require(z.shape.rank() == 2 && labels.numel() == z.dim(0) && weights.numel() == z.dim(0),
          "cross_entropy: logits {}, labels {}, weights {}", z.shape.str(), labels.shape.str(),
          weights.shape.str());
  const Tensor probs = tape.take(z.shape), loss = tape.take({1}), hits = tape.take({1});
  tape.ops().cross_entropy_forward(z, labels, weights, probs, loss, hits);
  const Var out = tape.result(loss, {logits}, [&tape, logits, probs, labels, weights](Tensor dy) {
    const auto dz = tape.gradient_of(logits);
    tape.ops().cross_entropy_backward(probs, labels, weights, dy, dz.grad, dz.write);
  });
  return {out, hits};
}

Tensor softmax(Tape& tape, Var logits) {
  const Tensor probs = tape.take(tape.value(logits).shape);
  tape.ops().softmax_forward(tape.value(logits), probs);
  return probs;
}

}  // namespace melgrad
