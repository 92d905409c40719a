// conv_engines [N T F C  O kT kF  PAD]: the time of every engine that cuDNN has for a convolution and that we
// may use (kernels/cuda/cudnn_graph.h), in the order in which cuDNN proposes them, for each pass and each
// arithmetic; needs a GPU. By default the second convolution of dong2018.
#include <array>
#include <cstdlib>

#include "engine/memory.h"
#include "kernels/cuda/cudnn_graph.h"
#include "kernels/devices/make_device.h"

namespace melgrad {
namespace {

std::string label_of(const ConvPlan& plan) {
  const auto name = CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
  const auto text = plan.plan.values<char>(name, CUDNN_TYPE_CHAR, plan.plan.count(name, CUDNN_TYPE_CHAR));
  const std::string json(text.begin(), std::find(text.begin(), text.end(), '\0'));
  const std::size_t begin = std::min(json.find("\"engine\""), json.size());  // its number and knobs
  return json.substr(begin, 160);
}

// Microseconds, of ten in a row after one.
float time_of(cudnnHandle_t cudnn, const ConvPlan& plan, const ConvProblem& problem, Device& device) {
  Arena arena(device);
  const Tensor x = arena.take(problem.x, problem.activations), w = arena.take(problem.w, problem.weights),
               y = arena.take(problem.y, problem.activations),
               workspace = arena.take({std::max<std::int64_t>(plan.workspace_bytes, 1)}, DType::u8);
  for (const Tensor& t : {x, w, y}) device.ops().fill(t, 0.01F);
  device.synchronise();
  cudaEvent_t begin{}, end{};
  check(cudaEventCreate(&begin), "cudaEventCreate");
  check(cudaEventCreate(&end), "cudaEventCreate");
  constexpr int kTimes = 10;
  for (int k = 0; k <= kTimes; ++k) {
    if (k == 1) check(cudaEventRecord(begin, nullptr), "cudaEventRecord");
    execute(cudnn, plan, problem, x.data, w.data, y.data, workspace.data);
  }
  check(cudaEventRecord(end, nullptr), "cudaEventRecord");
  check(cudaEventSynchronize(end), "cudaEventSynchronize");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return milliseconds * 1e3F / kTimes;
}

struct Arithmetic {
  const char* name;
  Precision precision;
  DType activations, weights;
};

void time_engines(const std::array<std::int64_t, 8>& n) {
  const auto device = make_device("cuda:0");
  cudnnHandle_t cudnn = nullptr;
  check(cudnnCreate(&cudnn), "cudnnCreate");
  ConvProblem p;
  p.x = {n[0], n[1], n[2], n[3]};
  p.w = {n[4], n[5], n[6], n[3]};
  p.conv.pad_t = p.conv.pad_f = n[7];
  p.y = {n[0], n[1] + 2 * n[7] - n[5] + 1, n[2] + 2 * n[7] - n[6] + 1, n[4]};
  const Arithmetic arithmetics[] = {{"f32", Precision::f32, DType::f32, DType::f32},
                                    {"tf32", Precision::tf32, DType::f32, DType::f32},
                                    {"bf16", Precision::bf16, DType::bf16, DType::bf16},
                                    {"bf16, dw in f32", Precision::bf16, DType::bf16, DType::f32}};
  for (const ConvPass pass : {ConvPass::forward, ConvPass::backward_input, ConvPass::backward_weights}) {
    for (const Arithmetic& a : arithmetics) {
      if (a.activations != a.weights && pass != ConvPass::backward_weights) continue;
      p.pass = pass;
      p.activations = a.activations;
      p.weights = a.weights;
      fmt::print("{}, {}\n", p.str(), a.name);
      for_each_convolution(cudnn, p, a.precision, [&](ConvPlan plan) {
        if (plan.workspace_bytes <= std::int64_t{1} << 30)
          fmt::print("{:9.1f} us, {:5.0f} MB of workspace, {}\n", time_of(cudnn, plan, p, *device),
                     static_cast<double>(plan.workspace_bytes) / 1e6, label_of(plan));
        std::fflush(stdout);
        return true;
      });
    }
  }
  cudnnDestroy(cudnn);
}

}  // namespace
}  // namespace melgrad

int main(int argc, char** argv) {
  std::array<std::int64_t, 8> n = {150, 63, 31, 64, 64, 5, 3, 0};
  for (int i = 1; i < argc && i <= 8; ++i) n[static_cast<std::size_t>(i - 1)] = std::atoll(argv[i]);
  try {
    melgrad::time_engines(n);
  } catch (const melgrad::Error& error) {
    fmt::print(stderr, "conv_engines: {}\n", error.what());
    return 1;
  }
}
