// Recurrent layers. Where the weights fit in a block's registers and shared memory, one kernel goes over all
// steps (persistent_recurrent.h); else a step is one product by Libraries and one kernel, one thread per
// element of the state, which runs fastest, so that a warp reads and writes whole lines of every gate. The
// gradient of the weights is one product over all steps.
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/persistent_recurrent.h"

namespace melgrad {
namespace {

template <typename Step>
struct EachElement {
  static constexpr int kThreads = 256;
  Step step;
  std::int64_t n;  // of the state

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    for (std::int64_t i = t.first(); i < n; i += t.stride()) {
      const std::int64_t sequence = i / step.hidden, j = i % step.hidden;
      if (step.has_ended(sequence)) {
        step.pass(sequence, j);
      } else {
        step.take(sequence, j);
      }
    }
  }
};

template <typename Step>
void launch_step(Stream stream, const Step& step, std::int64_t batch) {
  const std::int64_t n = batch * step.hidden;
  launch(stream, blocks_for(n, 256), EachElement<Step>{step, n});
}

// Runs Kernel<cell, quads of weights in a thread's registers> and returns true where it fits: with few of
// them, if no more are needed, so that the rest of its registers suffice for all else.
template <template <Cell, int> typename Kernel, Cell kCell, typename... Arguments>
bool launch_persistent(Stream stream, const RecurrentArguments& a, Arguments... arguments) {
  const auto launched = [&](const auto& kernel) {
    launch(stream, blocks_for(a.batch, 1), kernel);
    return true;
  };
  const Kernel<kCell, 8> small{a, arguments...};
  const Kernel<kCell, 16> large{a, arguments...};
  if (small.columns() > kRecurrentThreads || !a.counts_in_32_bits()) return false;
  if (small.product().fits_registers()) return launched(small);
  return large.shared_bytes() <= largest_shared_bytes() && launched(large);
}

}  // namespace

void CudaOps::recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Out states,
                                Out saved) {
  workspace_.restart();
  const RecurrentSteps layer(recurrent, states);
  const Tensor v = scratch({layer.batch, u.dim(0)});
  with_cell(recurrent.cell, [&](auto cell) {
    const RecurrentArguments arguments(layer, recurrent, u, states, saved);
    if (launch_persistent<PersistentForward, decltype(cell)::value>(stream_, arguments, x.f32(), b.f32()))
      return;
    fill(layer.before(states, layer.at(0)), 0);
    for (std::int64_t k = 0; k < layer.steps; ++k) {
      const std::int64_t t = layer.at(k);
      libraries_->gemm(layer.before(states, t), u, b, v, {.transpose_b = true});
      launch_step(stream_, ForwardStep<decltype(cell)::value>(layer, recurrent, x, v, states, saved, t),
                  layer.batch);
    }
  });
}

void CudaOps::recurrent_backward(Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved,
                                 Tensor dstates, Out dx, Grad du, Grad db) {
  workspace_.restart();
  const RecurrentSteps layer(recurrent, states);
  const Tensor carried = scratch({2, layer.batch, layer.hidden});  // gradients of h and c
  const Tensor dv = recurrent.cell == Cell::gru ? scratch(dx.shape) : dx;
  with_cell(recurrent.cell, [&](auto cell) {
    const RecurrentArguments arguments(layer, recurrent, u, states, saved);
    if (launch_persistent<PersistentBackward, decltype(cell)::value>(stream_, arguments, dstates.f32(),
                                                                     dx.f32(), dv.f32()))
      return;
    fill(carried, 0);
    for (std::int64_t k = layer.steps - 1; k >= 0; --k) {
      const std::int64_t t = layer.at(k);
      launch_step(
          stream_,
          BackwardStep<decltype(cell)::value>(layer, recurrent, states, saved, dstates, carried, dx, dv, t),
          layer.batch);
      if (k == 0) continue;  // nobody asks for the gradient of the state before all steps
      libraries_->gemm(RecurrentSteps::of(dv, t), u, {}, RecurrentSteps::of(carried, 0), {.beta = 1});
    }
  });
  const Tensor all_dv = dv.reshape({layer.steps * layer.batch, u.dim(0)});
  libraries_->gemm(all_dv, layer.all_before(states), {}, du.tensor,
                   {.transpose_a = true, .beta = du.write == Write::accumulate ? 1.0F : 0.0F});
  column_sums(all_dv, db);
}

}  // namespace melgrad
