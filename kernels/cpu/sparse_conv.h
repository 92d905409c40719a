// The gradients of a convolution from a dy that is mostly zeros. Max pooling leaves one in frames x bands,
// ReLU fewer still: in Dong 2018 a ninth at most of what a dense convolution would multiply. Each gradient is
// a weighted sum of rows: those of x under the values of dy that are not 0, or those of w.
#pragma once

#include "kernels/ops.h"

namespace melgrad {

// Whether dy holds so few values that the functions below are faster than a dense convolution; they know no
// padding. Decided by the count of these values alone, so that the same data go the same way. A product of 0
// with a value that is not finite is left out here.
bool sparse_conv_pays(Tensor dy, std::int64_t channels, const Conv2d& conv, int threads);

// dx = gradient of x; as Ops::conv2d_backward_input
void sparse_conv_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Grad dx, int threads);

// As Ops::conv2d_backward_params. `scratch`: sparse_conv_scratch() floats
void sparse_conv_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Grad dw, Grad db, float* scratch,
                                 int threads);
std::int64_t sparse_conv_scratch(Tensor dw, std::int64_t examples, int threads);

}  // namespace melgrad
