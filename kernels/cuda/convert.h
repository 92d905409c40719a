// f32 to bf16 (round to nearest, ties to even; NaN stays NaN) and back.
#pragma once

#include "kernels/cuda/grid.h"
#include "kernels/tensor.h"

namespace melgrad {

// to = from, element by element; each is f32 or bf16.
void convert(Stream stream, Tensor from, Tensor to);

}  // namespace melgrad
