// Convolutions by cuDNN 9's graph interface: a problem becomes an operation graph, heuristics propose
// engines, and the first engine we may use (deterministic, exact enough) whose plan can be built is taken.
// The only files that know this interface: cudnn_graph and cudnn_descriptor.
//
// Plans are built either for a device that is there, or from a description of one that is not
// (`GpuProperties`), as tests and machines without a GPU do; only the former can run.
#pragma once

#include <cstdint>
#include <cudnn.h>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/cuda/cudnn_descriptor.h"
#include "kernels/cuda/libraries.h"
#include "kernels/device.h"
#include "kernels/ops.h"

namespace melgrad {

enum class ConvPass { forward, backward_input, backward_weights };

// Shapes as in Ops::conv2d: x [N, T, F, C], w [O, kT, kF, C], y [N, T', F', O]. In a backward pass x, w or y
// is the gradient of that tensor.
struct ConvProblem {
  ConvPass pass = ConvPass::forward;
  Shape x, w, y;
  DType activations = DType::f32;  // x and y: f32 or bf16
  DType weights = DType::f32;      // as the activations, or f32 in backward_weights
  Conv2d conv;

  std::string str() const;  // for messages: "convolution forward, x [2, 40, 24, 1] f32, ..."
};

// A GPU in cuDNN's terms (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION).
struct GpuProperties {
  std::string json;
};
using ConvTarget = std::variant<cudnnHandle_t, GpuProperties>;

struct ConvPlan {
  CudnnDescriptor plan;
  std::int64_t workspace_bytes = 0;
  std::int64_t engine = 0;                         // cuDNN's number of it
  std::vector<cudnnBackendNumericalNote_t> notes;  // what cuDNN says of its arithmetic
};

// Whether an engine with these notes may be used: none whose results change from run to run, none that sums
// in fewer bits than f32 or computes by transforms (Winograd, FFT), whose error is larger than that of the
// operands, and in f32 none that rounds its operands.
bool may_use(const std::vector<cudnnBackendNumericalNote_t>& notes, Precision precision);

// Every plan that may be used, the most promising first, for as long as `wants_more`. f32 tensors are
// computed in f32 unless `precision` is tf32. Error (device) when cuDNN does not take the problem for a
// convolution at all.
void for_each_convolution(const ConvTarget& target, const ConvProblem& problem, Precision precision,
                          const std::function<bool(ConvPlan)>& wants_more);
// The first of them whose workspace is modest, else that with the smallest. Nothing when no engine
// qualifies.
std::optional<ConvPlan> find_convolution(const ConvTarget& target, const ConvProblem& problem,
                                         Precision precision);
// The Error (device) for that case: the problem, and what cuDNN said last.
[[noreturn]] void no_engine(const ConvProblem& problem, Precision precision);

// Enqueues on the handle's stream. x, w and y as in the problem, at multiples of kConvAlignment; workspace of
// plan.workspace_bytes, 256-byte aligned. Allocates nothing on the device and never waits, so it may be
// captured.
void execute(cudnnHandle_t handle, const ConvPlan& plan, const ConvProblem& problem, void* x, void* w,
             void* y, void* workspace);

}  // namespace melgrad
