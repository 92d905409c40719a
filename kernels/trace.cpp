#include "kernels/trace.h"

namespace melgrad {
namespace {

std::string text(const Tensor& t) { return fmt::format("{}:{}{}", t.data, name_of(t.dtype), t.shape.str()); }
std::string text(Write w) { return w == Write::overwrite ? "overwrite" : "accumulate"; }
std::string text(float v) { return fmt::format("{}", v); }
std::string text(bool v) { return v ? "true" : "false"; }
std::string text(std::int64_t v) { return fmt::format("{}", v); }
std::string text(const Conv2d& c) {
  return fmt::format("stride {}x{} pad {}x{}", c.stride_t, c.stride_f, c.pad_t, c.pad_f);
}
std::string text(const Pool2d& p) { return fmt::format("pool {}x{}", p.frames, p.bands); }
std::string text(const Dropout& d) {
  return fmt::format("rate {} seed {} stream {} {}", d.rate, d.seed, d.stream, text(d.counter));
}
std::string text(const Schedule& s) {
  return fmt::format("schedule {} {} {} {} {} {}", static_cast<int>(s.kind), s.base, s.decay,
                     s.final_fraction, s.total, s.warmup);
}
std::string text(const BatchPlan& p) {
  return fmt::format("{} {} {} {} {} {} {}", text(p.order), text(p.first_row), text(p.step), text(p.counter),
                     p.shared_start, p.skip_last_start, p.seed);
}
std::string text(const MelTables& m) { return m.options.preset; }

}  // namespace

template <typename... Args, typename... Actual>
void TracingOps::call(const char* name, void (Ops::*op)(Args...), const Actual&... args) {
  const auto line = [&] {
    std::string words = name;
    ((words += " " + text(args)), ...);
    return words;
  };
  if (keeps_) lines_.push_back(line());
  ++counts_[name];
  try {
    (inner_->*op)(args...);
    if (after_) after_();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device) throw;
    throw Error(error.kind(), fmt::format("{}: {}", line(), error.what()));
  }
}

void TracingOps::fill(Tensor y, float value) { call("fill", &Ops::fill, y, value); }
void TracingOps::add(Tensor x, Tensor y, Write write) { call("add", &Ops::add, x, y, write); }
void TracingOps::relu_forward(Tensor x, Tensor y) { call("relu_forward", &Ops::relu_forward, x, y); }
void TracingOps::relu_backward(Tensor y, Tensor dy, Tensor dx, Write write) {
  call("relu_backward", &Ops::relu_backward, y, dy, dx, write);
}
void TracingOps::dropout_forward(Tensor x, const Dropout& dropout, Tensor y) {
  call("dropout_forward", &Ops::dropout_forward, x, dropout, y);
}
void TracingOps::dropout_backward(Tensor dy, const Dropout& dropout, Tensor dx, Write write) {
  call("dropout_backward", &Ops::dropout_backward, dy, dropout, dx, write);
}
void TracingOps::linear_forward(Tensor x, Tensor w, Tensor b, Tensor y) {
  call("linear_forward", &Ops::linear_forward, x, w, b, y);
}
void TracingOps::linear_backward_input(Tensor dy, Tensor w, Tensor dx, Write write) {
  call("linear_backward_input", &Ops::linear_backward_input, dy, w, dx, write);
}
void TracingOps::linear_backward_params(Tensor x, Tensor dy, Tensor dw, Tensor db, Write write) {
  call("linear_backward_params", &Ops::linear_backward_params, x, dy, dw, db, write);
}
void TracingOps::conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Tensor y) {
  call("conv2d_forward", &Ops::conv2d_forward, x, w, b, conv, y);
}
void TracingOps::conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx, Write write) {
  call("conv2d_backward_input", &Ops::conv2d_backward_input, dy, w, conv, dx, write);
}
void TracingOps::conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw, Tensor db,
                                        Write write) {
  call("conv2d_backward_params", &Ops::conv2d_backward_params, x, dy, conv, dw, db, write);
}
void TracingOps::max_pool_forward(Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) {
  call("max_pool_forward", &Ops::max_pool_forward, x, pool, y, argmax);
}
void TracingOps::max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Tensor dx, Write write) {
  call("max_pool_backward", &Ops::max_pool_backward, dy, argmax, pool, dx, write);
}
void TracingOps::stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Tensor y, Tensor argmax) {
  call("stem_forward", &Ops::stem_forward, x, w, b, pool, y, argmax);
}
void TracingOps::stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool,
                                      Tensor dw, Tensor db, Write write) {
  call("stem_backward_params", &Ops::stem_backward_params, x, y, argmax, dy, pool, dw, db, write);
}
void TracingOps::softmax_forward(Tensor logits, Tensor probs) {
  call("softmax_forward", &Ops::softmax_forward, logits, probs);
}
void TracingOps::cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Tensor probs,
                                       Tensor loss, Tensor hits) {
  call("cross_entropy_forward", &Ops::cross_entropy_forward, logits, labels, weights, probs, loss, hits);
}
void TracingOps::cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss,
                                        Tensor dlogits, Write write) {
  call("cross_entropy_backward", &Ops::cross_entropy_backward, probs, labels, weights, dloss, dlogits, write);
}
void TracingOps::l2_penalty_forward(Tensor w, float lambda, Tensor loss, Write write) {
  call("l2_penalty_forward", &Ops::l2_penalty_forward, w, lambda, loss, write);
}
void TracingOps::l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Tensor dw, Write write) {
  call("l2_penalty_backward", &Ops::l2_penalty_backward, w, lambda, dloss, dw, write);
}
void TracingOps::sgd_update(Tensor w, Tensor g, Tensor v, Tensor rate, Tensor scale, float momentum,
                            bool nesterov) {
  call("sgd_update", &Ops::sgd_update, w, g, v, rate, scale, momentum, nesterov);
}
void TracingOps::adam_update(Tensor w, Tensor g, Tensor m, Tensor v, Tensor rate, Tensor scale,
                             Tensor counter, float beta1, float beta2, float epsilon, float decay) {
  call("adam_update", &Ops::adam_update, w, g, m, v, rate, scale, counter, beta1, beta2, epsilon, decay);
}
void TracingOps::adadelta_update(Tensor w, Tensor g, Tensor a, Tensor d, Tensor rate, Tensor scale, float rho,
                                 float epsilon) {
  call("adadelta_update", &Ops::adadelta_update, w, g, a, d, rate, scale, rho, epsilon);
}
void TracingOps::gradient_norm(Tensor g, float max_norm, Tensor norm) {
  call("gradient_norm", &Ops::gradient_norm, g, max_norm, norm);
}
void TracingOps::learning_rate(const Schedule& schedule, Tensor counter, Tensor rate) {
  call("learning_rate", &Ops::learning_rate, schedule, counter, rate);
}
void TracingOps::advance(Tensor counter, std::int64_t by) { call("advance", &Ops::advance, counter, by); }
void TracingOps::record(Tensor x, Tensor counter, std::int64_t column, Tensor log) {
  call("record", &Ops::record, x, counter, column, log);
}
void TracingOps::pick_batch(const BatchPlan& plan, std::int64_t frames, Tensor first, Tensor labels,
                            Tensor weights) {
  call("pick_batch", &Ops::pick_batch, plan, frames, first, labels, weights);
}
void TracingOps::standardise(Tensor x, Tensor mean, Tensor scale, Tensor y) {
  call("standardise", &Ops::standardise, x, mean, scale, y);
}
void TracingOps::gather_segments(Tensor table, Tensor first, Tensor x) {
  call("gather_segments", &Ops::gather_segments, table, first, x);
}
void TracingOps::log_mel(Tensor pcm, const MelTables& mel, Tensor y) {
  call("log_mel", &Ops::log_mel, pcm, mel, y);
}

}  // namespace melgrad
