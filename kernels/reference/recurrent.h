// Reference recurrent layers: the maths of kernels/ops.h, sequence by sequence, step by step. Shapes as
// there. Valid for R = double (the specification) and float.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/ops.h"
#include "kernels/reference/array.h"

namespace melgrad::reference {

struct RecurrentLayer {
  Cell cell = Cell::gru;
  bool reverse = false;
  std::vector<std::int32_t> lengths{};  // empty: all sequences have T steps

  bool has_ended(Index n, Index t) const {
    return !lengths.empty() && t >= lengths[static_cast<std::size_t>(n)];
  }
};

template <typename R>
struct Recurred {
  Array<R> states, saved;
};

template <typename R>
R sigmoid(R x) {
  return 1 / (1 + std::exp(-x));
}

template <typename R>
Recurred<R> recurrent_forward(const Array<R>& x, const Array<R>& u, const Array<R>& b,
                              const RecurrentLayer& layer) {
  const Index steps = x.shape[0], batch = x.shape[1], H = u.shape[1], gates = gates_of(layer.cell);
  Recurred<R> out{Array<R>({steps + 1, batch, H}), {}};
  if (layer.cell != Cell::rnn) out.saved = Array<R>({steps, batch, saved_of(layer.cell) * H});
  for (Index n = 0; n < batch; ++n) {
    std::vector<R> h(static_cast<std::size_t>(H)), c = h, next = h;
    for (Index k = 0; k < steps; ++k) {
      const Index t = layer.reverse ? steps - 1 - k : k;
      for (Index j = 0; j < H; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const auto keep = [&](Index value, R of) { out.saved(t, n, value * H + j) = of; };
        if (layer.has_ended(n, t)) {
          if (layer.cell == Cell::lstm) keep(4, c[at]);
          continue;
        }
        R a[4] = {}, v[4] = {};
        for (Index g = 0; g < gates; ++g) {
          a[g] = x(t, n, g * H + j);
          v[g] = b(g * H + j);
          for (Index i = 0; i < H; ++i) v[g] += u(g * H + j, i) * h[static_cast<std::size_t>(i)];
        }
        if (layer.cell == Cell::rnn) next[at] = std::tanh(a[0] + v[0]);
        if (layer.cell == Cell::lstm) {
          const R i = sigmoid(a[0] + v[0]), f = sigmoid(a[1] + v[1]), g = std::tanh(a[2] + v[2]),
                  o = sigmoid(a[3] + v[3]);
          c[at] = f * c[at] + i * g;
          next[at] = o * std::tanh(c[at]);
          keep(0, i), keep(1, f), keep(2, g), keep(3, o), keep(4, c[at]);
        }
        if (layer.cell == Cell::gru) {
          const R r = sigmoid(a[0] + v[0]), z = sigmoid(a[1] + v[1]), q = v[2], m = std::tanh(a[2] + r * q);
          next[at] = (1 - z) * m + z * h[at];
          keep(0, r), keep(1, z), keep(2, m), keep(3, q);
        }
      }
      h = next;
      for (Index j = 0; j < H; ++j)
        out.states(layer.reverse ? t : t + 1, n, j) = h[static_cast<std::size_t>(j)];
    }
  }
  return out;
}

template <typename R>
struct RecurrentGradients {
  Array<R> dx, du, db;
};

template <typename R>
RecurrentGradients<R> recurrent_backward(const Array<R>& u, const RecurrentLayer& layer,
                                         const Array<R>& states, const Array<R>& saved,
                                         const Array<R>& dstates) {
  const Index steps = dstates.shape[0], batch = dstates.shape[1], H = u.shape[1],
              gates = gates_of(layer.cell);
  RecurrentGradients<R> out{Array<R>({steps, batch, gates * H}), Array<R>(u.shape), Array<R>({gates * H})};
  for (Index n = 0; n < batch; ++n) {
    std::vector<R> dh(static_cast<std::size_t>(H)), dc = dh;  // of the state after the step, from later ones
    for (Index k = steps - 1; k >= 0; --k) {
      const Index t = layer.reverse ? steps - 1 - k : k;
      const Index before = layer.reverse ? t + 1 : t, after = layer.reverse ? t : t + 1;
      std::vector<R> dh_before(dh.size());
      for (Index j = 0; j < H; ++j) {
        const auto at = static_cast<std::size_t>(j);
        const R d = dh[at] + dstates(t, n, j), h = states(before, n, j);
        const auto kept = [&](Index value) { return saved(t, n, value * H + j); };
        if (layer.has_ended(n, t)) {
          dh_before[at] += d;
          continue;
        }
        R da[4] = {};  // of a and, but for the last gate of a GRU, of v
        R r = 1;       // what that gate's v is multiplied by
        if (layer.cell == Cell::rnn) da[0] = d * (1 - std::pow(states(after, n, j), R{2}));
        if (layer.cell == Cell::lstm) {
          const R i = kept(0), f = kept(1), g = kept(2), o = kept(3), y = std::tanh(kept(4));
          const R c = k == 0 ? 0 : saved(layer.reverse ? t + 1 : t - 1, n, 4 * H + j);
          const R dc_after = dc[at] + d * o * (1 - y * y);
          da[0] = dc_after * g * i * (1 - i);
          da[1] = dc_after * c * f * (1 - f);
          da[2] = dc_after * i * (1 - g * g);
          da[3] = d * y * o * (1 - o);
          dc[at] = dc_after * f;
        }
        if (layer.cell == Cell::gru) {
          const R z = kept(1), m = kept(2), q = kept(3);
          r = kept(0);
          da[2] = d * (1 - z) * (1 - m * m);
          da[0] = da[2] * q * r * (1 - r);
          da[1] = d * (h - m) * z * (1 - z);
          dh_before[at] += d * z;
        }
        for (Index g = 0; g < gates; ++g) {
          const R dv = g == 2 ? da[g] * r : da[g];
          out.dx(t, n, g * H + j) = da[g];
          out.db(g * H + j) += dv;
          for (Index i = 0; i < H; ++i) {
            out.du(g * H + j, i) += dv * states(before, n, i);
            dh_before[static_cast<std::size_t>(i)] += dv * u(g * H + j, i);
          }
        }
      }
      dh = dh_before;
    }
  }
  return out;
}

}  // namespace melgrad::reference
