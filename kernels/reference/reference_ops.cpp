#include "kernels/reference/reference_ops.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "kernels/cpu/host_device.h"
#include "kernels/math/bf16.h"
#include "kernels/math/half.h"
#include "kernels/reference/mel.h"
#include "kernels/reference/reference.h"

namespace melgrad {
namespace {

using reference::Array;
using reference::Index;
using Doubles = Array<double>;

// ---- tensors in host memory as arrays, and back
double element(const Tensor& t, Index i) {
  switch (t.dtype) {
    case DType::f16:
      return static_cast<double>(reference::half_to_float(t.f16()[i]));
    case DType::bf16:
      return static_cast<double>(to_float(Bf16{t.bf16()[i]}));
    default:
      return static_cast<double>(t.f32()[i]);
  }
}

Doubles read(const Tensor& t) {
  Doubles a(t.shape);
  for (Index i = 0; i < a.size(); ++i) a[i] = element(t, i);
  return a;
}

template <typename T>
Array<T> read_as(const Tensor& t) {
  Array<T> a(t.shape);
  std::memcpy(a.v.data(), t.data, static_cast<std::size_t>(t.bytes()));
  return a;
}

// Empty for an empty tensor.
Array<std::int32_t> read_lengths(const Tensor& t) {
  return t ? read_as<std::int32_t>(t) : Array<std::int32_t>();
}

double scalar(const Tensor& t) { return element(t, 0); }
std::int64_t integer(const Tensor& t) { return t.i64()[0]; }

// t (+)= values
template <typename R>
void store(const Tensor& t, const Array<R>& values, Write write = Write::overwrite) {
  require(values.size() == t.numel(), "the reference gives {}, the tensor is {}", values.shape.str(),
          t.shape.str());
  for (Index i = 0; i < values.size(); ++i) {
    const auto value = static_cast<double>(values[i]);
    const auto rounded = static_cast<float>(write == Write::overwrite ? value : element(t, i) + value);
    if (t.dtype == DType::bf16) {
      t.bf16()[i] = from_float<Bf16>(rounded).bits;
    } else if (t.dtype == DType::f16) {
      t.f16()[i] = float_to_half_portable(rounded);
    } else {
      t.f32()[i] = rounded;
    }
  }
}

template <typename T>
void store_exactly(const Tensor& t, const Array<T>& values) {
  require(values.size() * static_cast<Index>(sizeof(T)) == t.bytes(),
          "the reference gives {}, the tensor is {}", values.shape.str(), t.shape.str());
  std::memcpy(t.data, values.v.data(), static_cast<std::size_t>(t.bytes()));
}

Doubles dropped(const Tensor& x, const Dropout& d) {
  return reference::dropout(read(x), static_cast<double>(d.rate),
                            [&](Index i) { return reference::dropout_keeps(d, integer(d.counter), i); });
}

reference::RecurrentLayer layer_of(const Recurrent& r) {
  return {r.cell, r.reverse, r.lengths ? read_as<std::int32_t>(r.lengths).v : std::vector<std::int32_t>{}};
}

class ReferenceOps final : public Ops {
 public:
  void fill(Tensor y, float value) override { store(y, Array<float>(y.shape, value)); }
  void add(Tensor x, Tensor y, Write write) override { store(y, read(x), write); }
  void activation_forward(Tensor x, Activation f, Tensor y) override {
    store(y, reference::activation_forward(read(x), f));
  }
  void activation_backward(Tensor y, Tensor dy, Activation f, Tensor dx, Write write) override {
    store(dx, reference::activation_backward(read(y), read(dy), f), write);
  }
  void dropout_forward(Tensor x, const Dropout& dropout, Tensor y) override { store(y, dropped(x, dropout)); }
  void dropout_backward(Tensor dy, const Dropout& dropout, Tensor dx, Write write) override {
    store(dx, dropped(dy, dropout), write);
  }

  void linear_forward(Tensor x, Tensor w, Tensor b, Tensor y) override {
    store(y, reference::linear_forward(read(x), read(w), read(b)));
  }
  void linear_backward_input(Tensor dy, Tensor w, Tensor dx, Write write) override {
    store(dx, reference::linear_backward_input(read(dy), read(w)), write);
  }
  void linear_backward_params(Tensor x, Tensor dy, Tensor dw, Tensor db, Write write) override {
    const auto g = reference::linear_backward_params(read(x), read(dy));
    store(dw, g.dw, write);
    store(db, g.db, write);
  }

  void conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Tensor y) override {
    store(y, reference::conv2d_forward(read(x), read(w), read(b), conv));
  }
  void conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx, Write write) override {
    store(dx, reference::conv2d_backward_input(read(dy), read(w), conv, dx.shape), write);
  }
  void conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw, Tensor db,
                              Write write) override {
    const auto g = reference::conv2d_backward_params(read(x), read(dy), conv, dw.shape);
    store(dw, g.dw, write);
    store(db, g.db, write);
  }

  void max_pool_forward(Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) override {
    const auto pooled = reference::max_pool_forward(read(x), pool);
    store(y, pooled.y);
    store_exactly(argmax, pooled.argmax);
  }
  void max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Tensor dx, Write write) override {
    store(dx, reference::max_pool_backward(read(dy), read_as<std::uint8_t>(argmax), pool, dx.shape), write);
  }
  void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Tensor y, Tensor argmax) override {
    const auto pooled = reference::stem_forward(read(x), read(w), read(b), pool);
    store(y, pooled.y);
    store_exactly(argmax, pooled.argmax);
  }
  void stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Tensor dw,
                            Tensor db, Write write) override {
    const auto g = reference::stem_backward_params(read(x), read(y), read_as<std::uint8_t>(argmax), read(dy),
                                                   pool, dw.shape);
    store(dw, g.dw, write);
    store(db, g.db, write);
  }

  void softmax_forward(Tensor logits, Tensor probs) override {
    store(probs, reference::softmax_forward(read(logits)));
  }
  void cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Tensor probs, Tensor loss,
                             Tensor hits) override {
    const auto c =
        labels.dtype == DType::f32
            ? reference::cross_entropy_forward(read(logits), read(labels), read(weights))
            : reference::cross_entropy_forward(read(logits), read_as<std::int32_t>(labels), read(weights));
    store(probs, c.probs);
    store(loss, c.loss);
    store(hits, c.hits);
  }
  void cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss, Tensor dlogits,
                              Write write) override {
    store(dlogits,
          labels.dtype == DType::f32
              ? reference::cross_entropy_backward(read(probs), read(labels), read(weights), scalar(dloss))
              : reference::cross_entropy_backward(read(probs), read_as<std::int32_t>(labels), read(weights),
                                                  scalar(dloss)),
          write);
  }
  void sigmoid_cross_entropy_forward(Tensor logits, Tensor targets, Tensor weights, Tensor tag_weights,
                                     Tensor probs, Tensor loss, Tensor hits) override {
    const auto c = reference::sigmoid_cross_entropy_forward(read(logits), read(targets), read(weights),
                                                            read(tag_weights));
    store(probs, c.probs);
    store(loss, c.loss);
    store(hits, c.hits);
  }
  void sigmoid_cross_entropy_backward(Tensor probs, Tensor targets, Tensor weights, Tensor tag_weights,
                                      Tensor dloss, Tensor dlogits, Write write) override {
    store(dlogits,
          reference::sigmoid_cross_entropy_backward(read(probs), read(targets), read(weights),
                                                    read(tag_weights), scalar(dloss)),
          write);
  }
  void l2_penalty_forward(Tensor w, float lambda, Tensor loss, Write write) override {
    store(loss, reference::l2_penalty_forward(read(w), static_cast<double>(lambda)), write);
  }
  void l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Tensor dw, Write write) override {
    store(dw, reference::l2_penalty_backward(read(w), static_cast<double>(lambda), scalar(dloss)), write);
  }

  void sgd_update(Tensor w, Tensor g, Tensor v, Tensor rate, Tensor scale, float momentum, bool nesterov,
                  float l2) override {
    Doubles new_w = read(w), new_v = read(v);
    reference::sgd_update(new_w, read(g), new_v, scalar(rate), scalar(scale), static_cast<double>(momentum),
                          nesterov, static_cast<double>(l2));
    store(w, new_w);
    store(v, new_v);
  }
  void adam_update(Tensor w, Tensor g, Tensor m, Tensor v, Tensor rate, Tensor scale, Tensor counter,
                   float beta1, float beta2, float epsilon, float decay, float l2) override {
    Doubles new_w = read(w), new_m = read(m), new_v = read(v);
    reference::adam_update<double>(new_w, read(g), new_m, new_v, scalar(rate), scalar(scale),
                                   integer(counter), {beta1, beta2, epsilon, decay, l2});
    store(w, new_w);
    store(m, new_m);
    store(v, new_v);
  }
  void adadelta_update(Tensor w, Tensor g, Tensor a, Tensor d, Tensor rate, Tensor scale, float rho,
                       float epsilon) override {
    Doubles new_w = read(w), new_a = read(a), new_d = read(d);
    reference::adadelta_update(new_w, read(g), new_a, new_d, scalar(rate), scalar(scale),
                               static_cast<double>(rho), static_cast<double>(epsilon));
    store(w, new_w);
    store(a, new_a);
    store(d, new_d);
  }
  void gradient_norm(Tensor g, float max_norm, Tensor norm) override {
    store(norm, reference::gradient_norm(read(g), static_cast<double>(max_norm)));
  }

  void learning_rate(const Schedule& schedule, Tensor counter, Tensor rate) override {
    store(rate, Doubles(rate.shape, reference::learning_rate(schedule, integer(counter))));
  }
  void advance(Tensor counter, std::int64_t by) override { *counter.i64() += by; }
  void record(Tensor x, Tensor counter, std::int64_t column, Tensor log) override {
    log.f32()[integer(counter) % log.dim(0) * log.dim(1) + column] = *x.f32();
  }

  void pick_batch(const BatchPlan& plan, std::int64_t frames, Tensor first, Tensor labels,
                  Tensor weights) override {
    const Index n = first.numel();
    const auto order = read_as<std::int32_t>(plan.order.span(integer(plan.step) * n, n, {n}));
    const auto picked = reference::pick_batch(
        order.v, read_as<std::int64_t>(plan.first_row).v, read_as<std::int32_t>(plan.rows).v,
        read_as<std::int32_t>(plan.labels).v, plan, integer(plan.counter), frames,
        plan.class_weights ? read_as<float>(plan.class_weights).v : std::vector<float>{});
    store_exactly(first, picked.first);
    store_exactly(labels, picked.labels);
    store(weights, picked.weights);
  }
  void gather_segments(Tensor table, Tensor first, Tensor x) override {
    store(x, reference::gather_segments(read(table), read_as<std::int64_t>(first), x.dim(1)));
  }
  void gather_labels(Tensor table, Tensor track, Tensor targets) override {
    const auto tracks = read_as<std::int32_t>(track);
    const Index tags = table.dim(1);
    Doubles values(targets.shape);
    for (Index i = 0; i < values.size(); ++i) values[i] = table.u8()[tracks[i / tags] * tags + i % tags];
    store(targets, values);
  }
  // In float: a difference and a product that round one after the other, to the same bits on every device.
  void standardise(Tensor x, Tensor mean, Tensor scale, Tensor y) override {
    store(y, reference::standardise(read_as<float>(x), read_as<float>(mean), read_as<float>(scale)));
  }
  void global_max_forward(Tensor x, Tensor lengths, Tensor y, Tensor argmax) override {
    const auto g = reference::global_max_forward(read(x), read_lengths(lengths));
    store(y, g.y);
    store_exactly(argmax, g.argmax);
  }
  void global_max_backward(Tensor dy, Tensor argmax, Tensor dx, Write write) override {
    store(dx, reference::global_max_backward(read(dy), read_as<std::int32_t>(argmax), dx.shape), write);
  }
  void global_mean_forward(Tensor x, Tensor lengths, Tensor y) override {
    store(y, reference::global_mean_forward(read(x), read_lengths(lengths)));
  }
  void global_mean_backward(Tensor dy, Tensor lengths, Tensor dx, Write write) override {
    store(dx, reference::global_mean_backward(read(dy), read_lengths(lengths), dx.shape), write);
  }
  void batch_norm_forward(Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Tensor y, Tensor mean,
                          Tensor scale, Tensor running_mean, Tensor running_variance) override {
    const auto b = reference::batch_norm_forward(
        read(x), read(gamma), read(beta), static_cast<double>(norm.epsilon),
        static_cast<double>(norm.momentum), read(running_mean), read(running_variance));
    store(y, b.y);
    store(mean, b.mean);
    store(scale, b.scale);
    store(running_mean, b.running_mean);
    store(running_variance, b.running_variance);
  }
  void batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean, Tensor running_variance,
                            float epsilon, Tensor y) override {
    store(y, reference::batch_norm_inference(read(x), read(gamma), read(beta), read(running_mean),
                                             read(running_variance), static_cast<double>(epsilon)));
  }
  void batch_norm_backward(Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Tensor dx,
                           Write write_dx, Tensor dgamma, Tensor dbeta, Write write_params) override {
    const auto g = reference::batch_norm_backward(read(x), read(gamma), read(mean), read(scale), read(dy));
    if (dx) store(dx, g.dx, write_dx);
    store(dgamma, g.dgamma, write_params);
    store(dbeta, g.dbeta, write_params);
  }
  void scale_channels_forward(Tensor x, Tensor g, Tensor y) override {
    store(y, reference::scale_channels_forward(read(x), read(g)));
  }
  void scale_channels_backward(Tensor x, Tensor g, Tensor dy, Tensor dx, Write write_dx, Tensor dg,
                               Write write_dg) override {
    const auto d = reference::scale_channels_backward(read(x), read(g), read(dy));
    store(dx, d.dx, write_dx);
    store(dg, d.dg, write_dg);
  }
  void copy_columns(Tensor from, std::int64_t from_column, Tensor to, std::int64_t to_column,
                    std::int64_t columns, Write write) override {
    store(to, reference::copy_columns(read(from), from_column, read(to), to_column, columns, write));
  }
  void swap_axes(Tensor x, Tensor y, Write write) override { store(y, reference::swap_axes(read(x)), write); }
  void recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Tensor states,
                         Tensor saved) override {
    const auto out = reference::recurrent_forward(read(x), read(u), read(b), layer_of(recurrent));
    store(states, out.states);
    store(saved, out.saved);
  }
  void recurrent_backward(Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved, Tensor dstates,
                          Tensor dx, Tensor du, Tensor db, Write write) override {
    const auto g =
        reference::recurrent_backward(read(u), layer_of(recurrent), read(states), read(saved), read(dstates));
    store(dx, g.dx);
    store(du, g.du, write);
    store(db, g.db, write);
  }
  void augment(Tensor x, const Augment& augment, Tensor y) override {
    store(y, reference::augment(read(x), augment, integer(augment.counter)));
  }
  void mix_examples(Tensor x, const Mixup& mixup, Tensor y) override {
    check_mixup(mixup);
    store(y, reference::mix_examples(read(x), mixup, integer(mixup.counter)));
  }
  void harmonic_filters_forward(Tensor centres, Tensor q, float hz_per_bin, Tensor w) override {
    store(w, reference::harmonic_filters_forward(read(centres), read(q), static_cast<double>(hz_per_bin),
                                                 w.dim(1)));
  }
  void harmonic_filters_backward(Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Tensor dq,
                                 Write write) override {
    store(dq,
          reference::harmonic_filters_backward(read(centres), read(q), static_cast<double>(hz_per_bin),
                                               read(dw)),
          write);
  }
  void log_mel(Tensor pcm, const MelTables& mel, Tensor y) override {
    Doubles values(y.shape);
    Index i = 0;
    const Doubles samples = read(pcm);
    for (const auto& row : reference::log_mel({samples.v.begin(), samples.v.end()}, mel.options))
      for (const double v : row) values.v.at(static_cast<std::size_t>(i++)) = v;
    store(y, values);
  }
};

class ReferenceDevice final : public HostDevice {
 public:
  std::string name() const override { return "reference"; }
  std::string description() const override { return "plain loops in double precision"; }
  Ops& ops() override { return ops_; }

 private:
  ReferenceOps ops_;
};

}  // namespace

std::unique_ptr<Ops> make_reference_ops() { return std::make_unique<ReferenceOps>(); }
std::unique_ptr<Device> make_reference_device() { return std::make_unique<ReferenceDevice>(); }

}  // namespace melgrad
