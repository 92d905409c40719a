// OpenBLAS chooses its kernels while it is loaded, by the model number of the processor. For one that is
// newer than itself it takes those of 2004: products of matrices run at a fifth of the speed (0.3.21 on
// Emerald Rapids: 32 instead of 152 GFLOP/s). Only the environment can tell it otherwise.
#pragma once

#include <cblas.h>
#include <cstdlib>
#include <string_view>

namespace melgrad {

// What OPENBLAS_CORETYPE should be before the program starts; null if it is set, or OpenBLAS knows better.
inline const char* better_blas_core() {
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr) return nullptr;
  if (std::string_view(openblas_get_corename()) != "Prescott" || !__builtin_cpu_supports("avx2"))
    return nullptr;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  return avx512 ? "SkylakeX" : "Haswell";
}

}  // namespace melgrad
