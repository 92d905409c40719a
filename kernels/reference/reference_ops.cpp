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
void store(const Grad& to, const Array<R>& values) {
  const auto& [t, write] = to;
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

template <typename R>
void store(const Tensor& t, const Array<R>& values) {
  store(Grad{t, Write::overwrite}, values);
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
  void fill(Out y, float value) override { store(y, Array<float>(y.shape, value)); }
  void add(Tensor x, Grad y) override { store(y, read(x)); }
  void activation_forward(Tensor x, Activation f, Out y) override {
    store(y, reference::activation_forward(read(x), f));
  }
  void activation_backward(Tensor x, Tensor y, Tensor dy, Activation f, Grad dx) override {
    store(dx, reference::activation_backward(read(x), read(y), read(dy), f));
  }
  void dropout_forward(Tensor x, const Dropout& dropout, Out y) override { store(y, dropped(x, dropout)); }
  void dropout_backward(Tensor dy, const Dropout& dropout, Grad dx) override {
    store(dx, dropped(dy, dropout));
  }

  void linear_forward(Tensor x, Tensor w, Tensor b, Out y) override {
    store(y, reference::linear_forward(read(x), read(w), read(b)));
  }
  void linear_backward_input(Tensor dy, Tensor w, Grad dx) override {
    store(dx, reference::linear_backward_input(read(dy), read(w)));
  }
  void linear_backward_params(Tensor x, Tensor dy, Grad dw, Grad db) override {
    const auto g = reference::linear_backward_params(read(x), read(dy));
    store(dw, g.dw);
    store(db, g.db);
  }

  void conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Out y) override {
    store(y, reference::conv2d_forward(read(x), read(w), read(b), conv));
  }
  void conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Grad dx) override {
    store(dx, reference::conv2d_backward_input(read(dy), read(w), conv, dx.tensor.shape));
  }
  void conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Grad dw, Grad db) override {
    const auto g = reference::conv2d_backward_params(read(x), read(dy), conv, dw.tensor.shape);
    store(dw, g.dw);
    store(db, g.db);
  }

  void max_pool_forward(Tensor x, const Pool2d& pool, Out y, Out argmax) override {
    const auto pooled = reference::max_pool_forward(read(x), pool);
    store(y, pooled.y);
    store_exactly(argmax, pooled.argmax);
  }
  void max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Grad dx) override {
    store(dx, reference::max_pool_backward(read(dy), read_as<std::uint8_t>(argmax), pool, dx.tensor.shape));
  }
  void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) override {
    const auto pooled = reference::stem_forward(read(x), read(w), read(b), pool);
    store(y, pooled.y);
    store_exactly(argmax, pooled.argmax);
  }
  void stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Grad dw,
                            Grad db) override {
    const auto g = reference::stem_backward_params(read(x), read(y), read_as<std::uint8_t>(argmax), read(dy),
                                                   pool, dw.tensor.shape);
    store(dw, g.dw);
    store(db, g.db);
  }

  void softmax_forward(Tensor logits, Out probs) override {
    store(probs, reference::softmax_forward(read(logits)));
  }
  void cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Out probs, Out loss,
                             Out hits) override {
    const auto c =
        labels.dtype == DType::f32
            ? reference::cross_entropy_forward(read(logits), read(labels), read(weights))
            : reference::cross_entropy_forward(read(logits), read_as<std::int32_t>(labels), read(weights));
    store(probs, c.probs);
    store(loss, c.loss);
    store(hits, c.hits);
  }
  void cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss,
                              Grad dlogits) override {
    store(dlogits,
          labels.dtype == DType::f32
              ? reference::cross_entropy_backward(read(probs), read(labels), read(weights), scalar(dloss))
              : reference::cross_entropy_backward(read(probs), read_as<std::int32_t>(labels), read(weights),
                                                  scalar(dloss)));
  }
  void sigmoid_cross_entropy_forward(Tensor logits, Tensor targets, Tensor weights, Tensor tag_weights,
                                     Out probs, Out loss, Out hits) override {
    const auto c = reference::sigmoid_cross_entropy_forward(read(logits), read(targets), read(weights),
                                                            read(tag_weights));
    store(probs, c.probs);
    store(loss, c.loss);
    store(hits, c.hits);
  }
  void sigmoid_cross_entropy_backward(Tensor probs, Tensor targets, Tensor weights, Tensor tag_weights,
                                      Tensor dloss, Grad dlogits) override {
    store(dlogits, reference::sigmoid_cross_entropy_backward(read(probs), read(targets), read(weights),
                                                             read(tag_weights), scalar(dloss)));
  }
  void l2_penalty_forward(Tensor w, float lambda, Grad loss) override {
    store(loss, reference::l2_penalty_forward(read(w), static_cast<double>(lambda)));
  }
  void l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Grad dw) override {
    store(dw, reference::l2_penalty_backward(read(w), static_cast<double>(lambda), scalar(dloss)));
  }

  void sgd_update(InOut w, Tensor g, InOut v, Tensor rate, Tensor scale, float momentum, bool nesterov,
                  float l2) override {
    Doubles new_w = read(w), new_v = read(v);
    reference::sgd_update(new_w, read(g), new_v, scalar(rate), scalar(scale), static_cast<double>(momentum),
                          nesterov, static_cast<double>(l2));
    store(w, new_w);
    store(v, new_v);
  }
  void adam_update(InOut w, Tensor g, InOut m, InOut v, Tensor rate, Tensor scale, Tensor counter,
                   float beta1, float beta2, float epsilon, float decay, float l2) override {
    Doubles new_w = read(w), new_m = read(m), new_v = read(v);
    reference::adam_update<double>(new_w, read(g), new_m, new_v, scalar(rate), scalar(scale),
                                   integer(counter), {beta1, beta2, epsilon, decay, l2});
    store(w, new_w);
    store(m, new_m);
    store(v, new_v);
  }
  void adadelta_update(InOut w, Tensor g, InOut a, InOut d, Tensor rate, Tensor scale, float rho,
                       float epsilon) override {
    Doubles new_w = read(w), new_a = read(a), new_d = read(d);
    reference::adadelta_update(new_w, read(g), new_a, new_d, scalar(rate), scalar(scale),
                               static_cast<double>(rho), static_cast<double>(epsilon));
    store(w, new_w);
    store(a, new_a);
    store(d, new_d);
  }
  void beside_mean(Tensor x, Tensor mean, float scale, Out y) override {
    store(y, reference::beside_mean(read(x), read(mean), static_cast<double>(scale)));
  }
  void average(Tensor x, const Averaging& averaging, InOut mean) override {
    store(mean, reference::average(read(x), averaging.decay, averaging.begin, integer(averaging.counter),
                                   read(mean)));
  }
  void gradient_norm(Tensor g, float max_norm, Out norm) override {
    store(norm, reference::gradient_norm(read(g), static_cast<double>(max_norm)));
  }

  void learning_rate(const Schedule& schedule, Tensor counter, Out rate) override {
    store(rate, Doubles(rate.shape, reference::learning_rate(schedule, integer(counter))));
  }
  void advance(InOut counter, std::int64_t by) override { *counter.i64() += by; }
  void record(Tensor x, Tensor counter, std::int64_t column, InOut log) override {
    log.f32()[integer(counter) % log.dim(0) * log.dim(1) + column] = *x.f32();
  }

  void pick_batch(const BatchPlan& plan, std::int64_t frames, Out first, Out labels, Out weights) override {
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
  void gather_segments(Tensor table, Tensor first, Out x) override {
    store(x, reference::gather_segments(read(table), read_as<std::int64_t>(first), x.dim(1)));
  }
  void gather_labels(Tensor table, Tensor track, Out targets) override {
    const auto tracks = read_as<std::int32_t>(track);
    const Index tags = table.dim(1);
    Doubles values(targets.shape);
    for (Index i = 0; i < values.size(); ++i) values[i] = table.f32()[tracks[i / tags] * tags + i % tags];
    store(targets, values);
  }
  // In float: a difference and a product that round one after the other, to the same bits on every device.
  void standardise(Tensor x, Tensor mean, Tensor scale, Out y) override {
    store(y, reference::standardise(read_as<float>(x), read_as<float>(mean), read_as<float>(scale)));
  }
  void global_max_forward(Tensor x, Tensor lengths, Out y, Out argmax) override {
    const auto g = reference::global_max_forward(read(x), read_lengths(lengths));
    store(y, g.y);
    store_exactly(argmax, g.argmax);
  }
  void global_max_backward(Tensor dy, Tensor argmax, Grad dx) override {
    store(dx, reference::global_max_backward(read(dy), read_as<std::int32_t>(argmax), dx.tensor.shape));
  }
  void global_mean_forward(Tensor x, Tensor lengths, Out y) override {
    store(y, reference::global_mean_forward(read(x), read_lengths(lengths)));
  }
  void global_mean_backward(Tensor dy, Tensor lengths, Grad dx) override {
    store(dx, reference::global_mean_backward(read(dy), read_lengths(lengths), dx.tensor.shape));
  }
  void attention_pool_forward(Tensor x, Tensor scores, Out weights, Out y) override {
    const auto pooled = reference::attention_pool_forward(read(x), read(scores));
    store(weights, pooled.weights);
    store(y, pooled.y);
  }
  void attention_pool_backward(Tensor x, Tensor weights, Tensor dy, Grad dx, Grad dscores) override {
    const auto d = reference::attention_pool_backward(read(x), read(weights), read(dy));
    store(dx, d.dx);
    store(dscores, d.dscores);
  }
  void batch_norm_forward(Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Out y, Out mean,
                          Out scale, InOut running_mean, InOut running_variance) override {
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
                            float epsilon, Out y) override {
    store(y, reference::batch_norm_inference(read(x), read(gamma), read(beta), read(running_mean),
                                             read(running_variance), static_cast<double>(epsilon)));
  }
  void batch_norm_backward(Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Grad dx, Grad dgamma,
                           Grad dbeta) override {
    const auto g = reference::batch_norm_backward(read(x), read(gamma), read(mean), read(scale), read(dy));
    if (dx.tensor) store(dx, g.dx);
    store(dgamma, g.dgamma);
    store(dbeta, g.dbeta);
  }
  void scale_channels_forward(Tensor x, Tensor g, Out y) override {
    store(y, reference::scale_channels_forward(read(x), read(g)));
  }
  void scale_channels_backward(Tensor x, Tensor g, Tensor dy, Grad dx, Grad dg) override {
    const auto d = reference::scale_channels_backward(read(x), read(g), read(dy));
    store(dx, d.dx);
    store(dg, d.dg);
  }
  void copy_columns(Tensor from, std::int64_t from_column, InOut to, std::int64_t to_column,
                    std::int64_t columns, Write write) override {
    store(to, reference::copy_columns(read(from), from_column, read(to), to_column, columns, write));
  }
  void swap_axes(Tensor x, Grad y) override { store(y, reference::swap_axes(read(x))); }
  void recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Out states,
                         Out saved) override {
    const auto out = reference::recurrent_forward(read(x), read(u), read(b), layer_of(recurrent));
    store(states, out.states);
    store(saved, out.saved);
  }
  void recurrent_backward(Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved, Tensor dstates,
                          Out dx, Grad du, Grad db) override {
    const auto g =
        reference::recurrent_backward(read(u), layer_of(recurrent), read(states), read(saved), read(dstates));
    store(dx, g.dx);
    store(du, g.du);
    store(db, g.db);
  }
  void augment(Tensor x, const Augment& augment, Out y) override {
    store(y, reference::augment(read(x), augment, integer(augment.counter)));
  }
  void resample(Tensor x, const Resample& resample, Out y) override {
    check_resample(resample, x.dim(1), y.dim(1));
    store(y, reference::resample(read(x), resample, integer(resample.counter), y.dim(1)));
  }
  void mix_examples(Tensor x, const Mixup& mixup, Out y) override {
    check_mixup(mixup);
    store(y, reference::mix_examples(read(x), mixup, integer(mixup.counter)));
  }
  void harmonic_filters_forward(Tensor centres, Tensor q, float hz_per_bin, Out w) override {
    store(w, reference::harmonic_filters_forward(read(centres), read(q), static_cast<double>(hz_per_bin),
                                                 w.dim(1)));
  }
  void harmonic_filters_backward(Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Grad dq) override {
    store(dq, reference::harmonic_filters_backward(read(centres), read(q), static_cast<double>(hz_per_bin),
                                                   read(dw)));
  }
  void log_mel(Tensor pcm, const MelTables& mel, Out y) override {
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
