// Fully connected layers: products by Libraries, in the type of the activations; biases by hand.
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/elements.h"

namespace melgrad {
namespace {

struct StoreColumn {
  float* to;
  bool accumulate;
  MELGRAD_DEVICE void operator()(std::int64_t /*piece*/, std::int64_t column, double total) const {
    const auto sum = static_cast<float>(total);
    to[column] = accumulate ? to[column] + sum : sum;
  }
};

}  // namespace

void CudaOps::column_sums(Tensor x, Grad to) {
  const std::int64_t columns = to.tensor.dim(0), rows = x.numel() / columns;
  auto* part = static_cast<double*>(scratch({column_pieces(rows), columns, 2}).data);
  with_type_of(x, [&](auto type) {
    launch_column_sums(stream_, elements<decltype(type)>(x), rows, columns, part,
                       StoreColumn{to.tensor.f32(), to.write == Write::accumulate});
  });
}

void CudaOps::linear_forward(Tensor x, Tensor w, Tensor b, Out y) {
  workspace_.restart();
  libraries_->gemm(x, as_type(w, x.dtype), b, y, {.transpose_b = true});
}

void CudaOps::linear_backward_input(Tensor dy, Tensor w, Grad dx) {
  workspace_.restart();
  libraries_->gemm(as_type(dy, dx.tensor.dtype), as_type(w, dx.tensor.dtype), {}, dx.tensor,
                   {.beta = dx.write == Write::accumulate ? 1.0F : 0.0F});
}

void CudaOps::linear_backward_params(Tensor x, Tensor dy, Grad dw, Grad db) {
  workspace_.restart();
  libraries_->gemm(as_type(dy, x.dtype), x, {}, dw.tensor,
                   {.transpose_a = true, .beta = dw.write == Write::accumulate ? 1.0F : 0.0F});
  column_sums(dy, db);
}

}  // namespace melgrad
