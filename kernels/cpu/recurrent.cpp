// Recurrent layers: one product per step, on all threads by OpenBLAS, then one loop over the elements of the
// state. The gradient of the weights is one product over all steps.
#include "kernels/math/recurrent.h"

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {
namespace {

template <typename Step>
void for_each_element(const Step& step, std::int64_t batch, int threads) {
  constexpr std::int64_t kElements = 2048;  // fewer are not worth waking threads for
  parallel_for(batch, threads, kElements / step.hidden, [&](std::int64_t n) {
    if (step.has_ended(n)) {
#pragma omp simd
      for (std::int64_t j = 0; j < step.hidden; ++j) step.pass(n, j);
    } else {
#pragma omp simd
      for (std::int64_t j = 0; j < step.hidden; ++j) step.take(n, j);
    }
  });
}

}  // namespace

void CpuOps::recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Out states,
                               Out saved) {
  const RecurrentSteps layer(recurrent, states);
  Tensor v(nullptr, {layer.batch, u.dim(0)});
  v.data = scratch(static_cast<std::size_t>(v.bytes()));
  fill(layer.before(states, layer.at(0)), 0);
  with_cell(recurrent.cell, [&](auto cell) {
    for (std::int64_t k = 0; k < layer.steps; ++k) {
      const std::int64_t t = layer.at(k);
      linear_forward(layer.before(states, t), u, b, v);
      for_each_element(ForwardStep<decltype(cell)::value>(layer, recurrent, x, v, states, saved, t),
                       layer.batch, threads_);
    }
  });
}

void CpuOps::recurrent_backward(Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved,
                                Tensor dstates, Out dx, Grad du, Grad db) {
  const RecurrentSteps layer(recurrent, states);
  Tensor carried(nullptr, {2, layer.batch, layer.hidden}), dv = dx;  // gradients of h and c
  const bool own_dv = recurrent.cell == Cell::gru;
  carried.data = scratch(static_cast<std::size_t>(carried.bytes() + (own_dv ? dv.bytes() : 0)));
  if (own_dv) dv.data = carried.f32() + carried.numel();
  fill(carried, 0);
  with_cell(recurrent.cell, [&](auto cell) {
    for (std::int64_t k = layer.steps - 1; k >= 0; --k) {
      const std::int64_t t = layer.at(k);
      for_each_element(
          BackwardStep<decltype(cell)::value>(layer, recurrent, states, saved, dstates, carried, dx, dv, t),
          layer.batch, threads_);
      if (k == 0) continue;  // nobody asks for the gradient of the state before all steps
      linear_backward_input(RecurrentSteps::of(dv, t), u,
                            {RecurrentSteps::of(carried, 0), Write::accumulate});
    }
  });
  linear_backward_params(layer.all_before(states), dv.reshape({layer.steps * layer.batch, u.dim(0)}), du, db);
}

}  // namespace melgrad
