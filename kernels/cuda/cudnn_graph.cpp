#include "kernels/cuda/cudnn_graph.h"

#include <algorithm>
#include <array>
#include <optional>

namespace melgrad {
namespace {

// How plan and variant pack name the tensors.
constexpr std::int64_t kX = 'x', kW = 'w', kY = 'y';

// An engine that wants more than this is passed over as long as another one wants less: some take the whole
// input once per filter tap.
constexpr std::int64_t kModestWorkspace = std::int64_t{1} << 30;

const char* text_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return "forward";
    case ConvPass::backward_input:
      return "backward to input";
    case ConvPass::backward_weights:
      return "backward to weights";
  }
  return "?";
}

cudnnDataType_t cudnn_type(DType type) {
  if (type == DType::bf16) return CUDNN_DATA_BFLOAT16;
  require(type == DType::f32, "convolution: {} tensors; f32 or bf16", name_of(type));
  return CUDNN_DATA_FLOAT;
}

// [A, B, C, D] in memory, last axis fastest; cuDNN counts the axes as A, D, B, C wherever they lie.
CudnnDescriptor tensor(std::int64_t uid, const Shape& s, DType type) {
  CudnnDescriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {uid});
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, cudnn_type(type));
  t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, {s[0], s[3], s[1], s[2]});
  t.set(CUDNN_ATTR_TENSOR_STRIDES, {s[1] * s[2] * s[3], 1, s[2] * s[3], s[3]});
  t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {kConvAlignment});
  t.finalise();
  return t;
}

CudnnDescriptor convolution(const Conv2d& conv) {
  CudnnDescriptor c(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  c.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
  c.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  c.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {conv.stride_t, conv.stride_f});
  c.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  c.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {conv.pad_t, conv.pad_f});
  c.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {conv.pad_t, conv.pad_f});
  c.finalise();
  return c;
}

// The same six attributes under another name in each pass.
struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};
OperationNames names_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvPass::backward_input:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvPass::backward_weights:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
  fail(ErrorKind::internal, "convolution: no such pass");
}

CudnnDescriptor operation(const ConvProblem& p) {
  const OperationNames names = names_of(p.pass);
  CudnnDescriptor op(names.type);
  op.set(names.x, tensor(kX, p.x, p.activations));
  op.set(names.w, tensor(kW, p.w, p.weights));
  op.set(names.y, tensor(kY, p.y, p.activations));
  op.set(names.convolution, convolution(p.conv));
  op.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0F);
  op.set(names.beta, CUDNN_TYPE_FLOAT, 0.0F);
  op.finalise();
  return op;
}

// The target in the form that descriptors ask for: a handle under one attribute, or properties under another.
class Target {
 public:
  explicit Target(const ConvTarget& target) {
    if (const auto* handle = std::get_if<cudnnHandle_t>(&target)) {
      handle_ = *handle;
      return;
    }
    const std::string& json = std::get<GpuProperties>(target).json;
    properties_.emplace(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    properties_->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                     std::span<const char>(json.c_str(), json.size() + 1));  // with its terminating zero
    properties_->finalise();
  }

  void give_handle(CudnnDescriptor& to, cudnnBackendAttributeName_t name) const {
    if (!properties_) to.set(name, CUDNN_TYPE_HANDLE, handle_);
  }
  void give_properties(CudnnDescriptor& to, cudnnBackendAttributeName_t name) const {
    if (properties_) to.set(name, *properties_);
  }

 private:
  cudnnHandle_t handle_ = nullptr;
  std::optional<CudnnDescriptor> properties_;
};

CudnnDescriptor operation_graph(const Target& target, const ConvProblem& problem) try {
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  target.give_handle(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation(problem));
  graph.finalise();
  return graph;
} catch (const Error& error) {
  fail(error.kind(), "{}: {}", problem.str(), error.what());
}

// Engine configurations, the most promising first. Heuristics that do not know the problem propose none.
std::vector<CudnnDescriptor> propose(const Target& target, const CudnnDescriptor& graph,
                                     cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  target.give_properties(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
  if (!heuristics.try_finalise()) return {};
  const std::int64_t count = heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR);
  return heuristics.descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, count);
}

// A plan for one proposal, if we may use its engine and it can do the problem.
std::optional<ConvPlan> try_plan(const Target& target, const CudnnDescriptor& proposal, Precision precision) {
  const auto engines = proposal.descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  if (engines.empty()) return {};
  auto notes = engines[0].values<cudnnBackendNumericalNote_t>(
      CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  if (!may_use(notes, precision)) return {};

  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, proposal);
  target.give_handle(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
  target.give_properties(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
  if (!plan.try_finalise()) return {};
  const auto one = [](const CudnnDescriptor& of, cudnnBackendAttributeName_t name) {
    return of.values<std::int64_t>(name, CUDNN_TYPE_INT64, 1).at(0);
  };
  return ConvPlan{plan, one(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE),
                  one(engines[0], CUDNN_ATTR_ENGINE_GLOBAL_INDEX), std::move(notes)};
}

}  // namespace

std::string ConvProblem::str() const {
  return fmt::format("convolution {}, x {} {}, w {} {}, y {} {}, stride {} x {}, padding {} x {}",
                     text_of(pass), x.str(), name_of(activations), w.str(), name_of(weights), y.str(),
                     name_of(activations), conv.stride_t, conv.stride_f, conv.pad_t, conv.pad_f);
}

bool may_use(const std::vector<cudnnBackendNumericalNote_t>& notes, Precision precision) {
  const auto allowed = [precision](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP:
        return true;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        return precision != Precision::f32;
      default:  // not deterministic, sums in fewer bits, transforms, and what a later cuDNN may add
        return false;
    }
  };
  return std::all_of(notes.begin(), notes.end(), allowed);
}

void for_each_convolution(const ConvTarget& where, const ConvProblem& problem, Precision precision,
                          const std::function<bool(ConvPlan)>& wants_more) {
  const Target target(where);
  const CudnnDescriptor graph = operation_graph(target, problem);
  // tf32 is for f32 tensors, and where activations are bf16 the f32 tensors are those that must stay exact.
  if (problem.activations == DType::f32 && precision == Precision::bf16) precision = Precision::f32;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (const CudnnDescriptor& proposal : propose(target, graph, mode)) {
      auto plan = try_plan(target, proposal, precision);
      if (plan && !wants_more(std::move(*plan))) return;
    }
  }
}

std::optional<ConvPlan> find_convolution(const ConvTarget& target, const ConvProblem& problem,
                                         Precision precision) {
  std::optional<ConvPlan> best;
  for_each_convolution(target, problem, precision, [&](ConvPlan plan) {
    const bool modest = plan.workspace_bytes <= kModestWorkspace;
    if (!best || modest || plan.workspace_bytes < best->workspace_bytes) best = std::move(plan);
    return !modest;
  });
  return best;
}

void no_engine(const ConvProblem& problem, Precision precision) {
  // cuDNN's account is a list of all that it tried; the reason it gives first is enough.
  const std::string reasons = text_of(CUDNN_STATUS_NOT_SUPPORTED);
  fail(ErrorKind::device, "{}: cuDNN {} has no engine for it that is deterministic{}: {}", problem.str(),
       cudnnGetVersion(), precision == Precision::f32 ? " and computes in f32" : "", reasons.substr(0, 300));
}

void execute(cudnnHandle_t handle, const ConvPlan& plan, const ConvProblem& problem, void* x, void* w,
             void* y, void* workspace) {
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  const std::array<void*, 3> pointers = {x, w, y};
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {kX, kW, kY});
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::span<void* const>(pointers));
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  pack.finalise();
  check(cudnnBackendExecute(handle, plan.plan.get(), pack.get()), "cudnnBackendExecute",
        [&] { return problem.str(); });
}

}  // namespace melgrad
