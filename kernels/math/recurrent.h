// The steps of a recurrent layer, one element at a time; formulas and shapes stand at recurrent_forward in
// kernels/ops.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/math/exponentials.h"
#include "kernels/math/qualifier.h"
#include "kernels/ops.h"

namespace melgrad {

// One element of one step. a [G]: the projected input; w [G]: the product with the state, bias included; h,
// c: state before the step. Returns the state after it; kept [S]: what the backward pass needs.
template <Cell kCell>
MELGRAD_HD inline float forward_cell(const float* a, const float* w, float h, float c, float* kept) {
  if constexpr (kCell == Cell::rnn) {
    return tanh_of(a[0] + w[0]);
  } else if constexpr (kCell == Cell::lstm) {
    const float i = sigmoid_of(a[0] + w[0]), f = sigmoid_of(a[1] + w[1]), g = tanh_of(a[2] + w[2]),
                o = sigmoid_of(a[3] + w[3]);
    const float cell = f * c + i * g;
    kept[0] = i, kept[1] = f, kept[2] = g, kept[3] = o, kept[4] = cell;
    return o * tanh_of(cell);
  } else {
    const float r = sigmoid_of(a[0] + w[0]), z = sigmoid_of(a[1] + w[1]), q = w[2];
    const float m = tanh_of(a[2] + r * q);          // n in the formula
    const float rest = sigmoid_of(-(a[1] + w[1]));  // 1 - z, to all its digits where z is nearly 1
    kept[0] = r, kept[1] = z, kept[2] = m, kept[3] = q;
    return rest * m + z * h;
  }
}

// Its gradients, from d, that of the state after the step: da [G] of a, dw [G] of w (the same but for a GRU).
// Returns that of h, all but its way through w; dc: that of c after the step, then of c before it.
template <Cell kCell>
MELGRAD_HD inline float backward_cell(float d, const float* kept, float h, float next, float c, float& dc,
                                      float* da, float* dw) {
  float dh = 0;
  if constexpr (kCell == Cell::rnn) {
    da[0] = d * (1 - next * next);
  } else if constexpr (kCell == Cell::lstm) {
    const float i = kept[0], f = kept[1], g = kept[2], o = kept[3], y = tanh_of(kept[4]);
    const float e = dc + d * o * (1 - y * y);
    da[0] = e * g * i * (1 - i);
    da[1] = e * c * f * (1 - f);
    da[2] = e * i * (1 - g * g);
    da[3] = d * y * o * (1 - o);
    dc = e * f;
  } else {
    const float r = kept[0], z = kept[1], m = kept[2], q = kept[3];
    const float dm = d * (1 - z) * (1 - m * m);
    da[0] = dm * q * r * (1 - r);
    da[1] = d * (h - m) * z * (1 - z);
    da[2] = dm;
    dh = d * z;
  }
  for (int gate = 0; gate < std::integral_constant<int, gates_of(kCell)>::value; ++gate) dw[gate] = da[gate];
  if constexpr (kCell == Cell::gru) dw[2] = da[2] * kept[0];
  return dh;
}

// The order of a layer's steps, and what lies where in its tensors.
struct RecurrentSteps {
  bool reverse;
  std::int64_t steps, batch, hidden;

  RecurrentSteps(const Recurrent& recurrent, Tensor states)
      : reverse(recurrent.reverse), steps(states.dim(0) - 1), batch(states.dim(1)), hidden(states.dim(2)) {}

  // The k-th step to be computed.
  std::int64_t at(std::int64_t k) const { return reverse ? steps - 1 - k : k; }
  // [N, H] before and after step t
  Tensor before(Tensor states, std::int64_t t) const { return of(states, reverse ? t + 1 : t); }
  Tensor after(Tensor states, std::int64_t t) const { return of(states, reverse ? t : t + 1); }
  // [T N, H] before every step
  Tensor all_before(Tensor states) const {
    const std::int64_t rows = steps * batch;
    return states.span(reverse ? batch * hidden : 0, rows * hidden, {rows, hidden});
  }
  // [B, C] at place t of a tensor [A, B, C]
  static Tensor of(Tensor x, std::int64_t t) {
    const std::int64_t n = x.dim(1) * x.dim(2);
    return x.span(t * n, n, {x.dim(1), x.dim(2)});
  }
};

// The state c of an LSTM before a step, of sequence n from data + n * stride on.
struct CellStates {
  const float* data;
  std::int64_t stride;
};

// Before the first step c is 0, as the state is.
inline CellStates cells_before(const RecurrentSteps& layer, Tensor states, Tensor saved, std::int64_t t) {
  if (t == layer.at(0)) return {layer.before(states, t).f32(), layer.hidden};
  const Tensor before = RecurrentSteps::of(saved, layer.reverse ? t + 1 : t - 1);
  return {before.f32() + 4 * layer.hidden, 5 * layer.hidden};
}

// What both directions know of step t.
template <Cell kCell>
struct RecurrentStep {
  std::int64_t t, hidden;
  const std::int32_t* lengths;  // null: no sequence has ended
  const float* h;               // [N, H] before the step
  CellStates c;                 // before the step; of an LSTM only

  static constexpr std::int64_t kGates = gates_of(kCell), kSaved = saved_of(kCell);

  RecurrentStep(const RecurrentSteps& layer, const Recurrent& recurrent, Tensor states, Tensor saved,
                std::int64_t step)
      : t(step),
        hidden(layer.hidden),
        lengths(recurrent.lengths ? recurrent.lengths.i32() : nullptr),
        h(layer.before(states, step).f32()),
        c(kCell == Cell::lstm ? cells_before(layer, states, saved, step) : CellStates{}) {}

  MELGRAD_HD bool has_ended(std::int64_t n) const { return lengths != nullptr && t >= lengths[n]; }
};

// Computes the state after step t from x_t and v = u h + b.
template <Cell kCell>
struct ForwardStep : RecurrentStep<kCell> {
  const float *x, *v;   // [N, G H]
  float *next, *saved;  // [N, H], [N, S H]

  ForwardStep(const RecurrentSteps& layer, const Recurrent& recurrent, Tensor all_x, Tensor product,
              Tensor states, Tensor all_saved, std::int64_t step)
      : RecurrentStep<kCell>(layer, recurrent, states, all_saved, step),
        x(RecurrentSteps::of(all_x, step).f32()),
        v(product.f32()),
        next(layer.after(states, step).f32()),
        saved(kCell == Cell::rnn ? nullptr : RecurrentSteps::of(all_saved, step).f32()) {}

  // Element j of sequence n.
  MELGRAD_HD void take(std::int64_t n, std::int64_t j) const {
    const std::int64_t H = this->hidden, at = n * H + j;
    float a[gates_of(kCell)], w[gates_of(kCell)], kept[saved_of(kCell) + 1];
    for (std::int64_t g = 0; g < this->kGates; ++g) {
      a[g] = x[(n * this->kGates + g) * H + j];
      w[g] = v[(n * this->kGates + g) * H + j];
    }
    const float cell = kCell == Cell::lstm ? this->c.data[n * this->c.stride + j] : 0;
    next[at] = forward_cell<kCell>(a, w, this->h[at], cell, kept);
    for (std::int64_t s = 0; s < this->kSaved; ++s) saved[(n * this->kSaved + s) * H + j] = kept[s];
  }

  // The same where the sequence has ended.
  MELGRAD_HD void pass(std::int64_t n, std::int64_t j) const {
    const std::int64_t H = this->hidden, at = n * H + j;
    next[at] = this->h[at];
    for (std::int64_t s = 0; s < this->kSaved; ++s) saved[(n * this->kSaved + s) * H + j] = 0;
    if constexpr (kCell == Cell::lstm)
      saved[(n * this->kSaved + 4) * H + j] = this->c.data[n * this->c.stride + j];
  }
};

// Computes the gradients of x_t and v from that of the state after step t: the one from outside plus `dh`,
// the one through later steps. Leaves in `dh` the gradient of the state before the step, all but its way
// through v, and in `dc` that of c.
template <Cell kCell>
struct BackwardStep : RecurrentStep<kCell> {
  const float *next, *saved, *dstates;  // [N, H], [N, S H], [N, H]
  float *dh, *dc;                       // [N, H]
  float *dx, *dv;                       // [N, G H]; the same but for a GRU

  BackwardStep(const RecurrentSteps& layer, const Recurrent& recurrent, Tensor states, Tensor all_saved,
               Tensor all_dstates, Tensor carried, Tensor all_dx, Tensor all_dv, std::int64_t step)
      : RecurrentStep<kCell>(layer, recurrent, states, all_saved, step),
        next(layer.after(states, step).f32()),
        saved(kCell == Cell::rnn ? nullptr : RecurrentSteps::of(all_saved, step).f32()),
        dstates(RecurrentSteps::of(all_dstates, step).f32()),
        dh(RecurrentSteps::of(carried, 0).f32()),
        dc(RecurrentSteps::of(carried, 1).f32()),
        dx(RecurrentSteps::of(all_dx, step).f32()),
        dv(RecurrentSteps::of(all_dv, step).f32()) {}

  MELGRAD_HD void take(std::int64_t n, std::int64_t j) const {
    const std::int64_t H = this->hidden, at = n * H + j;
    float kept[saved_of(kCell) + 1], da[gates_of(kCell)], dw[gates_of(kCell)];
    for (std::int64_t s = 0; s < this->kSaved; ++s) kept[s] = saved[(n * this->kSaved + s) * H + j];
    const float cell = kCell == Cell::lstm ? this->c.data[n * this->c.stride + j] : 0;
    float d_cell = 0;
    if constexpr (kCell == Cell::lstm) d_cell = dc[at];
    dh[at] = backward_cell<kCell>(dstates[at] + dh[at], kept, this->h[at], next[at], cell, d_cell, da, dw);
    if constexpr (kCell == Cell::lstm) dc[at] = d_cell;
    for (std::int64_t g = 0; g < this->kGates; ++g) {
      const std::int64_t to = (n * this->kGates + g) * H + j;
      dx[to] = da[g];
      if constexpr (kCell == Cell::gru) dv[to] = dw[g];  // else the same memory
    }
  }

  MELGRAD_HD void pass(std::int64_t n, std::int64_t j) const {
    const std::int64_t H = this->hidden, at = n * H + j;
    dh[at] += dstates[at];
    for (std::int64_t g = 0; g < this->kGates; ++g) {
      const std::int64_t to = (n * this->kGates + g) * H + j;
      dx[to] = dv[to] = 0;
    }
  }
};

// body(constant) with the cell as a compile-time constant.
template <typename Body>
void with_cell(Cell cell, const Body& body) {
  switch (cell) {
    case Cell::rnn:
      return body(std::integral_constant<Cell, Cell::rnn>{});
    case Cell::lstm:
      return body(std::integral_constant<Cell, Cell::lstm>{});
    case Cell::gru:
      return body(std::integral_constant<Cell, Cell::gru>{});
  }
}

}  // namespace melgrad
