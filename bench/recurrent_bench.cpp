// A recurrent layer as wide as its input, forward and backward, input projection included, as the field's
// libraries time it: recurrent/<cell>/<steps>x<batch>x<hidden>/<device>. bench/peers/gpu_torch.py has cuDNN's
// beside it.
#include <benchmark/benchmark.h>
#include <string>

#include "bench/lab.h"
#include "engine/memory.h"
#include "kernels/ops.h"

namespace melgrad {
namespace {

struct Extents {
  std::int64_t steps, batch, hidden;
};

void layer_case(benchmark::State& state, const BenchDevice& where, Cell cell, const Extents& e) {
  Lab lab(where);
  Device& device = lab.device();
  Arena arena(device);
  const auto filled = [&](Shape shape) {
    const Tensor t = arena.take(shape);
    device.ops().fill(t, 0.01F);
    return t;
  };
  const std::int64_t rows = e.steps * e.batch, gates = gates_of(cell) * e.hidden;
  const Tensor input = filled({rows, e.hidden}), dinput = filled({rows, e.hidden}),
               w = filled({gates, e.hidden}), dw = filled({gates, e.hidden}), bw = filled({gates}),
               dbw = filled({gates}), u = filled({gates, e.hidden}), du = filled({gates, e.hidden}),
               bu = filled({gates}), dbu = filled({gates}), x = filled({e.steps, e.batch, gates}),
               dx = filled({e.steps, e.batch, gates}), states = filled({e.steps + 1, e.batch, e.hidden}),
               dstates = filled({e.steps, e.batch, e.hidden}),
               saved = cell == Cell::rnn ? Tensor{} : filled({e.steps, e.batch, saved_of(cell) * e.hidden});
  const Recurrent recurrent{cell, false, {}};
  const auto run = [&](Device& on) {
    Ops& ops = on.ops();
    ops.linear_forward(input, w, bw, x.reshape({rows, gates}));
    ops.recurrent_forward(x, u, bu, recurrent, states, saved);
    ops.recurrent_backward(u, recurrent, states, saved, dstates, dx, {du}, {dbu});
    ops.linear_backward_params(input, dx.reshape({rows, gates}), {dw}, {dbw});
    ops.linear_backward_input(dx.reshape({rows, gates}), w, {dinput});
  };
  lab.time(state, lab.least_seconds(run), [&] { run(device); });
}

const bool registered = [] {
  for (const BenchDevice& device : bench_devices()) {
    if (device.name != "cpu" && device.name != "cuda/f32") continue;  // recurrent layers compute in f32
    for (const auto& [name, cell] : {std::pair{"lstm", Cell::lstm}, std::pair{"gru", Cell::gru}})
      for (const Extents& e : {Extents{18, 16, 32}, {81, 16, 64}, {81, 64, 128}}) {
        const std::string title =
            fmt::format("recurrent/{}/{}x{}x{}/{}", name, e.steps, e.batch, e.hidden, device.name);
        add_case(title, device, benchmark::kMicrosecond,
                 [=, cell = cell](benchmark::State& state) { layer_case(state, device, cell, e); });
      }
  }
  return true;
}();

}  // namespace
}  // namespace melgrad
