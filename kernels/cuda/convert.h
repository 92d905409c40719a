// f32 to bf16 (round to nearest, ties to even; NaN stays NaN) and back, for the library calls that do not mix
// the two.
#pragma once

#include <cuda_runtime.h>

#include "kernels/tensor.h"

namespace melgrad {

// to = from, element by element; one is f32, the other bf16.
void convert(cudaStream_t stream, Tensor from, Tensor to);

}  // namespace melgrad
