// Errors of CUDA and its libraries become melgrad's Error (device): which call failed, on what, and the
// status in the library's own words.
//   check(cudnnSetStream(handle, stream), "cudnnSetStream");
//   check(cublasLtMatmul(...), "cublasLtMatmul", [&] { return shapes_of(problem); });
// The function after the name of the call is only run for a failure, so a check in a hot path costs one
// comparison.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>
#include <cufft.h>
#include <string>

#include "kernels/error.h"

namespace melgrad {

inline std::string text_of(cudaError_t status) {
  return fmt::format("{} ({})", cudaGetErrorString(status), cudaGetErrorName(status));
}

// With cuDNN's account of the last error of this thread, which names the condition that did not hold.
inline std::string text_of(cudnnStatus_t status) {
  char reason[1024] = {};
  cudnnGetLastErrorString(reason, sizeof reason);
  return fmt::format("{}{}{}", cudnnGetErrorString(status), reason[0] ? ": " : "", reason);
}

inline std::string text_of(cublasStatus_t status) {
  return fmt::format("{} ({})", cublasLtGetStatusString(status), cublasLtGetStatusName(status));
}

// cuFFT has no such function.
inline std::string text_of(cufftResult status) {
  switch (status) {
    case CUFFT_INVALID_PLAN:
      return "CUFFT_INVALID_PLAN";
    case CUFFT_ALLOC_FAILED:
      return "CUFFT_ALLOC_FAILED";
    case CUFFT_INTERNAL_ERROR:
      return "CUFFT_INTERNAL_ERROR";
    case CUFFT_EXEC_FAILED:
      return "CUFFT_EXEC_FAILED";
    case CUFFT_SETUP_FAILED:
      return "CUFFT_SETUP_FAILED";
    case CUFFT_INVALID_SIZE:
      return "CUFFT_INVALID_SIZE";
    default:
      return fmt::format("cuFFT error {}", static_cast<int>(status));
  }
}

inline bool succeeded(cudaError_t status) { return status == cudaSuccess; }
inline bool succeeded(cudnnStatus_t status) { return status == CUDNN_STATUS_SUCCESS; }
inline bool succeeded(cublasStatus_t status) { return status == CUBLAS_STATUS_SUCCESS; }
inline bool succeeded(cufftResult status) { return status == CUFFT_SUCCESS; }

template <typename Status>
void check(Status status, const char* call) {
  if (!succeeded(status)) fail(ErrorKind::device, "{}: {}", call, text_of(status));
}

template <typename Status, typename Where>
void check(Status status, const char* call, const Where& where) {
  if (!succeeded(status)) fail(ErrorKind::device, "{}: {}: {}", where(), call, text_of(status));
}

}  // namespace melgrad
