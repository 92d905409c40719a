// NVIDIA's libraries on a GPU, against the reference in double: every pass, type and precision, on outputs
// that hold NaN before, twice with the same bits, aligned and not, and replayed from a captured graph.
// Without a GPU each test is skipped and says so.
#include <cmath>
#include <complex>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <numbers>

#include "kernels/cuda/check.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/nvidia_libraries.h"
#include "kernels/reference/reference.h"
#include "kernels/reference/tolerance.h"
#include "tests/cases.h"

namespace melgrad {
namespace {

using reference::Array;
using reference::Index;

// Memory of the current GPU, as Workspace wants it.
class GpuMemory final : public Device {
 public:
  std::string name() const override { return "cuda:0"; }
  std::string description() const override { return "memory only"; }
  Ops& ops() override { fail(ErrorKind::internal, "no ops"); }
  Precision precision() const override { return Precision::f32; }
  std::unique_ptr<Staging> make_staging() override { return nullptr; }
  std::int64_t free_memory() const override { return std::numeric_limits<std::int64_t>::max(); }
  std::unique_ptr<Recording> record(const std::function<void()>& /*program*/) override { return nullptr; }
  void* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "cudaMalloc");
    return memory;
  }
  void release(void* memory) noexcept override { cudaFree(memory); }
  void poison(void* /*memory*/, std::size_t /*bytes*/) override {}
  void unpoison(void* /*memory*/, std::size_t /*bytes*/) override {}
  void to_device(Tensor to, const void* from) override {
    check(cudaMemcpy(to.data, from, static_cast<std::size_t>(to.bytes()), cudaMemcpyHostToDevice),
          "cudaMemcpy");
    synchronise();  // the tests' stream does not wait for this one
  }
  void to_host(void* to, Tensor from) override {
    check(cudaMemcpy(to, from.data, static_cast<std::size_t>(from.bytes()), cudaMemcpyDeviceToHost),
          "cudaMemcpy");
  }
  void synchronise() override { check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }
};

float from_bf16(std::uint16_t value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16); }
std::uint16_t to_bf16(double value) {  // of the two neighbours the nearer; even when they are equally near
  const auto low = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16);
  const auto high = static_cast<std::uint16_t>(low + 1);
  const double below = std::abs(value - static_cast<double>(from_bf16(low)));
  const double above = std::abs(static_cast<double>(from_bf16(high)) - value);
  return above < below || (above == below && low % 2 == 1) ? high : low;
}

// Limits of the normalised mean square error, by the type of the result and the arithmetic. From the size of
// one rounding (tf32: 2^-11 per operand; bf16: 2^-8 of the result and of a bias, (2^-8)^2 / 3 each in the
// mean), not yet measured.
double limit(Precision precision, DType operands, DType result, double f32) {
  if (result == DType::bf16) return 1.1e-5;
  if (operands == DType::bf16) return std::max(f32, tolerance::kTensorCoreSum);
  return precision == Precision::tf32 && operands == DType::f32 ? 4e-6 : f32;
}

class NvidiaTest : public testing::Test {
 protected:
  void SetUp() override {
    int gpus = 0;
    const cudaError_t status = cudaGetDeviceCount(&gpus);
    if (status != cudaSuccess || gpus == 0) GTEST_SKIP() << "no GPU: " << cudaGetErrorString(status);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    for (const Precision p : {Precision::f32, Precision::tf32, Precision::bf16}) {
      libraries_.push_back(make_nvidia_libraries(memory_, stream_, p));
    }
  }
  void TearDown() override {
    if (stream_ != nullptr) cudaDeviceSynchronize();
    for (void* block : blocks_) memory_.release(block);
    libraries_.clear();
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  Libraries& libraries(Precision p) { return *libraries_[static_cast<std::size_t>(p)]; }

  // Device memory that begins `shift` elements after a multiple of 256 bytes and holds NaN.
  Tensor blank(Shape shape, DType type, Index shift) {
    const Index bytes = (shape.numel() + shift) * size_of(type);
    blocks_.push_back(memory_.allocate(static_cast<std::size_t>(bytes)));
    check(cudaMemset(blocks_.back(), 0xFF, static_cast<std::size_t>(bytes)), "cudaMemset");
    memory_.synchronise();
    return {static_cast<char*>(blocks_.back()) + shift * size_of(type), shape, type};
  }
  // `a` is rounded to the type, so that the reference computes with what the device sees.
  Tensor put(Array<double>& a, DType type, Index shift) {
    Tensor t = blank(a.shape, type, shift);
    if (type == DType::bf16) {
      std::vector<std::uint16_t> narrow;
      for (double& e : a.v) e = static_cast<double>(from_bf16(narrow.emplace_back(to_bf16(e))));
      memory_.to_device(t, narrow.data());
    } else {
      const auto single = a.as<float>();
      a = single.as<double>();
      memory_.to_device(t, single.v.data());
    }
    return t;
  }
  Array<double> get(Tensor t) {
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    Array<double> a(t.shape);
    if (t.dtype == DType::bf16) {
      std::vector<std::uint16_t> narrow(a.v.size());
      memory_.to_host(narrow.data(), t);
      for (std::size_t i = 0; i < narrow.size(); ++i) a.v[i] = static_cast<double>(from_bf16(narrow[i]));
    } else {
      Array<float> single(t.shape);
      memory_.to_host(single.v.data(), t);
      a = single.as<double>();
    }
    return a;
  }

  // Calls twice, then once more from a captured graph; all three results must be equal to the bit.
  void expect_result(const Array<double>& expected, Tensor result, double most,
                     const std::function<void()>& call) {
    call();
    const Array<double> got = get(result);
    double error = 0, scale = 0;
    for (Index i = 0; i < got.size(); ++i) {
      error += (got[i] - expected[i]) * (got[i] - expected[i]);
      scale += expected[i] * expected[i];
    }
    EXPECT_LE(error, most * scale);  // not so for NaN either
    largest_ = std::max(largest_, scale > 0 ? error / scale : 0);
    call();
    EXPECT_EQ(get(result).v, got.v);

    cudaGraph_t graph = nullptr;
    cudaGraphExec_t run = nullptr;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    call();
    check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
    check(cudaGraphInstantiate(&run, graph, 0), "cudaGraphInstantiate");
    check(cudaMemset(result.data, 0xFF, static_cast<std::size_t>(result.bytes())), "cudaMemset");
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    check(cudaGraphLaunch(run, stream_), "cudaGraphLaunch");
    EXPECT_EQ(get(result).v, got.v);
    cudaGraphExecDestroy(run);
    cudaGraphDestroy(graph);
  }

  GpuMemory memory_;
  cudaStream_t stream_ = nullptr;
  std::vector<std::unique_ptr<Libraries>> libraries_;
  std::vector<void*> blocks_;
  reference::Random random_{1};
  double largest_ = 0;  // normalised mean square error
};

struct Types {
  Precision precision;
  DType operands, result;
};
const std::vector<Types> kTypes = {{Precision::f32, DType::f32, DType::f32},
                                   {Precision::tf32, DType::f32, DType::f32},
                                   {Precision::bf16, DType::bf16, DType::f32},
                                   {Precision::bf16, DType::bf16, DType::bf16}};

std::string text(const Types& t) {
  return fmt::format("precision {}, {} to {}", static_cast<int>(t.precision), name_of(t.operands),
                     name_of(t.result));
}

TEST_F(NvidiaTest, gemm) {
  for (const auto& c : cases::linear()) {
    for (const Types& types : kTypes) {
      for (int variant = 0; variant < 8; ++variant) {
        const bool ta = variant & 1, tb = variant & 2, biased = variant & 4;
        const Index shift = variant % 3;
        SCOPED_TRACE(fmt::format("{}, {}, variant {}", c.name, text(types), variant));
        auto a = random_.array<double>(ta ? Shape{c.inputs, c.rows} : Shape{c.rows, c.inputs});
        auto b = random_.array<double>(tb ? Shape{c.outputs, c.inputs} : Shape{c.inputs, c.outputs});
        auto bias = random_.array<double>({c.outputs}, 2, 3);  // more than a single product: nothing cancels
        if (types.result == DType::bf16) {                     // which rounds it
          for (double& e : bias.v) e = static_cast<double>(from_bf16(to_bf16(e)));
        }
        const Tensor at = put(a, types.operands, shift), bt = put(b, types.operands, shift);
        const Tensor biast = biased ? put(bias, DType::f32, shift) : Tensor{};
        const Tensor ct = blank({c.rows, c.outputs}, types.result, shift);
        Array<double> expected({c.rows, c.outputs});
        for (Index i = 0; i < c.rows; ++i) {
          for (Index j = 0; j < c.outputs; ++j) {
            expected(i, j) = biased ? bias(j) : 0;
            for (Index k = 0; k < c.inputs; ++k)
              expected(i, j) += (ta ? a(k, i) : a(i, k)) * (tb ? b(j, k) : b(k, j));
          }
        }
        const double most = limit(types.precision, types.operands, types.result, tolerance::kGemm);
        expect_result(expected, ct, most, [&] {
          libraries(types.precision).gemm(at, bt, biast, ct, {.transpose_a = ta, .transpose_b = tb});
        });
      }
    }
  }
  std::cout << "[   nmse   ] gemm " << largest_ << '\n';
}

TEST_F(NvidiaTest, gemm_adds_to_what_is_there) {
  auto a = random_.array<double>({31, 257}), b = random_.array<double>({257, 33}),
       c = random_.array<double>({31, 33});
  const Tensor at = put(a, DType::f32, 0), bt = put(b, DType::f32, 0), ct = put(c, DType::f32, 0);
  libraries(Precision::f32).gemm(at, bt, {}, ct, {.beta = 1});
  const auto got = get(ct);
  for (Index i = 0; i < 31; ++i) {
    for (Index j = 0; j < 33; ++j) {
      for (Index k = 0; k < 257; ++k) c(i, j) += a(i, k) * b(k, j);
      EXPECT_NEAR(got(i, j), c(i, j), 2e-5);
    }
  }
}

TEST_F(NvidiaTest, convolution) {
  for (const auto& c : cases::conv()) {
    for (const Types& types : kTypes) {
      SCOPED_TRACE(fmt::format("{}, {}", c.name, text(types)));
      Libraries& lib = libraries(types.precision);
      auto x = random_.array<double>(c.x), w = random_.array<double>(c.w);
      auto dy = random_.array<double>(reference::conv2d_shape(c.x, c.w, c.conv));
      const Tensor xt = put(x, types.operands, 0), wt = put(w, types.operands, 0);
      const Tensor dyt = put(dy, types.operands, 0);
      const auto most = [&types](DType result) {
        return limit(types.precision, types.operands, result, tolerance::kConv);
      };
      if (types.result == types.operands) {
        const Tensor yt = blank(dy.shape, types.operands, 0), dxt = blank(c.x, types.operands, 0);
        const Array<double> none({c.w[0]});
        expect_result(reference::conv2d_forward(x, w, none, c.conv), yt, most(types.operands),
                      [&] { lib.convolve(xt, wt, c.conv, yt); });
        expect_result(reference::conv2d_backward_input(dy, w, c.conv, c.x), dxt, most(types.operands),
                      [&] { lib.convolve_backward_input(dyt, wt, c.conv, dxt); });
      }
      // An f32 gradient of bf16 operands may have been bf16 on the way.
      const Tensor dwt = blank(c.w, types.result, 0);
      expect_result(reference::conv2d_backward_params(x, dy, c.conv, c.w).dw, dwt, most(types.operands),
                    [&] { lib.convolve_backward_weights(xt, dyt, c.conv, dwt); });
    }
  }
  std::cout << "[   nmse   ] convolution " << largest_ << '\n';
}

TEST_F(NvidiaTest, fft) {
  for (const Index n : {2, 400, 512, 2048, 15}) {
    for (const Index batch : {1, 3, 1027}) {
      if (n * batch > 100000) continue;  // the reference takes n^2
      SCOPED_TRACE(fmt::format("[{}, {}]", batch, n));
      auto x = random_.array<double>({batch, n});
      const Tensor xt = put(x, DType::f32, 0), yt = blank({batch, n / 2 + 1, 2}, DType::f32, 0);
      Array<double> expected({batch, n / 2 + 1, 2});
      for (Index r = 0; r < batch; ++r) {
        for (Index k = 0; k < n / 2 + 1; ++k) {
          for (Index i = 0; i < n; ++i) {
            const double angle =
                -2 * std::numbers::pi * static_cast<double>(k * i % n) / static_cast<double>(n);
            expected(r, k, 0) += x(r, i) * std::cos(angle);
            expected(r, k, 1) += x(r, i) * std::sin(angle);
          }
        }
      }
      expect_result(expected, yt, 1e-12, [&] { libraries(Precision::f32).fft(xt, yt); });
    }
  }
  std::cout << "[   nmse   ] fft " << largest_ << '\n';
}

TEST_F(NvidiaTest, convert) {
  Array<double> x({9});
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {0.0F,         -0.0F, 1.0F,   1.00390625F, 1.01171875F,
                                     -3.14159274F, inf,   1e-40F, 3.4e38F};
  for (Index i = 0; i < 9; ++i) x[i] = static_cast<double>(values[static_cast<std::size_t>(i)]);
  const Tensor from = put(x, DType::f32, 0), narrow = blank({9}, DType::bf16, 1),
               wide = blank({9}, DType::f32, 1);
  convert(stream_, from, narrow);
  convert(stream_, narrow, wide);
  const auto got = get(wide);
  // Ties go to even: 1 + 2^-8 down to 1, 1 + 3 2^-8 up to 1 + 2^-6; the largest floats round to infinity.
  const std::vector<double> expected = {0, -0.0, 1, 1, 1.015625, -3.140625, HUGE_VAL, 0x1p-133, HUGE_VAL};
  EXPECT_EQ(got.v, expected);
}

}  // namespace
}  // namespace melgrad
