// Matrix products by cuBLASLt. The only files that know it: cublaslt_gemm.
//
// cuBLASLt counts matrices by columns, we by rows, and a matrix read the other way round is its transpose. So
// c = op(a) op(b) is asked for as c' = op(b)' op(a)': the operands change places, and nothing is moved.
#pragma once

#include <compare>
#include <cstdint>
#include <cublasLt.h>
#include <memory>
#include <string>
#include <type_traits>

#include "kernels/cuda/libraries.h"
#include "kernels/device.h"

namespace melgrad {

// All that an algorithm depends on. c [rows, columns] = op(a) [rows, inner] op(b) [inner, columns] (+ bias)
// (+ c)
struct GemmProblem {
  std::int64_t rows = 0, columns = 0, inner = 0;
  bool transpose_a = false, transpose_b = false;
  bool bias = false;        // [columns], of c's type
  bool accumulate = false;  // beta is not 0
  DType operands = DType::f32, result = DType::f32;
  int alignment_a = 16, alignment_b = 16, alignment_c = 16;  // bytes; alignment_c is also the bias's

  auto operator<=>(const GemmProblem&) const = default;
  std::string str() const;  // for messages
};

// The problem of a call of Libraries::gemm; Error (internal) when shapes or types do not fit.
GemmProblem gemm_problem(Tensor a, Tensor b, Tensor bias, Tensor c, const Libraries::Gemm& gemm);

// cuBLASLt's objects, destroyed with their owner.
template <auto kDestroy>
struct LtDestroy {
  template <typename T>
  void operator()(T* object) const {
    kDestroy(object);
  }
};
template <typename Handle, auto kDestroy>
using LtOwned = std::unique_ptr<std::remove_pointer_t<Handle>, LtDestroy<kDestroy>>;

using LtHandle = LtOwned<cublasLtHandle_t, cublasLtDestroy>;
using LtMatmul = LtOwned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using LtLayout = LtOwned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using LtPreference = LtOwned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

// The problem in cuBLASLt's terms: its first operand is our b, its second our a.
struct GemmDescription {
  LtMatmul matmul;
  LtLayout first, second, result;
};
GemmDescription describe(const GemmProblem& problem, Precision precision);

struct GemmPlan {
  GemmDescription description;
  cublasLtMatmulAlgo_t algorithm{};
  std::int64_t workspace_bytes = 0;
};

// The algorithm that cuBLASLt's heuristics put first among those that sum in f32 in a fixed order. Error
// (device) when there is none.
GemmPlan plan_gemm(cublasLtHandle_t handle, const GemmProblem& problem, Precision precision);

// Enqueues. `bias` is empty or of c's type. Allocates nothing and never waits, so it may be captured.
void execute(cublasLtHandle_t handle, cudaStream_t stream, const GemmPlan& plan, const GemmProblem& problem,
             const void* a, const void* b, const void* bias, float beta, void* c, void* workspace);

}  // namespace melgrad
