// Recurrent layers in one kernel over all their steps: sequences do not depend on each other, so a block
// takes one from its first step to its last, with the recurrent weights in its shared memory and the state in
// registers. A step costs two barriers and no launch. For weights that fit (a GRU of 128, an LSTM of 112 on
// an H100); recurrent.cu has the path for the rest.
//
// The loads of a step do not depend on the step before, so they are issued ahead of its product and arrive
// during it.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/math/recurrent.h"

namespace melgrad {

constexpr int kRecurrentThreads = 256;

// y [columns] = x [rows] w [rows, columns], w kept in shared memory as quads of rows, so that a thread loads
// four numbers at once and neighbours lie side by side. With fewer columns than threads, groups of threads
// share the rows of a column and leave parts of the sum.
struct BlockProduct {
  struct alignas(16) Quad {
    float v[4];
  };
  int rows, columns;

  MELGRAD_HD BlockProduct(int row_count, int column_count) : rows(row_count), columns(column_count) {}
  MELGRAD_HD int quads() const { return (rows + 3) / 4; }
  MELGRAD_HD int groups() const { return columns < kRecurrentThreads ? kRecurrentThreads / columns : 1; }
  MELGRAD_HD std::int64_t weight_quads() const { return std::int64_t{quads()} * columns; }
  MELGRAD_HD int parts() const { return groups() * columns; }
  std::int64_t shared_bytes() const {
    return shared_size<Quad>(weight_quads()) + shared_size<Quad>(quads()) + shared_size<float>(parts());
  }

  // x: [4 quads()] behind the last row 0. All threads; a barrier must follow before `multiply`.
  template <typename Thread>
  MELGRAD_DEVICE void take(Thread& t) {
    weights_ = t.template shared<Quad>(weight_quads());
    x = reinterpret_cast<float*>(t.template shared<Quad>(quads()));
    parts_ = t.template shared<float>(parts());
    for (int i = t.index(); i < 4 * quads(); i += kRecurrentThreads) x[i] = 0;
    for (std::int64_t i = t.index(); i < weight_quads(); i += kRecurrentThreads) weights_[i] = Quad{};
    t.sync();
    group_ = t.index() / columns;
    column_ = group_ < groups() ? t.index() % columns : columns;  // nothing is left for the last threads
    per_group_ = (quads() + groups() - 1) / groups();
  }
  MELGRAD_DEVICE void set_weight(int row, int column, float w) {
    weights_[row / 4 * columns + column].v[row % 4] = w;
  }

  // Barriers before and after are the caller's.
  MELGRAD_DEVICE void multiply() const {
    const int from = group_ * per_group_;
    const int to = from + per_group_ < quads() ? from + per_group_ : quads();
    const Quad* input = reinterpret_cast<const Quad*>(x);
    for (int column = column_; column < columns; column += kRecurrentThreads) {
      float sum[4] = {};
      for (int q = from; q < to; ++q) {
        const Quad w = weights_[q * columns + column], in = input[q];
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] += w.v[i] * in.v[i];
      }
      parts_[group_ * columns + column] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
  }
  MELGRAD_DEVICE float result(int column) const {
    float sum = 0;
    for (int g = 0; g < groups(); ++g) sum += parts_[g * columns + column];
    return sum;
  }

  float* x = nullptr;

 private:
  Quad* weights_ = nullptr;
  float* parts_ = nullptr;
  int group_ = 0, column_ = 0, per_group_ = 0;
};

// What both directions know of the layer; shapes as in kernels/ops.h.
struct RecurrentArguments {
  int steps, batch, hidden;
  bool reverse;
  const std::int32_t* lengths;  // null: no sequence has ended
  const float* u;
  float *states, *saved;

  RecurrentArguments(const RecurrentSteps& layer, const Recurrent& recurrent, Tensor weights,
                     Tensor all_states, Tensor all_saved)
      : steps(static_cast<int>(layer.steps)),
        batch(static_cast<int>(layer.batch)),
        hidden(static_cast<int>(layer.hidden)),
        reverse(layer.reverse),
        lengths(recurrent.lengths ? recurrent.lengths.i32() : nullptr),
        u(weights.f32()),
        states(all_states.f32()),
        saved(recurrent.cell == Cell::rnn ? nullptr : all_saved.f32()) {}

  MELGRAD_HD int at(int k) const { return reverse ? steps - 1 - k : k; }
  MELGRAD_HD bool has_ended(int t, int n) const { return lengths != nullptr && t >= lengths[n]; }
  // Element j of value v of sequence n at place t, where there are `values` of them.
  MELGRAD_HD std::int64_t place(int t, int n, int values, int v, int j) const {
    return ((std::int64_t{t} * batch + n) * values + v) * hidden + j;
  }
  MELGRAD_HD std::int64_t before(int t, int n, int j) const { return place(reverse ? t + 1 : t, n, 1, 0, j); }
  MELGRAD_HD std::int64_t after(int t, int n, int j) const { return place(reverse ? t : t + 1, n, 1, 0, j); }
};

template <Cell kCell>
struct PersistentForward {
  static constexpr int kThreads = kRecurrentThreads;
  static constexpr int kGates = static_cast<int>(gates_of(kCell)), kSaved = static_cast<int>(saved_of(kCell));
  RecurrentArguments a;
  const float *x, *b;

  MELGRAD_HD BlockProduct product() const { return {a.hidden, kGates * a.hidden}; }
  std::int64_t shared_bytes() const { return product().shared_bytes(); }

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    BlockProduct u = product();
    u.take(t);
    fetch<8>(
        t, kGates * a.hidden * a.hidden, [&](int i) { return a.u[i]; },
        [&](int i, float w) { u.set_weight(i % a.hidden, i / a.hidden, w); });
    const int j = t.index();  // thread j < hidden has element j of the state
    const bool has_element = j < a.hidden;
    float bias[kGates] = {};
    for (int g = 0; has_element && g < kGates; ++g) bias[g] = b[g * a.hidden + j];

    for (int n = static_cast<int>(t.block()); n < a.batch; n += static_cast<int>(t.blocks())) {
      float h = 0, c = 0;
      if (has_element) {
        u.x[j] = 0;
        a.states[a.before(a.at(0), n, j)] = 0;
      }
      for (int k = 0; k < a.steps; ++k) {
        const int step = a.at(k);
        const bool ended = a.has_ended(step, n);
        float in[kGates] = {}, w[kGates], kept[kSaved + 1] = {};
        for (int g = 0; has_element && !ended && g < kGates; ++g) in[g] = x[a.place(step, n, kGates, g, j)];
        t.sync();
        if (!ended) u.multiply();
        t.sync();
        if (!has_element) continue;
        if (!ended) {
          for (int g = 0; g < kGates; ++g) w[g] = u.result(g * a.hidden + j) + bias[g];
          h = forward_cell<kCell>(in, w, h, c, kept);
          if constexpr (kCell == Cell::lstm) c = kept[4];
        } else if constexpr (kCell == Cell::lstm) {
          kept[4] = c;
        }
        u.x[j] = h;
        a.states[a.after(step, n, j)] = h;
        for (int s = 0; s < kSaved; ++s) a.saved[a.place(step, n, kSaved, s, j)] = kept[s];
      }
    }
  }
};

// dv: the gradient of v = u h + b; the memory of dx but for a GRU.
template <Cell kCell>
struct PersistentBackward {
  static constexpr int kThreads = kRecurrentThreads;
  static constexpr int kGates = static_cast<int>(gates_of(kCell)), kSaved = static_cast<int>(saved_of(kCell));
  RecurrentArguments a;
  const float* dstates;
  float *dx, *dv;

  MELGRAD_HD BlockProduct product() const { return {kGates * a.hidden, a.hidden}; }
  std::int64_t shared_bytes() const { return product().shared_bytes(); }

  // What a step reads.
  struct Step {
    float kept[kSaved + 1], h, next, c, d;
  };

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    BlockProduct u = product();
    u.take(t);
    fetch<8>(
        t, kGates * a.hidden * a.hidden, [&](int i) { return a.u[i]; },
        [&](int i, float w) { u.set_weight(i / a.hidden, i % a.hidden, w); });
    const int j = t.index();
    const bool has_element = j < a.hidden;

    for (int n = static_cast<int>(t.block()); n < a.batch; n += static_cast<int>(t.blocks())) {
      float dh = 0, dc = 0;
      Step now = has_element ? read(a.steps - 1, n, j) : Step{};
      for (int k = a.steps - 1; k >= 0; --k) {
        const int step = a.at(k);
        const bool ended = a.has_ended(step, n);
        if (has_element) {
          float da[kGates] = {}, dw[kGates] = {};
          if (ended) {
            dh += now.d;
          } else {
            dh = backward_cell<kCell>(now.d + dh, now.kept, now.h, now.next, now.c, dc, da, dw);
          }
          for (int g = 0; g < kGates; ++g) {
            dx[a.place(step, n, kGates, g, j)] = da[g];
            if constexpr (kCell == Cell::gru) dv[a.place(step, n, kGates, g, j)] = dw[g];
            u.x[g * a.hidden + j] = dw[g];
          }
          if (k > 0) now = read(k - 1, n, j);
        }
        t.sync();
        if (!ended) u.multiply();
        t.sync();
        if (has_element && !ended) dh += u.result(j);
      }
    }
  }

  MELGRAD_DEVICE Step read(int k, int n, int j) const {
    const int step = a.at(k);
    Step s{};
    for (int i = 0; i < kSaved; ++i) s.kept[i] = a.saved[a.place(step, n, kSaved, i, j)];
    if constexpr (kCell == Cell::gru) s.h = a.states[a.before(step, n, j)];
    if constexpr (kCell == Cell::rnn) s.next = a.states[a.after(step, n, j)];
    if constexpr (kCell == Cell::lstm) s.c = k > 0 ? a.saved[a.place(a.at(k - 1), n, kSaved, 4, j)] : 0.0F;
    s.d = dstates[a.place(step, n, 1, 0, j)];
    return s;
  }
};

}  // namespace melgrad
