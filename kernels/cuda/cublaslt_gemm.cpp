#include "kernels/cuda/cublaslt_gemm.h"

#include <algorithm>

#include "kernels/cuda/alignment.h"
#include "kernels/cuda/check.h"

namespace melgrad {
namespace {

// Enough for every algorithm NVIDIA recommends on compute capability 9.0.
constexpr std::uint64_t kMostWorkspace = std::uint64_t{32} << 20;

cudaDataType_t lt_type(DType type) { return type == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

template <typename T>
void set(const LtMatmul& matmul, cublasLtMatmulDescAttributes_t name, const T& value) {
  check(cublasLtMatmulDescSetAttribute(matmul.get(), name, &value, sizeof value),
        "cublasLtMatmulDescSetAttribute");
}

template <typename T>
void set(const LtPreference& preference, cublasLtMatmulPreferenceAttributes_t name, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), name, &value, sizeof value),
        "cublasLtMatmulPreferenceSetAttribute");
}

// A row-major [rows, columns] matrix, which cuBLASLt reads as [columns, rows].
LtLayout layout(DType type, std::int64_t rows, std::int64_t columns) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(&made, lt_type(type), static_cast<std::uint64_t>(columns),
                                   static_cast<std::uint64_t>(rows), columns),
        "cublasLtMatrixLayoutCreate");
  return LtLayout(made);
}

LtPreference preference_for(const GemmProblem& p) {
  cublasLtMatmulPreference_t made = nullptr;
  check(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
  LtPreference preference(made);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
  // Parts of a sum that is split are kept in f32 and added in a separate step: neither rounded to the type of
  // c nor added in the order in which blocks happen to finish.
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(p.alignment_b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(p.alignment_a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(p.alignment_c));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(p.alignment_c));
  return preference;
}

}  // namespace

std::string GemmProblem::str() const {
  return fmt::format("gemm [{}, {}] {} = {} [{}, {}] {} x {} [{}, {}]{}{}", rows, columns, name_of(result),
                     transpose_a ? "transposed" : "plain", rows, inner, name_of(operands),
                     transpose_b ? "transposed" : "plain", inner, columns, bias ? " + bias" : "",
                     accumulate ? " + beta c" : "");
}

GemmProblem gemm_problem(Tensor a, Tensor b, Tensor bias, Tensor c, const Libraries::Gemm& gemm) {
  GemmProblem p;
  p.rows = c.dim(0);
  p.columns = c.dim(1);
  p.inner = a.dim(gemm.transpose_a ? 0 : 1);
  p.transpose_a = gemm.transpose_a;
  p.transpose_b = gemm.transpose_b;
  p.bias = static_cast<bool>(bias);
  p.accumulate = gemm.beta != 0;
  p.operands = a.dtype;
  p.result = c.dtype;
  p.alignment_a = alignment_of({a.data});
  p.alignment_b = alignment_of({b.data});
  // A bias that is not of c's type is converted first, to a place of better alignment than any.
  p.alignment_c = alignment_of({c.data, bias.dtype == c.dtype ? bias.data : nullptr});
  const auto is = [](Tensor t, std::int64_t rows, std::int64_t columns, bool transposed) {
    return t.shape == (transposed ? Shape{columns, rows} : Shape{rows, columns});
  };
  require(is(a, p.rows, p.inner, p.transpose_a) && is(b, p.inner, p.columns, p.transpose_b) &&
              (!p.bias || (bias.shape == Shape{p.columns} && bias.dtype == DType::f32)),
          "gemm: a {}{}, b {}{}, bias {}, c {}", a.shape.str(), p.transpose_a ? "'" : "", b.shape.str(),
          p.transpose_b ? "'" : "", bias.shape.str(), c.shape.str());
  require((a.dtype == DType::f32 || a.dtype == DType::bf16) && b.dtype == a.dtype &&
              (c.dtype == DType::f32 || c.dtype == a.dtype),
          "gemm: types {} x {} to {}", name_of(a.dtype), name_of(b.dtype), name_of(c.dtype));
  require(!(p.bias && p.accumulate), "gemm: a bias and beta {}", gemm.beta);
  return p;
}

GemmDescription describe(const GemmProblem& p, Precision precision) {
  const bool fast = precision == Precision::tf32 && p.operands == DType::f32;
  cublasLtMatmulDesc_t made = nullptr;
  check(cublasLtMatmulDescCreate(&made, fast ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
        "cublasLtMatmulDescCreate", [&] { return p.str(); });
  LtMatmul matmul(made);
  set(matmul, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(matmul, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.bias) {  // one value for each row of cuBLASLt's result: our columns
    set(matmul, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(matmul, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(lt_type(p.result)));
  }
  const auto operand = [&p](std::int64_t rows, std::int64_t columns, bool transposed) {
    return transposed ? layout(p.operands, columns, rows) : layout(p.operands, rows, columns);
  };
  return {std::move(matmul), operand(p.inner, p.columns, p.transpose_b),
          operand(p.rows, p.inner, p.transpose_a), layout(p.result, p.rows, p.columns)};
}

GemmPlan plan_gemm(cublasLtHandle_t handle, const GemmProblem& p, Precision precision) {
  GemmPlan plan{.description = describe(p, precision)};
  const GemmDescription& d = plan.description;
  if (p.bias) {  // not read here, only its alignment: an address that has just what was promised
    set(d.matmul, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
        std::uintptr_t{4096} + static_cast<unsigned>(p.alignment_c));
  }
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  const auto status =
      cublasLtMatmulAlgoGetHeuristic(handle, d.matmul.get(), d.first.get(), d.second.get(), d.result.get(),
                                     d.result.get(), preference_for(p).get(), 1, &best, &found);
  const auto where = [&p] { return fmt::format("{}: cuBLASLt {}", p.str(), cublasLtGetVersion()); };
  check(status, "cublasLtMatmulAlgoGetHeuristic", where);
  check(found > 0 ? best.state : CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic", where);
  plan.algorithm = best.algo;
  plan.workspace_bytes = static_cast<std::int64_t>(best.workspaceSize);
  return plan;
}

void execute(cublasLtHandle_t handle, cudaStream_t stream, const GemmPlan& plan, const GemmProblem& problem,
             const void* a, const void* b, const void* bias, float beta, void* c, void* workspace) {
  const GemmDescription& d = plan.description;
  if (problem.bias) set(d.matmul, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  const float alpha = 1;
  check(cublasLtMatmul(handle, d.matmul.get(), &alpha, b, d.first.get(), a, d.second.get(), &beta, c,
                       d.result.get(), c, d.result.get(), &plan.algorithm, workspace,
                       static_cast<std::size_t>(plan.workspace_bytes), stream),
        "cublasLtMatmul", [&] { return problem.str(); });
}

}  // namespace melgrad
