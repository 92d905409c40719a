// Operations on bf16 activations: against the reference on the values that bf16 holds. A result stored in
// bf16 is off by at most 2^-8, on average far less; what is summed and stored in f32 is as exact as for f32
// input.
#include "kernels/math/bf16.h"

#include "kernels/devices/make_device.h"
#include "tests/ops/op_test.h"

namespace melgrad {
namespace {

constexpr double kStored = 5.1e-6;  // NMSE of one rounding to 8 significant bits: at most (2^-8)^2 / 3

// Rounded to what bf16 can hold.
Array<float> representable(Array<float> a) {
  for (float& v : a.v) v = to_float(from_float<Bf16>(v));
  return a;
}

Bytes as_bf16(const Array<float>& a) {
  Array<std::uint16_t> bits(a.shape);
  for (std::size_t i = 0; i < a.v.size(); ++i) bits.v[i] = from_float<Bf16>(a.v[i]).bits;
  return bytes_of(bits);
}

class Bf16Test : public testing::TestWithParam<DeviceParam> {
 protected:
  void SetUp() override { device_ = GetParam().make(); }
  Ops& ops() { return device_->ops(); }

  Tensor put(const Array<float>& a, DType dtype = DType::bf16) {
    buffers_.push_back(std::make_unique<Buffer>(*device_, a.shape, dtype));
    buffers_.back()->upload(dtype == DType::bf16 ? as_bf16(a) : bytes_of(a));
    return buffers_.back()->tensor();
  }
  Tensor put(const Array<std::uint8_t>& a) {
    buffers_.push_back(std::make_unique<Buffer>(*device_, a.shape, DType::u8));
    buffers_.back()->upload(bytes_of(a));
    return buffers_.back()->tensor();
  }
  Tensor place(const Shape& shape, DType dtype = DType::bf16) {
    buffers_.push_back(std::make_unique<Buffer>(*device_, shape, dtype));
    buffers_.back()->fill_with_nan();
    return buffers_.back()->tensor();
  }
  void expect(Tensor t, const Array<double>& want, double limit) {
    device_->synchronise();
    for (const auto& buffer : buffers_) {
      if (buffer->tensor().data != t.data) {
        buffer->download();  // looks at its guards
        continue;
      }
      double error = 0, power = 0;
      ASSERT_EQ(t.numel(), static_cast<Index>(want.v.size()));
      std::vector<float> got;
      if (t.dtype == DType::bf16) {
        for (const std::uint16_t bits : host_array<std::uint16_t>(*buffer).v)
          got.push_back(to_float(Bf16{bits}));
      } else {
        got = host_array<float>(*buffer).v;
      }
      for (std::size_t i = 0; i < got.size(); ++i) {
        error += (got[i] - want.v[i]) * (got[i] - want.v[i]);
        power += want.v[i] * want.v[i];
      }
      EXPECT_LE(error, limit * power) << "NMSE " << error / power;
      EXPECT_FALSE(std::isnan(error));
    }
  }

  std::unique_ptr<Device> device_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

Array<float> some(std::uint32_t seed, const Shape& shape) {
  return representable(Random(seed).array<float>(shape));
}

TEST_P(Bf16Test, elementwise) {
  const auto x = some(1, {3, 257}), dy = some(2, {3, 257});
  const Tensor tx = put(x), tdy = put(dy), sum = put(dy);
  for (const Activation f : kActivations) {
    const auto stored = representable(reference::activation_forward(x, f));
    const Tensor y = place(x.shape), ty = put(stored), dx = place(x.shape);
    const double limit = f == Activation::relu ? 0 : kStored;
    ops().activation_forward(tx, f, y);
    expect(y, reference::activation_forward(x.as<double>(), f), limit);
    ops().activation_backward(tx, ty, tdy, f, {dx});
    const auto want = reference::activation_backward(x.as<double>(), stored.as<double>(), dy.as<double>(), f);
    expect(dx, want, limit);
  }
  ops().add(tx, {sum, Write::accumulate});
  expect(sum, x.as<double>() + dy.as<double>(), kStored);
  ops().fill(sum, 1.5F);
  Array<double> filled(x.shape);
  for (double& v : filled.v) v = 1.5;
  expect(sum, filled, 0);
}

TEST_P(Bf16Test, dropout) {
  const auto x = some(1, {4099});
  const Tensor tx = put(x), y = place(x.shape);
  Buffer counter(*device_, {1}, DType::i64);
  counter.upload(Bytes(8, std::byte{0}));
  const auto cpu = make_device("cpu", {.threads = 1});
  Buffer cx(*cpu, x.shape, DType::f32), cy(*cpu, x.shape, DType::f32), ccounter(*cpu, {1}, DType::i64);
  cx.upload(bytes_of(x));
  ccounter.upload(Bytes(8, std::byte{0}));
  cy.fill_with_nan();
  ops().dropout_forward(tx, {0.3F, 1, 2, counter.tensor()}, y);
  cpu->ops().dropout_forward(cx.tensor(), {0.3F, 1, 2, ccounter.tensor()}, cy.tensor());
  expect(y, host_array<float>(cy).as<double>(), kStored);  // the same draws
}

TEST_P(Bf16Test, max_pool) {
  const auto x = some(1, {3, 31, 33, 5});
  const Pool2d pool{4, 2};
  const auto pooled = reference::max_pool_forward(x.as<double>(), pool);
  const auto dy = some(2, pooled.y.shape);
  const Tensor tx = put(x), tdy = put(dy), y = place(pooled.y.shape),
               argmax = place(pooled.y.shape, DType::u8), dx = place(x.shape);
  ops().max_pool_forward(tx, pool, y, argmax);
  expect(y, pooled.y, 0);
  ops().max_pool_backward(tdy, argmax, pool, {dx});
  expect(dx, reference::max_pool_backward(dy.as<double>(), pooled.argmax, pool, x.shape), 0);
}

TEST_P(Bf16Test, global_pooling) {
  const auto x = some(1, {3, 257, 33}), dy = some(2, {3, 33});
  const auto pooled = reference::global_max_forward(x.as<double>(), {});
  const Tensor tx = put(x), tdy = put(dy), y = place(dy.shape), argmax = place(dy.shape, DType::i32),
               dx = place(x.shape);
  ops().global_max_forward(tx, {}, y, argmax);
  expect(y, pooled.y, 0);
  ops().global_max_backward(tdy, argmax, {dx});
  expect(dx, reference::global_max_backward(dy.as<double>(), pooled.argmax, x.shape), 0);
  ops().global_mean_forward(tx, {}, y);
  expect(y, reference::global_mean_forward(x.as<double>(), {}), kStored);
  ops().global_mean_backward(tdy, {}, {dx});
  expect(dx, reference::global_mean_backward(dy.as<double>(), {}, x.shape), kStored);
}

TEST_P(Bf16Test, batch_norm) {
  const auto x = some(1, {3, 31, 33}), dy = some(2, x.shape);
  const auto gamma = Random(3).array<float>({33}, 0.5, 2), beta = Random(4).array<float>({33});
  const Array<float> zeros({33}), ones({33}, 1);
  const auto f64 = [](const Array<float>& a) { return a.as<double>(); };
  const Tensor tx = put(x), tdy = put(dy), y = place(x.shape), dx = place(x.shape),
               tgamma = put(gamma, DType::f32), tbeta = put(beta, DType::f32), mean = place({33}, DType::f32),
               scale = place({33}, DType::f32), running_mean = put(zeros, DType::f32),
               running_variance = put(ones, DType::f32), dgamma = place({33}, DType::f32),
               dbeta = place({33}, DType::f32);
  ops().batch_norm_forward(tx, tgamma, tbeta, {1e-5F, 0.5F}, y, mean, scale, running_mean, running_variance);
  const auto want =
      reference::batch_norm_forward(f64(x), f64(gamma), f64(beta), 1e-5, 0.5, f64(zeros), f64(ones));
  expect(y, want.y, kStored);
  expect(mean, want.mean, tolerance::kReduction);
  expect(scale, want.scale, tolerance::kReduction);
  expect(running_mean, want.running_mean, tolerance::kReduction);
  expect(running_variance, want.running_variance, tolerance::kReduction);
  ops().batch_norm_backward(tx, tgamma, mean, scale, tdy, {dx}, {dgamma}, {dbeta});
  const auto grads = reference::batch_norm_backward(f64(x), f64(gamma), want.mean, want.scale, f64(dy));
  expect(dx, grads.dx, kStored);
  expect(dgamma, grads.dgamma, tolerance::kReduction);
  expect(dbeta, grads.dbeta, tolerance::kReduction);
  ops().batch_norm_inference(tx, tgamma, tbeta, running_mean, running_variance, 1e-5F, y);
  expect(y,
         reference::batch_norm_inference(f64(x), f64(gamma), f64(beta), want.running_mean,
                                         want.running_variance, 1e-5),
         kStored);
}

// Gates come from a dense layer, in f32, or are activations themselves.
TEST_P(Bf16Test, channels) {
  const auto x = some(1, {3, 31, 33}), g = some(2, {3, 33}), dy = some(3, x.shape);
  const auto want = reference::scale_channels_forward(x.as<double>(), g.as<double>());
  const auto grads = reference::scale_channels_backward(x.as<double>(), g.as<double>(), dy.as<double>());
  const Tensor tx = put(x), tdy = put(dy), y = place(x.shape), dx = place(x.shape);
  for (const DType type : {DType::f32, DType::bf16}) {
    const Tensor tg = put(g, type), dg = place(g.shape, type);
    ops().scale_channels_forward(tx, tg, y);
    expect(y, want, kStored);
    ops().scale_channels_backward(tx, tg, tdy, {dx}, {dg});
    expect(dx, grads.dx, kStored);
    expect(dg, grads.dg, type == DType::f32 ? tolerance::kReduction : kStored);
  }
  const Tensor swapped = place({31, 3, 33});
  ops().swap_axes(tx, {swapped});
  expect(swapped, reference::swap_axes(x.as<double>()), 0);
  const auto before = some(4, {31, 64});
  const auto rows = some(5, {31, 33});
  const Tensor to = put(before), from = put(rows);
  ops().copy_columns(from, 3, to, 7, 30, Write::overwrite);
  expect(to, reference::copy_columns(rows, 3, before, 7, 30, Write::overwrite).as<double>(), 0);
}

TEST_P(Bf16Test, stem) {
  for (const cases::Stem& s : cases::stem()) {
    if (s.x.numel() < 100) continue;
    SCOPED_TRACE(s.name);
    const auto x = Random(1).array<float>(s.x), w = Random(2).array<float>(s.w),
               b = Random(3).array<float>({s.w[0]});
    const auto want = reference::stem_forward(x.as<double>(), w.as<double>(), b.as<double>(), s.pool);
    const Tensor y = place(want.y.shape), argmax = place(want.y.shape, DType::u8);
    const Tensor tx = put(x, DType::f32);
    ops().stem_forward(tx, put(w, DType::f32), put(b, DType::f32), s.pool, y, argmax);
    expect(y, want.y, kStored);

    const auto dy = some(4, want.y.shape);
    const auto grads =
        reference::stem_backward_params(x.as<double>(), want.y, want.argmax, dy.as<double>(), s.pool, s.w);
    const Tensor dw = place(s.w, DType::f32), db = place({s.w[0]}, DType::f32);
    ops().stem_backward_params(tx, y, put(want.argmax), put(dy), s.pool, {dw}, {db});
    expect(dw, grads.dw, tolerance::kConv);
    expect(db, grads.db, tolerance::kConv);
  }
}

TEST_P(Bf16Test, convolution) {
  for (const cases::Conv& c : cases::conv()) {
    SCOPED_TRACE(c.name);
    const auto x = some(1, c.x), w = some(2, c.w);
    const auto b = Random(3).array<float>({c.w[0]});
    const Shape out = reference::conv2d_shape(c.x, c.w, c.conv);
    const auto dy = some(4, out);
    const Tensor tx = put(x), tw = put(w, DType::f32), tdy = put(dy), y = place(out), dx = place(c.x),
                 dw = place(c.w, DType::f32), db = place({c.w[0]}, DType::f32);
    ops().conv2d_forward(tx, tw, put(b, DType::f32), c.conv, y);
    const auto want = reference::conv2d_forward(x.as<double>(), w.as<double>(), b.as<double>(), c.conv);
    expect(y, want, 2 * kStored);  // the product and its sum with the bias are rounded one after the other
    ops().conv2d_backward_input(tdy, tw, c.conv, {dx});
    expect(dx, reference::conv2d_backward_input(dy.as<double>(), w.as<double>(), c.conv, c.x), kStored);
    ops().conv2d_backward_params(tx, tdy, c.conv, {dw}, {db});
    const auto grads = reference::conv2d_backward_params(x.as<double>(), dy.as<double>(), c.conv, c.w);
    expect(dw, grads.dw, kStored);  // a library may write bf16, which is then widened
    expect(db, grads.db, tolerance::kConv);
  }
}

// bf16 in, f32 out: the step from the last large activation to the dense layers. Gradients of the f32 result
// are rounded before they are multiplied.
TEST_P(Bf16Test, linear) {
  for (const cases::Linear& l : cases::linear()) {
    SCOPED_TRACE(l.name);
    const auto x = some(1, {l.rows, l.inputs}), w = some(2, {l.outputs, l.inputs}),
               dy = some(4, {l.rows, l.outputs});
    const auto b = Random(3).array<float>({l.outputs});
    const Tensor tx = put(x), tw = put(w, DType::f32), tdy = put(dy, DType::f32),
                 y = place({l.rows, l.outputs}, DType::f32), dx = place(x.shape),
                 dw = place(w.shape, DType::f32), db = place(b.shape, DType::f32);
    ops().linear_forward(tx, tw, put(b, DType::f32), y);
    expect(y, reference::linear_forward(x.as<double>(), w.as<double>(), b.as<double>()),
           tolerance::kTensorCoreSum);
    ops().linear_backward_input(tdy, tw, {dx});
    expect(dx, reference::linear_backward_input(dy.as<double>(), w.as<double>()), kStored);
    ops().linear_backward_params(tx, tdy, {dw}, {db});
    const auto grads = reference::linear_backward_params(x.as<double>(), dy.as<double>());
    expect(dw, grads.dw, tolerance::kTensorCoreSum);
    expect(db, grads.db, tolerance::kGemm);
  }
}

INSTANTIATE_TEST_SUITE_P(Device, Bf16Test, testing::ValuesIn(device_params(Precision::bf16)),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace melgrad
