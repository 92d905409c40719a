// Convolution by oneDNN, channels last; gradients that are mostly zeros go through sparse_conv.h. The only
// file that knows oneDNN, whose interface differs between major versions 2 (Debian 12: an operation
// descriptor, then a primitive descriptor) and 3 (one step).
//
// Activations stay in our layout; weights are reordered into the layout oneDNN asks for, which is small
// beside the convolution itself. Primitives are built once per shape and kept.
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <tuple>
#include <vector>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sparse_conv.h"

namespace melgrad {
namespace {

using dnnl::memory;
using Dims = memory::dims;
constexpr auto kF32 = memory::data_type::f32;

// Logical NCHW extents in oneDNN's terms; T is the height, F the width.
struct ConvShape {
  Dims x, w, b, y, stride, pad;
  auto key() const { return std::tie(x, w, y, stride, pad); }
  bool operator<(const ConvShape& o) const { return key() < o.key(); }
};

ConvShape conv_shape(const Shape& x, const Shape& w, const Shape& y, const Conv2d& conv) {
  return {{x[0], x[3], x[1], x[2]}, {w[0], w[3], w[1], w[2]},       {w[0]},
          {y[0], y[3], y[1], y[2]}, {conv.stride_t, conv.stride_f}, {conv.pad_t, conv.pad_f}};
}

memory::desc channels_last(const Dims& d) { return {d, kF32, memory::format_tag::nhwc}; }
memory::desc our_weights(const Dims& d) { return {d, kF32, memory::format_tag::ohwi}; }
memory::desc any_weights(const Dims& d) { return {d, kF32, memory::format_tag::any}; }
memory::desc vector_of(const Dims& d) { return {d, kF32, memory::format_tag::a}; }

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;
constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
constexpr auto kPropagation = dnnl::prop_kind::forward_training;

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

#if DNNL_VERSION_MAJOR >= 3
Forward::primitive_desc describe_forward(const dnnl::engine& e, const ConvShape& s) {
  return {e,
          kPropagation,
          kAlgorithm,
          channels_last(s.x),
          any_weights(s.w),
          vector_of(s.b),
          channels_last(s.y),
          s.stride,
          s.pad,
          s.pad,
          attributes()};
}
BackwardData::primitive_desc describe_backward_data(const dnnl::engine& e, const ConvShape& s) {
  return {e,     kAlgorithm, channels_last(s.x),     any_weights(s.w), channels_last(s.y), s.stride,
          s.pad, s.pad,      describe_forward(e, s), attributes()};
}
BackwardWeights::primitive_desc describe_backward_weights(const dnnl::engine& e, const ConvShape& s) {
  return {e,
          kAlgorithm,
          channels_last(s.x),
          any_weights(s.w),
          vector_of(s.b),
          channels_last(s.y),
          s.stride,
          s.pad,
          s.pad,
          describe_forward(e, s),
          attributes()};
}
#else
Forward::primitive_desc describe_forward(const dnnl::engine& e, const ConvShape& s) {
  const Forward::desc operation(kPropagation, kAlgorithm, channels_last(s.x), any_weights(s.w),
                                vector_of(s.b), channels_last(s.y), s.stride, s.pad, s.pad);
  return {operation, attributes(), e};
}
BackwardData::primitive_desc describe_backward_data(const dnnl::engine& e, const ConvShape& s) {
  const BackwardData::desc operation(kAlgorithm, channels_last(s.x), any_weights(s.w), channels_last(s.y),
                                     s.stride, s.pad, s.pad);
  return {operation, attributes(), e, describe_forward(e, s)};
}
BackwardWeights::primitive_desc describe_backward_weights(const dnnl::engine& e, const ConvShape& s) {
  const BackwardWeights::desc operation(kAlgorithm, channels_last(s.x), any_weights(s.w), vector_of(s.b),
                                        channels_last(s.y), s.stride, s.pad, s.pad);
  return {operation, attributes(), e, describe_forward(e, s)};
}
#endif

// A kernel of one position with a stride meets every n-th position alone. oneDNN 2.6 (jit_1x1:avx2) writes
// past its scratchpad there where the channels do not fill a vector; so the positions are taken out first,
// which is no slower.
bool meets_every_nth(const Shape& w, const Conv2d& conv) {
  return w[1] == 1 && w[2] == 1 && conv.pad_t == 0 && conv.pad_f == 0 && conv.stride_t * conv.stride_f > 1;
}

// body(at, nth): the first channel of a position of x [N, T, F, C] that is met, and of it among those that
// are, [N, frames, bands, C].
template <typename Body>
void for_each_nth(const Shape& x, std::int64_t frames, std::int64_t bands, const Conv2d& conv, int threads,
                  const Body& body) {
  parallel_for(x[0] * frames, threads, 1, [&](std::int64_t row) {
    const std::int64_t n = row / frames, t = row % frames * conv.stride_t;
    for (std::int64_t f = 0; f < bands; ++f)
      body(((n * x[1] + t) * x[2] + f * conv.stride_f) * x[3], (row * bands + f) * x[3]);
  });
}

template <typename Primitive>
struct Built {
  typename Primitive::primitive_desc description;
  Primitive primitive;
  explicit Built(typename Primitive::primitive_desc d) : description(std::move(d)), primitive(description) {}
};

}  // namespace

class ConvPrimitives {
 public:
  void forward(const ConvShape& s, Tensor x, Tensor w, Tensor b, Tensor y) {
    auto& built = find(forward_, s, describe_forward);
    memory weights = reordered(w, our_weights(s.w), built.description.weights_desc());
    run(built, {{DNNL_ARG_SRC, wrap(x, channels_last(s.x))},
                {DNNL_ARG_WEIGHTS, weights},
                {DNNL_ARG_BIAS, wrap(b, vector_of(s.b))},
                {DNNL_ARG_DST, wrap(y, channels_last(s.y))}});
  }

  void backward_data(const ConvShape& s, Tensor dy, Tensor w, Tensor dx) {
    auto& built = find(backward_data_, s, describe_backward_data);
    memory weights = reordered(w, our_weights(s.w), built.description.weights_desc());
    run(built, {{DNNL_ARG_DIFF_DST, wrap(dy, channels_last(s.y))},
                {DNNL_ARG_WEIGHTS, weights},
                {DNNL_ARG_DIFF_SRC, wrap(dx, channels_last(s.x))}});
  }

  void backward_weights(const ConvShape& s, Tensor x, Tensor dy, Tensor dw, Tensor db) {
    auto& built = find(backward_weights_, s, describe_backward_weights);
    const memory::desc theirs = built.description.diff_weights_desc();
    memory ours = wrap(dw, our_weights(s.w));
    const bool same = theirs == ours.get_desc();
    memory weights = same ? ours : memory(theirs, engine_);
    run(built, {{DNNL_ARG_SRC, wrap(x, channels_last(s.x))},
                {DNNL_ARG_DIFF_DST, wrap(dy, channels_last(s.y))},
                {DNNL_ARG_DIFF_WEIGHTS, weights},
                {DNNL_ARG_DIFF_BIAS, wrap(db, vector_of(s.b))}});
    if (!same) dnnl::reorder(weights, ours).execute(stream_, weights, ours);
    stream_.wait();
  }

  // Room for positions that are taken out.
  Tensor room(const Shape& shape) {
    const auto size = static_cast<std::size_t>(shape.numel());
    if (nth_.size() < size) nth_.resize(size);
    return {nth_.data(), shape};
  }

 private:
  template <typename Primitive, typename Describe>
  Built<Primitive>& find(std::map<ConvShape, Built<Primitive>>& cache, const ConvShape& s,
                         const Describe& describe) {
    auto it = cache.find(s);
    if (it == cache.end()) it = cache.emplace(s, Built<Primitive>(describe(engine_, s))).first;
    return it->second;
  }

  memory wrap(Tensor t, const memory::desc& d) { return {d, engine_, t.data}; }

  memory reordered(Tensor w, const memory::desc& ours, const memory::desc& theirs) {
    memory from = wrap(w, ours);
    if (ours == theirs) return from;
    memory to(theirs, engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    return to;
  }

  template <typename Primitive>
  void run(Built<Primitive>& built, std::unordered_map<int, memory> args) {
    const memory::desc need = built.description.scratchpad_desc();
    if (!workspace_ || workspace_->get_desc().get_size() < need.get_size())
      workspace_ = memory(need, engine_);
    args.emplace(DNNL_ARG_SCRATCHPAD, memory(need, engine_, workspace_->get_data_handle()));
    built.primitive.execute(stream_, args);
    stream_.wait();
  }

  std::vector<float> nth_;  // what a kernel of one position meets

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::optional<memory> workspace_;  // shared by all convolutions, as large as the largest needs
  std::map<ConvShape, Built<Forward>> forward_;
  std::map<ConvShape, Built<BackwardData>> backward_data_;
  std::map<ConvShape, Built<BackwardWeights>> backward_weights_;
};

CpuOps::CpuOps(int threads) : threads_(threads), conv_(std::make_unique<ConvPrimitives>()) {}
CpuOps::~CpuOps() = default;

// The positions of x that a kernel of one position meets.
Tensor CpuOps::every_nth(Tensor x, const Conv2d& conv, std::int64_t frames, std::int64_t bands) {
  const Tensor out = conv_->room({x.dim(0), frames, bands, x.dim(3)});
  const float* from = x.f32();
  float* to = out.f32();
  for_each_nth(x.shape, frames, bands, conv, threads_,
               [=, channels = x.dim(3)](std::int64_t at, std::int64_t nth) {
                 std::copy_n(from + at, channels, to + nth);
               });
  return out;
}

void CpuOps::conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Out y) {
  if (meets_every_nth(w.shape, conv)) {
    conv2d_forward(every_nth(x, conv, y.dim(1), y.dim(2)), w, b, {}, y);
    return;
  }
  conv_->forward(conv_shape(x.shape, w.shape, y.shape, conv), x, w, b, y);
}

// oneDNN overwrites; a gradient that accumulates goes through scratch memory.
void CpuOps::conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Grad dx) {
  const std::int64_t channels = dx.tensor.dim(3);
  if (meets_every_nth(w.shape, conv)) {
    const Tensor part = conv_->room({dy.dim(0), dy.dim(1), dy.dim(2), channels});
    conv2d_backward_input(dy, w, {}, {part, Write::overwrite});
    if (dx.write == Write::overwrite) fill(dx.tensor, 0.0F);
    float* to = dx.tensor.f32();
    for_each_nth(dx.tensor.shape, dy.dim(1), dy.dim(2), conv, threads_,
                 [=, from = part.f32()](std::int64_t at, std::int64_t nth) {
                   for (std::int64_t c = 0; c < channels; ++c) to[at + c] += from[nth + c];
                 });
    return;
  }
  if (sparse_conv_pays(dy, dx.tensor.dim(3), conv, threads_)) {
    sparse_conv_backward_input(dy, w, conv, dx, threads_);
    return;
  }
  Tensor to = dx.tensor;
  if (dx.write == Write::accumulate) to.data = scratch(static_cast<std::size_t>(dx.tensor.bytes()));
  conv_->backward_data(conv_shape(dx.tensor.shape, w.shape, dy.shape, conv), dy, w, to);
  if (dx.write == Write::accumulate) add(to, dx);
}

void CpuOps::conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Grad dw, Grad db) {
  if (meets_every_nth(dw.tensor.shape, conv)) {
    conv2d_backward_params(every_nth(x, conv, dy.dim(1), dy.dim(2)), dy, {}, dw, db);
    return;
  }
  if (sparse_conv_pays(dy, x.dim(3), conv, threads_)) {
    const auto floats = static_cast<std::size_t>(sparse_conv_scratch(dw.tensor, x.dim(0), threads_));
    auto* sums = static_cast<float*>(scratch(floats * sizeof(float)));
    sparse_conv_backward_params(x, dy, conv, dw, db, sums, threads_);
    return;
  }
  Tensor to_w = dw.tensor, to_b = db.tensor;
  const bool add_w = dw.write == Write::accumulate, add_b = db.write == Write::accumulate;
  auto* memory = static_cast<char*>(
      add_w || add_b ? scratch(static_cast<std::size_t>(to_w.bytes() + to_b.bytes())) : nullptr);
  if (add_w) to_w.data = memory;
  if (add_b) to_b.data = memory + to_w.bytes();
  conv_->backward_weights(conv_shape(x.shape, to_w.shape, dy.shape, conv), x, dy, to_w, to_b);
  if (add_w) add(to_w, dw);
  if (add_b) add(to_b, db);
}

}  // namespace melgrad
