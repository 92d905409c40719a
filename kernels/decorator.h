// OpsDecorator: an Ops whose every call goes through one function of a derived class, as an OpCall that can
// be run on another Ops, written down, and asked for its tensors. What watches or checks a device is derived
// from it (kernels/trace.h, kernels/reference/comparing_ops.h); a new operation is added here once for all of
// them.
#pragma once

#include <functional>
#include <string>
#include <tuple>

#include "kernels/device.h"
#include "kernels/ops.h"

namespace melgrad {

// One call of one operation, with its arguments. Lives as long as the call.
class OpCall {
 public:
  enum class Role {
    input,    // read only
    output,   // written as a whole; what it held before does not matter
    changed,  // read and written
  };

  virtual ~OpCall() = default;
  virtual const char* name() const = 0;
  virtual void run(Ops& ops) const = 0;
  // Every tensor argument in order, those within Dropout and BatchPlan too. `visit` may put another one in
  // its place: `run` then works on that.
  virtual void for_each_tensor(const std::function<void(Tensor&, Role)>& visit) = 0;
  // The name and all arguments, addresses included.
  virtual std::string text() const = 0;
};

class OpsDecorator : public Ops {
 public:
  void fill(Tensor y, float value) override { pass("fill", &Ops::fill, out(y), value); }
  void add(Tensor x, Tensor y, Write write) override { pass("add", &Ops::add, x, grad(y, write), write); }
  void activation_forward(Tensor x, Activation f, Tensor y) override {
    pass("activation_forward", &Ops::activation_forward, x, f, out(y));
  }
  void activation_backward(Tensor y, Tensor dy, Activation f, Tensor dx, Write write) override {
    pass("activation_backward", &Ops::activation_backward, y, dy, f, grad(dx, write), write);
  }
  void dropout_forward(Tensor x, const Dropout& dropout, Tensor y) override {
    pass("dropout_forward", &Ops::dropout_forward, x, dropout, out(y));
  }
  void dropout_backward(Tensor dy, const Dropout& dropout, Tensor dx, Write write) override {
    pass("dropout_backward", &Ops::dropout_backward, dy, dropout, grad(dx, write), write);
  }
  void linear_forward(Tensor x, Tensor w, Tensor b, Tensor y) override {
    pass("linear_forward", &Ops::linear_forward, x, w, b, out(y));
  }
  void linear_backward_input(Tensor dy, Tensor w, Tensor dx, Write write) override {
    pass("linear_backward_input", &Ops::linear_backward_input, dy, w, grad(dx, write), write);
  }
  void linear_backward_params(Tensor x, Tensor dy, Tensor dw, Tensor db, Write write) override {
    pass("linear_backward_params", &Ops::linear_backward_params, x, dy, grad(dw, write), grad(db, write),
         write);
  }
  void conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Tensor y) override {
    pass("conv2d_forward", &Ops::conv2d_forward, x, w, b, conv, out(y));
  }
  void conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx, Write write) override {
    pass("conv2d_backward_input", &Ops::conv2d_backward_input, dy, w, conv, grad(dx, write), write);
  }
  void conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw, Tensor db,
                              Write write) override {
    pass("conv2d_backward_params", &Ops::conv2d_backward_params, x, dy, conv, grad(dw, write),
         grad(db, write), write);
  }
  void max_pool_forward(Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) override {
    pass("max_pool_forward", &Ops::max_pool_forward, x, pool, out(y), out(argmax));
  }
  void max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Tensor dx, Write write) override {
    pass("max_pool_backward", &Ops::max_pool_backward, dy, argmax, pool, grad(dx, write), write);
  }
  void global_max_forward(Tensor x, Tensor lengths, Tensor y, Tensor argmax) override {
    pass("global_max_forward", &Ops::global_max_forward, x, lengths, out(y), out(argmax));
  }
  void global_max_backward(Tensor dy, Tensor argmax, Tensor dx, Write write) override {
    pass("global_max_backward", &Ops::global_max_backward, dy, argmax, grad(dx, write), write);
  }
  void global_mean_forward(Tensor x, Tensor lengths, Tensor y) override {
    pass("global_mean_forward", &Ops::global_mean_forward, x, lengths, out(y));
  }
  void global_mean_backward(Tensor dy, Tensor lengths, Tensor dx, Write write) override {
    pass("global_mean_backward", &Ops::global_mean_backward, dy, lengths, grad(dx, write), write);
  }
  void batch_norm_forward(Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Tensor y, Tensor mean,
                          Tensor scale, Tensor running_mean, Tensor running_variance) override {
    pass("batch_norm_forward", &Ops::batch_norm_forward, x, gamma, beta, norm, out(y), out(mean), out(scale),
         changed(running_mean), changed(running_variance));
  }
  void batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean, Tensor running_variance,
                            float epsilon, Tensor y) override {
    pass("batch_norm_inference", &Ops::batch_norm_inference, x, gamma, beta, running_mean, running_variance,
         epsilon, out(y));
  }
  void batch_norm_backward(Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Tensor dx,
                           Write write_dx, Tensor dgamma, Tensor dbeta, Write write_params) override {
    pass("batch_norm_backward", &Ops::batch_norm_backward, x, gamma, mean, scale, dy, grad(dx, write_dx),
         write_dx, grad(dgamma, write_params), grad(dbeta, write_params), write_params);
  }
  void scale_channels_forward(Tensor x, Tensor g, Tensor y) override {
    pass("scale_channels_forward", &Ops::scale_channels_forward, x, g, out(y));
  }
  void scale_channels_backward(Tensor x, Tensor g, Tensor dy, Tensor dx, Write write_dx, Tensor dg,
                               Write write_dg) override {
    pass("scale_channels_backward", &Ops::scale_channels_backward, x, g, dy, grad(dx, write_dx), write_dx,
         grad(dg, write_dg), write_dg);
  }
  void copy_columns(Tensor from, std::int64_t from_column, Tensor to, std::int64_t to_column,
                    std::int64_t columns, Write write) override {
    pass("copy_columns", &Ops::copy_columns, from, from_column, changed(to), to_column, columns, write);
  }
  void swap_axes(Tensor x, Tensor y, Write write) override {
    pass("swap_axes", &Ops::swap_axes, x, grad(y, write), write);
  }
  void recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Tensor states,
                         Tensor saved) override {
    pass("recurrent_forward", &Ops::recurrent_forward, x, u, b, recurrent, out(states), out(saved));
  }
  void recurrent_backward(Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved, Tensor dstates,
                          Tensor dx, Tensor du, Tensor db, Write write) override {
    pass("recurrent_backward", &Ops::recurrent_backward, u, recurrent, states, saved, dstates, out(dx),
         grad(du, write), grad(db, write), write);
  }
  void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Tensor y, Tensor argmax) override {
    pass("stem_forward", &Ops::stem_forward, x, w, b, pool, out(y), out(argmax));
  }
  void stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Tensor dw,
                            Tensor db, Write write) override {
    pass("stem_backward_params", &Ops::stem_backward_params, x, y, argmax, dy, pool, grad(dw, write),
         grad(db, write), write);
  }
  void softmax_forward(Tensor logits, Tensor probs) override {
    pass("softmax_forward", &Ops::softmax_forward, logits, out(probs));
  }
  void cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Tensor probs, Tensor loss,
                             Tensor hits) override {
    pass("cross_entropy_forward", &Ops::cross_entropy_forward, logits, labels, weights, out(probs), out(loss),
         out(hits));
  }
  void cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss, Tensor dlogits,
                              Write write) override {
    pass("cross_entropy_backward", &Ops::cross_entropy_backward, probs, labels, weights, dloss,
         grad(dlogits, write), write);
  }
  void sigmoid_cross_entropy_forward(Tensor logits, Tensor targets, Tensor weights, Tensor tag_weights,
                                     Tensor probs, Tensor loss, Tensor hits) override {
    pass("sigmoid_cross_entropy_forward", &Ops::sigmoid_cross_entropy_forward, logits, targets, weights,
         tag_weights, out(probs), out(loss), out(hits));
  }
  void sigmoid_cross_entropy_backward(Tensor probs, Tensor targets, Tensor weights, Tensor tag_weights,
                                      Tensor dloss, Tensor dlogits, Write write) override {
    pass("sigmoid_cross_entropy_backward", &Ops::sigmoid_cross_entropy_backward, probs, targets, weights,
         tag_weights, dloss, grad(dlogits, write), write);
  }
  void l2_penalty_forward(Tensor w, float lambda, Tensor loss, Write write) override {
    pass("l2_penalty_forward", &Ops::l2_penalty_forward, w, lambda, grad(loss, write), write);
  }
  void l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Tensor dw, Write write) override {
    pass("l2_penalty_backward", &Ops::l2_penalty_backward, w, lambda, dloss, grad(dw, write), write);
  }
  void sgd_update(Tensor w, Tensor g, Tensor v, Tensor rate, Tensor scale, float momentum, bool nesterov,
                  float l2) override {
    pass("sgd_update", &Ops::sgd_update, changed(w), g, changed(v), rate, scale, momentum, nesterov, l2);
  }
  void adam_update(Tensor w, Tensor g, Tensor m, Tensor v, Tensor rate, Tensor scale, Tensor counter,
                   float beta1, float beta2, float epsilon, float decay, float l2) override {
    pass("adam_update", &Ops::adam_update, changed(w), g, changed(m), changed(v), rate, scale, counter, beta1,
         beta2, epsilon, decay, l2);
  }
  void adadelta_update(Tensor w, Tensor g, Tensor a, Tensor d, Tensor rate, Tensor scale, float rho,
                       float epsilon) override {
    pass("adadelta_update", &Ops::adadelta_update, changed(w), g, changed(a), changed(d), rate, scale, rho,
         epsilon);
  }
  void gradient_norm(Tensor g, float max_norm, Tensor norm) override {
    pass("gradient_norm", &Ops::gradient_norm, g, max_norm, out(norm));
  }
  void learning_rate(const Schedule& schedule, Tensor counter, Tensor rate) override {
    pass("learning_rate", &Ops::learning_rate, schedule, counter, out(rate));
  }
  void advance(Tensor counter, std::int64_t by) override {
    pass("advance", &Ops::advance, changed(counter), by);
  }
  void record(Tensor x, Tensor counter, std::int64_t column, Tensor log) override {
    pass("record", &Ops::record, x, counter, column, changed(log));
  }
  void pick_batch(const BatchPlan& plan, std::int64_t frames, Tensor first, Tensor labels,
                  Tensor weights) override {
    pass("pick_batch", &Ops::pick_batch, plan, frames, out(first), out(labels), out(weights));
  }
  void gather_segments(Tensor table, Tensor first, Tensor x) override {
    pass("gather_segments", &Ops::gather_segments, table, first, out(x));
  }
  void gather_labels(Tensor table, Tensor track, Tensor targets) override {
    pass("gather_labels", &Ops::gather_labels, table, track, out(targets));
  }
  void augment(Tensor x, const Augment& augment, Tensor y) override {
    pass("augment", &Ops::augment, x, augment, out(y));
  }
  void mix_examples(Tensor x, const Mixup& mixup, Tensor y) override {
    pass("mix_examples", &Ops::mix_examples, x, mixup, out(y));
  }
  void standardise(Tensor x, Tensor mean, Tensor scale, Tensor y) override {
    pass("standardise", &Ops::standardise, x, mean, scale, out(y));
  }
  void harmonic_filters_forward(Tensor centres, Tensor q, float hz_per_bin, Tensor w) override {
    pass("harmonic_filters_forward", &Ops::harmonic_filters_forward, centres, q, hz_per_bin, out(w));
  }
  void harmonic_filters_backward(Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Tensor dq,
                                 Write write) override {
    pass("harmonic_filters_backward", &Ops::harmonic_filters_backward, centres, q, hz_per_bin, dw,
         grad(dq, write), write);
  }
  void log_mel(Tensor pcm, const MelTables& mel, Tensor y) override {
    pass("log_mel", &Ops::log_mel, pcm, std::cref(mel), out(y));
  }

 protected:
  virtual void call(OpCall& call) = 0;

 private:
  // A tensor that is written; all others are inputs.
  struct Written {
    Tensor tensor;
    OpCall::Role role;
  };
  static Written out(Tensor t) { return {t, OpCall::Role::output}; }
  static Written changed(Tensor t) { return {t, OpCall::Role::changed}; }
  static Written grad(Tensor t, Write write) {
    return {t, write == Write::overwrite ? OpCall::Role::output : OpCall::Role::changed};
  }

  template <typename Op, typename... Args>
  class Call final : public OpCall {
   public:
    Call(const char* name, Op op, const Args&... args) : name_(name), op_(op), args_(args...) {}
    const char* name() const override { return name_; }
    void run(Ops& ops) const override {
      std::apply([&](const Args&... args) { (ops.*op_)(value(args)...); }, args_);
    }
    void for_each_tensor(const std::function<void(Tensor&, Role)>& visit) override {
      std::apply([&](Args&... args) { (tensors_of(args, visit), ...); }, args_);
    }
    std::string text() const override {
      std::string words = name_;
      std::apply([&](const Args&... args) { ((words.append(" ").append(text_of(value(args)))), ...); },
                 args_);
      return words;
    }

   private:
    const char* name_;
    Op op_;
    std::tuple<Args...> args_;
  };

  template <typename Op, typename... Args>
  void pass(const char* name, Op op, const Args&... args) {
    Call<Op, Args...> bound(name, op, args...);
    call(bound);
  }

  template <typename T>
  static const T& value(const T& argument) {
    return argument;
  }
  static const Tensor& value(const Written& argument) { return argument.tensor; }

  using Visit = std::function<void(Tensor&, OpCall::Role)>;
  template <typename T>
  static void tensors_of(T& /*setting*/, const Visit& /*visit*/) {}
  static void tensors_of(Tensor& t, const Visit& visit) { visit(t, OpCall::Role::input); }
  static void tensors_of(Written& w, const Visit& visit) { visit(w.tensor, w.role); }
  static void tensors_of(Dropout& d, const Visit& visit) { visit(d.counter, OpCall::Role::input); }
  static void tensors_of(Recurrent& r, const Visit& visit) { visit(r.lengths, OpCall::Role::input); }
  static void tensors_of(Augment& a, const Visit& visit) { visit(a.counter, OpCall::Role::input); }
  static void tensors_of(Mixup& m, const Visit& visit) { visit(m.counter, OpCall::Role::input); }
  static void tensors_of(Schedule& s, const Visit& visit) { visit(s.factor, OpCall::Role::input); }
  static void tensors_of(BatchPlan& p, const Visit& visit) {
    for (Tensor* t : {&p.order, &p.first_row, &p.rows, &p.labels, &p.step, &p.counter, &p.class_weights})
      visit(*t, OpCall::Role::input);
  }

  static std::string text_of(const Tensor& t);
  static std::string text_of(Write write);
  static std::string text_of(float value);
  static std::string text_of(bool value);
  static std::string text_of(std::int64_t value);
  static std::string text_of(Activation f);
  static std::string text_of(const BatchNorm& norm);
  static std::string text_of(const Recurrent& recurrent);
  static std::string text_of(const Augment& augment);
  static std::string text_of(const Mixup& mixup);
  static std::string text_of(const Conv2d& conv);
  static std::string text_of(const Pool2d& pool);
  static std::string text_of(const Dropout& dropout);
  static std::string text_of(const Schedule& schedule);
  static std::string text_of(const BatchPlan& plan);
  static std::string text_of(const MelTables& mel);
};

// A device with other operations; memory and copies are those of `inner`.
class DeviceDecorator : public Device {
 public:
  explicit DeviceDecorator(Device& inner) : inner_(&inner) {}

  std::string name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  Precision precision() const override { return inner_->precision(); }
  void* allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void release(void* memory) noexcept override { inner_->release(memory); }
  void poison(void* memory, std::size_t bytes) override { inner_->poison(memory, bytes); }
  void unpoison(void* memory, std::size_t bytes) override { inner_->unpoison(memory, bytes); }
  void to_device(Tensor to, const void* from) override { inner_->to_device(to, from); }
  void to_host(void* to, Tensor from) override { inner_->to_host(to, from); }
  std::unique_ptr<Staging> make_staging() override { return inner_->make_staging(); }
  std::int64_t free_memory() const override { return inner_->free_memory(); }
  void synchronise() override { inner_->synchronise(); }
  double seconds_of(const std::function<void()>& work) override { return inner_->seconds_of(work); }
  // Every step is issued anew, so that each of its calls is seen.
  std::unique_ptr<Recording> record(const std::function<void()>& /*program*/) override { return nullptr; }

 private:
  Device* inner_;
};

}  // namespace melgrad
