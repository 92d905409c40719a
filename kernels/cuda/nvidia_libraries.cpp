#include "kernels/cuda/nvidia_libraries.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "kernels/cuda/alignment.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/cublaslt_gemm.h"
#include "kernels/cuda/cudnn_graph.h"
#include "kernels/cuda/cufft_plan.h"
#include "kernels/cuda/workspace.h"

namespace melgrad {
namespace {

struct CudnnDestroy {
  void operator()(cudnnHandle_t handle) const { cudnnDestroy(handle); }
};
using CudnnHandle = std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, CudnnDestroy>;

CudnnHandle make_cudnn(cudaStream_t stream) {
  cudnnHandle_t made = nullptr;
  check(cudnnCreate(&made), "cudnnCreate");
  CudnnHandle handle(made);
  check(cudnnSetStream(handle.get(), stream), "cudnnSetStream");
  return handle;
}

LtHandle make_cublaslt() {
  cublasLtHandle_t made = nullptr;
  check(cublasLtCreate(&made), "cublasLtCreate");
  return LtHandle(made);
}

// Rows of the largest block of Fourier transforms.
constexpr std::int64_t kFftRows = 1024;

void* after(void* memory, std::int64_t bytes) { return static_cast<char*>(memory) + bytes; }

ConvProblem conv_problem(ConvPass pass, Tensor x, Tensor w, const Conv2d& conv, Tensor y) {
  require(x.shape.rank() == 4 && w.shape.rank() == 4 && y.shape.rank() == 4 && x.dtype == y.dtype,
          "convolution: x {} {}, w {}, y {} {}", x.shape.str(), name_of(x.dtype), w.shape.str(),
          y.shape.str(), name_of(y.dtype));
  ConvProblem problem{pass, x.shape, w.shape, y.shape, x.dtype, w.dtype, conv};
  require(alignment_of({x.data, w.data, y.data}) >= kConvAlignment,
          "{}: a tensor begins beside a multiple of {} bytes", problem.str(), kConvAlignment);
  return problem;
}

class NvidiaLibraries final : public Libraries {
 public:
  NvidiaLibraries(Device& device, cudaStream_t stream, Precision precision)
      : stream_(stream),
        precision_(precision),
        workspace_(device),
        cublaslt_(make_cublaslt()),
        cudnn_(make_cudnn(stream)) {}

  void gemm(Tensor a, Tensor b, Tensor bias, Tensor c, const Gemm& gemm) override;
  void convolve(Tensor x, Tensor w, const Conv2d& conv, Tensor y) override {
    convolution(conv_problem(ConvPass::forward, x, w, conv, y), x, w, y);
  }
  void convolve_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx) override {
    convolution(conv_problem(ConvPass::backward_input, dx, w, conv, dy), dx, w, dy);
  }
  void convolve_backward_weights(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw) override;
  void fft(Tensor x, Tensor spectrum) override;
  std::string versions() const override { return nvidia_versions(); }

 private:
  using ConvKey = std::array<std::int64_t, 19>;
  // Null when no engine does it.
  const ConvPlan* find_plan(const ConvProblem& problem);
  void convolution(const ConvProblem& problem, Tensor x, Tensor w, Tensor y);
  // For one call: dead at the next.
  void* work_memory(std::int64_t bytes) {
    workspace_.restart();
    return workspace_.take(bytes);
  }

  cudaStream_t stream_;
  Precision precision_;
  Workspace workspace_;
  LtHandle cublaslt_;
  CudnnHandle cudnn_;
  std::map<GemmProblem, GemmPlan> gemms_;
  std::map<ConvKey, std::optional<ConvPlan>> convolutions_;
  std::map<std::pair<std::int64_t, std::int64_t>, FftPlan> ffts_;  // by n and rows
};

void NvidiaLibraries::gemm(Tensor a, Tensor b, Tensor bias, Tensor c, const Gemm& gemm) {
  const GemmProblem problem = gemm_problem(a, b, bias, c, gemm);
  auto found = gemms_.find(problem);
  if (found == gemms_.end()) {
    found = gemms_.emplace(problem, plan_gemm(cublaslt_.get(), problem, precision_)).first;
  }
  const GemmPlan& plan = found->second;
  // A bf16 result takes a bf16 bias, which is made behind the algorithm's own workspace.
  const bool narrow = problem.bias && problem.result == DType::bf16;
  const std::int64_t own = workspace_size(plan.workspace_bytes);
  void* workspace = work_memory(own + (narrow ? problem.columns * size_of(DType::bf16) : 0));
  Tensor added = bias;
  if (narrow) {
    added = Tensor(after(workspace, own), bias.shape, DType::bf16);
    convert(stream_, bias, added);
  }
  execute(cublaslt_.get(), stream_, plan, problem, a.data, b.data, added.data, gemm.beta, c.data, workspace);
}

const ConvPlan* NvidiaLibraries::find_plan(const ConvProblem& p) {
  const auto number = [](auto value) { return static_cast<std::int64_t>(value); };
  const ConvKey key = {number(p.pass),
                       p.x[0],
                       p.x[1],
                       p.x[2],
                       p.x[3],
                       p.w[0],
                       p.w[1],
                       p.w[2],
                       p.w[3],
                       p.y[0],
                       p.y[1],
                       p.y[2],
                       p.y[3],
                       number(p.activations),
                       number(p.weights),
                       p.conv.stride_t,
                       p.conv.stride_f,
                       p.conv.pad_t,
                       p.conv.pad_f};
  auto found = convolutions_.find(key);
  if (found == convolutions_.end()) {
    found = convolutions_.emplace(key, find_convolution(cudnn_.get(), p, precision_)).first;
  }
  return found->second ? &*found->second : nullptr;
}

void NvidiaLibraries::convolution(const ConvProblem& problem, Tensor x, Tensor w, Tensor y) {
  const ConvPlan* plan = find_plan(problem);
  if (plan == nullptr) no_engine(problem, precision_);
  execute(cudnn_.get(), *plan, problem, x.data, w.data, y.data, work_memory(plan->workspace_bytes));
}

// bf16 in, f32 out: an engine that writes what it reads is taken if there is one, and its bf16 result
// widened. Those that write f32 do not divide the sum over positions: 1,236 microseconds instead of 79 for
// the second convolution of dong2018 on an H100. The sums inside are f32 either way.
void NvidiaLibraries::convolve_backward_weights(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw) {
  const ConvProblem problem = conv_problem(ConvPass::backward_weights, x, dw, conv, dy);
  ConvProblem same = problem;
  same.weights = x.dtype;
  const ConvPlan* plan = find_plan(same);
  if (x.dtype == dw.dtype || plan == nullptr) return convolution(problem, x, dw, dy);
  const std::int64_t own = workspace_size(plan->workspace_bytes);
  void* workspace = work_memory(own + dw.numel() * size_of(x.dtype));
  const Tensor result(after(workspace, own), dw.shape, x.dtype);
  execute(cudnn_.get(), *plan, same, x.data, result.data, dy.data, workspace);
  convert(stream_, result, dw);
}

// In blocks of 1024 rows, 512, 256 ...: tracks differ in length, and so a dozen plans do for all of them.
void NvidiaLibraries::fft(Tensor x, Tensor spectrum) {
  const std::int64_t batch = x.dim(0), n = x.dim(1), bins = n / 2 + 1;
  require(spectrum.shape == Shape{batch, bins, 2}, "fft: x {}, spectrum {}", x.shape.str(),
          spectrum.shape.str());
  std::int64_t rows = kFftRows;
  for (std::int64_t first = 0; first < batch; first += rows) {
    while (rows > batch - first) rows /= 2;
    FftPlan& plan = ffts_.try_emplace({n, rows}, n, rows, stream_).first->second;
    plan.execute(x.f32() + first * n, spectrum.f32() + first * bins * 2, work_memory(plan.workspace_bytes()));
  }
}

}  // namespace

std::unique_ptr<Libraries> make_nvidia_libraries(Device& device, cudaStream_t stream, Precision precision) {
  return std::make_unique<NvidiaLibraries>(device, stream, precision);
}

std::string nvidia_versions() {
  const auto text = [](const char* name, std::int64_t version, std::int64_t major, std::int64_t minor) {
    return fmt::format("{} {}.{}.{}", name, version / major, version % major / minor, version % minor);
  };
  int cufft = 0;
  check(cufftGetVersion(&cufft), "cufftGetVersion");
  return fmt::format("{}, {}, {}", text("cuDNN", static_cast<std::int64_t>(cudnnGetVersion()), 10000, 100),
                     text("cuBLASLt", static_cast<std::int64_t>(cublasLtGetVersion()), 10000, 100),
                     text("cuFFT", cufft, 1000, 100));
}

}  // namespace melgrad
