// Recurrent layers in one kernel over all their steps: sequences do not depend on each other, so a block
// takes one from its first step to its last, with the recurrent weights in its registers, as many as they
// hold, and the rest in its shared memory. A step costs two barriers and no launch. For weights that fit (a
// GRU of 160, an LSTM of 128 on an H100); recurrent.cu has the path for the rest.
//
// What a step reads from memory does not depend on the step before, and memory is away for longer than a step
// takes: it is asked for some steps early. Between the barriers of a step stands what the other threads wait
// for, loads and stores come after them.
#pragma once

#include "kernels/cuda/elements.h"
#include "kernels/math/recurrent.h"

namespace melgrad {

constexpr int kRecurrentThreads = 512;

// Steps that input is asked for ahead. One of a layer with more weights takes longer, and leaves fewer
// registers.
constexpr int steps_ahead(int quads_held) { return quads_held > 8 ? 2 : 3; }

using Quad = Pack<float, kWide>;

// y [columns] = x [rows] w [rows, columns], columns <= kRecurrentThreads. A thread has one column, or some of
// its rows where there are threads enough for that, and leaves its part of the sum. It keeps its weights
// from the first product to the last, in quads of rows: kHeld of them in registers.
template <int kHeld>
class BlockProduct {
 public:
  MELGRAD_HD BlockProduct(int rows, int columns)
      : quads_((rows + 3) / 4),
        columns_(columns),
        groups_(least(least(kRecurrentThreads / columns, kMostGroups), (quads_ + kAtOnce - 1) / kAtOnce)),
        per_group_((quads_ + groups_ * kAtOnce - 1) / (groups_ * kAtOnce) * kAtOnce) {}
  bool fits_registers() const { return per_group_ <= kHeld; }
  std::int64_t shared_bytes() const {
    return shared_size<Quad>(shared_quads()) + shared_size<Quad>(groups_ * per_group_) +
           shared_size<float>(groups_ * kRecurrentThreads);
  }

  // load(first row, column): a quad of weights, 0 beyond the last row. All threads; a barrier must follow
  // before `multiply`.
  template <typename Thread, typename Load>
  MELGRAD_DEVICE void take(Thread& t, const Load& load) {
    Quad* shared = t.template shared<Quad>(shared_quads());
    Quad* input = t.template shared<Quad>(groups_ * per_group_);
    parts_ = t.template shared<float>(groups_ * kRecurrentThreads);
    x = reinterpret_cast<float*>(input);
    for (int i = t.index(); i < 4 * groups_ * per_group_; i += kRecurrentThreads) x[i] = 0;
    t.sync();
    const int group = t.index() / columns_, column = t.index() % columns_, first = group * per_group_;
    works_ = group < groups_;
    const auto mine = [&](int i) {
      return works_ && i < per_group_ && first + i < quads_ ? load(4 * (first + i), column) : Quad{};
    };
#pragma unroll
    for (int i = 0; i < kHeld; ++i) held_[i] = mine(i);
    more_ = shared + t.index();
    for (int i = kHeld; i < per_group_; ++i) more_[(i - kHeld) * kRecurrentThreads] = mine(i);
    input_ = input + (works_ ? first : 0);
    part_ = parts_ + (works_ ? group * kRecurrentThreads + column : 0);
  }

  // Barriers before and after are the caller's.
  MELGRAD_DEVICE void multiply() const {
    if (!works_) return;
    float sum[4] = {};
    const auto add = [&sum](const Quad& w, const Quad& in) {
#pragma unroll
      for (int r = 0; r < 4; ++r) sum[r] += w.of[r] * in.of[r];
    };
#pragma unroll
    for (int begin = 0; begin < kHeld; begin += kAtOnce) {
      if (begin >= per_group_) break;
#pragma unroll
      for (int i = begin; i < begin + kAtOnce; ++i) add(held_[i], input_[i]);
    }
#pragma unroll kAtOnce
    for (int i = kHeld; i < per_group_; ++i) add(more_[(i - kHeld) * kRecurrentThreads], input_[i]);
    *part_ = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
  // The parts of a column's sum, and the sum.
  MELGRAD_DEVICE const float* parts_of(int column) const { return parts_ + column; }
  MELGRAD_DEVICE float sum_of(const float* parts) const {
    float sum = parts[0];
#pragma unroll
    for (int g = 1; g < kMostGroups; ++g)
      if (g < groups_) sum += parts[g * kRecurrentThreads];
    return sum;
  }

  float* x = nullptr;  // [rows]

 private:
  static constexpr int kAtOnce = 4, kMostGroups = 8;
  MELGRAD_HD static int least(int a, int b) { return a < b ? a : b; }
  MELGRAD_HD std::int64_t shared_quads() const {
    return per_group_ > kHeld ? std::int64_t{per_group_ - kHeld} * kRecurrentThreads : 0;
  }

  int quads_, columns_, groups_, per_group_;  // per_group_: a multiple of kAtOnce
  bool works_ = false;
  Quad held_[kHeld];
  Quad* more_ = nullptr;
  const Quad* input_ = nullptr;
  float *parts_ = nullptr, *part_ = nullptr;
};

// What a thread has of a tensor: a few values of one element, for each of the steps in the order in which
// they are computed.
struct StepValues {
  float* first;
  int step, value;

  MELGRAD_HD float& operator()(int k, int v = 0) const { return first[std::int64_t{k} * step + v * value]; }
};

// What both directions know of the layer; shapes as in kernels/ops.h.
struct RecurrentArguments {
  int steps, batch, hidden;
  bool reverse;
  const std::int32_t* lengths;  // null: no sequence has ended
  const float* u;
  bool u_in_packs;
  float *states, *saved;

  RecurrentArguments(const RecurrentSteps& layer, const Recurrent& recurrent, Tensor weights,
                     Tensor all_states, Tensor all_saved)
      : steps(static_cast<int>(layer.steps)),
        batch(static_cast<int>(layer.batch)),
        hidden(static_cast<int>(layer.hidden)),
        reverse(layer.reverse),
        lengths(recurrent.lengths ? recurrent.lengths.i32() : nullptr),
        u(weights.f32()),
        u_in_packs(in_packs({weights})),
        states(all_states.f32()),
        saved(recurrent.cell == Cell::rnn ? nullptr : all_saved.f32()) {}

  // What all sequences have of a step, at most 5 values an element.
  bool counts_in_32_bits() const { return std::int64_t{batch} * hidden < (std::int64_t{1} << 31) / 5; }
  MELGRAD_HD int at(int k) const { return reverse ? steps - 1 - k : k; }
  // Whether the k-th step to be computed lies beyond the end of a sequence.
  MELGRAD_HD bool has_ended(int k, int length) const { return at(k) >= length; }
  MELGRAD_DEVICE int length(int n) const { return lengths != nullptr ? lengths[n] : steps; }
  // Element j of sequence n in a tensor [T, N, count, H].
  MELGRAD_HD StepValues values(float* data, int count, int n, int j) const {
    return from(data, at(0), count, n, j);
  }
  // k: the state before step k, k + 1: after it.
  MELGRAD_HD StepValues all_states(int n, int j) const { return from(states, reverse ? steps : 0, 1, n, j); }

 private:
  MELGRAD_HD StepValues from(float* data, int t, int count, int n, int j) const {
    const int row = batch * count * hidden;
    return {data + std::int64_t{t} * row + std::int64_t{n} * count * hidden + j, reverse ? -row : row,
            hidden};
  }
};

template <Cell kCell, int kHeld>
struct PersistentForward {
  static constexpr int kThreads = kRecurrentThreads, kAhead = steps_ahead(kHeld);
  static constexpr int kGates = static_cast<int>(gates_of(kCell)), kSaved = static_cast<int>(saved_of(kCell));
  RecurrentArguments a;
  float* x;
  const float* b;

  MELGRAD_HD int columns() const { return kGates * a.hidden; }
  MELGRAD_HD BlockProduct<kHeld> product() const { return {a.hidden, columns()}; }
  std::int64_t shared_bytes() const { return product().shared_bytes(); }

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    BlockProduct<kHeld> u = product();
    u.take(t, [&](int row, int column) {
      const float* from = a.u + column * a.hidden + row;
      if (a.u_in_packs) return *reinterpret_cast<const Quad*>(from);
      Quad quad{};
      for (int i = 0; i < 4 && row + i < a.hidden; ++i) quad.of[i] = from[i];
      return quad;
    });
    const int j = t.index();  // thread j < hidden has element j of the state
    const bool has_element = j < a.hidden;
    float bias[kGates] = {};
    const float* parts[kGates] = {};
    for (int g = 0; has_element && g < kGates; ++g) {
      bias[g] = b[g * a.hidden + j];
      parts[g] = u.parts_of(g * a.hidden + j);
    }

    for (int n = static_cast<int>(t.block()); n < a.batch; n += static_cast<int>(t.blocks())) {
      const StepValues in = a.values(x, kGates, n, j), state = a.all_states(n, j);
      StepValues saved{};
      if constexpr (kSaved > 0) saved = a.values(a.saved, kSaved, n, j);
      const int length = a.length(n);
      float h = 0, c = 0, ahead[kAhead][kGates] = {};
      if (has_element) {
        u.x[j] = state(0) = 0;
#pragma unroll
        for (int q = 0; q < kAhead; ++q)
          for (int g = 0; q < a.steps && g < kGates; ++g) ahead[q][g] = in(q, g);
      }
      t.sync();
      for (int begin = 0; begin < a.steps; begin += kAhead) {
#pragma unroll
        for (int q = 0; q < kAhead; ++q) {
          const int k = begin + q;
          if (k >= a.steps) break;
          const bool ended = a.has_ended(k, length);
          if (!ended) u.multiply();
          t.sync();
          float kept[kSaved + 1] = {};
          if (has_element) {
            if (!ended) {
              float w[kGates];
              for (int g = 0; g < kGates; ++g) w[g] = u.sum_of(parts[g]) + bias[g];
              h = forward_cell<kCell>(ahead[q], w, h, c, kept);
              if constexpr (kCell == Cell::lstm) c = kept[4];
            } else if constexpr (kCell == Cell::lstm) {
              kept[4] = c;
            }
            u.x[j] = h;
          }
          t.sync();
          if (!has_element) continue;
          state(k + 1) = h;
          for (int s = 0; s < kSaved; ++s) saved(k, s) = kept[s];
          for (int g = 0; k + kAhead < a.steps && g < kGates; ++g) ahead[q][g] = in(k + kAhead, g);
        }
      }
    }
  }
};

// dv: the gradient of v = u h + b; the memory of dx but for a GRU.
template <Cell kCell, int kHeld>
struct PersistentBackward {
  static constexpr int kThreads = kRecurrentThreads, kAhead = steps_ahead(kHeld);
  static constexpr int kGates = static_cast<int>(gates_of(kCell)), kSaved = static_cast<int>(saved_of(kCell));
  RecurrentArguments a;
  float *dstates, *dx, *dv;

  MELGRAD_HD int columns() const { return a.hidden; }
  MELGRAD_HD BlockProduct<kHeld> product() const { return {kGates * a.hidden, columns()}; }
  std::int64_t shared_bytes() const { return product().shared_bytes(); }

  // What a step reads.
  struct Step {
    float kept[kSaved + 1], h, next, c, d;
  };
  struct Inputs {
    StepValues saved, state, d;

    MELGRAD_DEVICE Step operator()(int k) const {
      Step s{};
      for (int i = 0; i < kSaved; ++i) s.kept[i] = saved(k, i);
      if constexpr (kCell == Cell::gru) s.h = state(k);
      if constexpr (kCell == Cell::rnn) s.next = state(k + 1);
      if constexpr (kCell == Cell::lstm) s.c = k > 0 ? saved(k - 1, 4) : 0.0F;
      s.d = d(k);
      return s;
    }
  };

  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    BlockProduct<kHeld> u = product();
    u.take(t, [&](int row, int column) {
      Quad quad{};
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (row + i < kGates * a.hidden) quad.of[i] = a.u[(row + i) * a.hidden + column];
      return quad;
    });
    const int j = t.index();
    const bool has_element = j < a.hidden;

    for (int n = static_cast<int>(t.block()); n < a.batch; n += static_cast<int>(t.blocks())) {
      Inputs in{{}, a.all_states(n, j), a.values(dstates, 1, n, j)};
      if constexpr (kSaved > 0) in.saved = a.values(a.saved, kSaved, n, j);
      const StepValues of_x = a.values(dx, kGates, n, j), of_v = a.values(dv, kGates, n, j);
      const int length = a.length(n), last = a.steps - 1;
      float dh = 0, dc = 0;
      Step ahead[kAhead] = {};
#pragma unroll
      for (int q = 0; q < kAhead; ++q)
        if (has_element && q <= last) ahead[q] = in(last - q);
      for (int begin = last; begin >= 0; begin -= kAhead) {
#pragma unroll
        for (int q = 0; q < kAhead; ++q) {
          const int k = begin - q;
          if (k < 0) break;
          const bool ended = a.has_ended(k, length);
          float da[kGates] = {}, dw[kGates] = {};
          if (has_element) {
            const Step& now = ahead[q];
            if (ended) {
              dh += now.d;
            } else {
              dh = backward_cell<kCell>(now.d + dh, now.kept, now.h, now.next, now.c, dc, da, dw);
            }
            for (int g = 0; g < kGates; ++g) u.x[g * a.hidden + j] = dw[g];
          }
          t.sync();
          if (has_element) {
            for (int g = 0; g < kGates; ++g) {
              of_x(k, g) = da[g];
              if constexpr (kCell == Cell::gru) of_v(k, g) = dw[g];
            }
            if (k >= kAhead) ahead[q] = in(k - kAhead);
          }
          if (!ended) u.multiply();
          t.sync();
          if (has_element && !ended) dh += u.sum_of(u.parts_of(j));
        }
      }
    }
  }
};

}  // namespace melgrad
