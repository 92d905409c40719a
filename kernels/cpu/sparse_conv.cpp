#include "kernels/cpu/sparse_conv.h"

#include <atomic>
#include <vector>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace melgrad {
namespace {

// One value of dy that is not 0, and where in a table the row begins that it multiplies.
struct Term {
  std::int64_t row;
  float value;
};
using Terms = std::vector<Term>;

// to[k] += sum of term.value * table[term.row + k] for k < 8 kVectors; the sums stay in registers.
template <int kVectors>
void add_rows(const Term* first, const Term* last, const float* table, float* to) {
  Lanes sum[kVectors]{};
  for (const Term* t = first; t != last; ++t) {
    const float* row = table + t->row;
    const Lanes value = broadcast(t->value);
    for (int v = 0; v < kVectors; ++v) sum[v] += load(row + v * kLanes) * value;
  }
  for (int v = 0; v < kVectors; ++v) store(to + v * kLanes, load(to + v * kLanes) + sum[v]);
}

// The same for any number of columns.
void add_rows(const Term* first, const Term* last, const float* table, std::int64_t columns, float* to) {
  std::int64_t k = 0;
  for (; k + 8 * kLanes <= columns; k += 8 * kLanes) add_rows<8>(first, last, table + k, to + k);
  for (; k + kLanes <= columns; k += kLanes) add_rows<1>(first, last, table + k, to + k);
  for (; k < columns; ++k) {
    float sum = 0;
    for (const Term* t = first; t != last; ++t) sum += t->value * table[t->row + k];
    to[k] += sum;
  }
}

// The values of one example of dy that are not 0, in order: those of position p are from start[p] to start[p
// + 1].
struct NonZeros {
  struct Value {
    std::int32_t position, channel;
    float value;
  };
  std::vector<Value> values;
  std::vector<std::int64_t> start;

  void collect(Tensor dy, std::int64_t n) {
    const std::int64_t channels = dy.dim(3), positions = dy.dim(1) * dy.dim(2);
    const float* from = dy.f32() + n * positions * channels;
    start.resize(static_cast<std::size_t>(positions) + 1);
    std::int64_t count = 0;
    for (std::int64_t p = 0; p < positions; ++p, from += channels) {
      start[static_cast<std::size_t>(p)] = count;
      if (static_cast<std::int64_t>(values.size()) < count + channels)
        values.resize(static_cast<std::size_t>(2 * count + channels));
      Value* to = values.data() + count;
      // Without a branch, which nothing could predict: a 0 is written too, and the next value takes its
      // place.
      for (std::int64_t c = 0; c < channels; ++c) {
        *to = {static_cast<std::int32_t>(p), static_cast<std::int32_t>(c), from[c]};
        to += from[c] != 0 ? 1 : 0;
      }
      count = to - values.data();
    }
    start.back() = count;
  }
  const Value* begin(std::int64_t p) const { return values.data() + start[static_cast<std::size_t>(p)]; }
  const Value* end(std::int64_t p) const { return begin(p + 1); }
};

// The positions of dy, along one axis, of whose kernel a tap lies on position `at` of x: first to last.
struct Under {
  std::int64_t first, last;
  Under(std::int64_t at, std::int64_t kernel, std::int64_t stride, std::int64_t out)
      : first(std::max<std::int64_t>(at - kernel + stride, 0) / stride),
        last(std::min(at / stride, out - 1)) {}
};

int parts_of(std::int64_t examples, int threads) {
  return static_cast<int>(std::min<std::int64_t>(examples, threads));
}

}  // namespace

bool sparse_conv_pays(Tensor dy, std::int64_t channels, const Conv2d& conv, int threads) {
  if (conv.pad_t > 0 || conv.pad_f > 0) return false;
  // Between a twelfth at 16 channels and a fifth at 128, below where the two were measured to be as fast as
  // each other (bench/NOTES.md): each value costs the work of some 32 channels more than their products.
  const auto wide = static_cast<double>(channels);
  const auto most = static_cast<std::int64_t>(static_cast<double>(dy.numel()) * wide / (wide + 32) / 4);
  std::atomic<std::int64_t> count = 0;
  parallel_blocks(dy.numel(), threads, 1 << 14, [&](std::int64_t first, std::int64_t last) {
    if (count > most) return;  // whatever else there is
    std::int32_t here = 0;
    const float* values = dy.f32();
#pragma omp simd reduction(+ : here)
    for (std::int64_t i = first; i < last; ++i) here += values[i] != 0 ? 1 : 0;
    count += here;
  });
  return count <= most;
}

void sparse_conv_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Grad dx, int threads) {
  const std::int64_t frames = dx.tensor.dim(1), bands = dx.tensor.dim(2), channels = dx.tensor.dim(3),
                     out_t = dy.dim(1), out_f = dy.dim(2), kernel_t = w.dim(1), kernel_f = w.dim(2),
                     taps = kernel_t * kernel_f;
#pragma omp parallel num_threads(threads)
  {
    NonZeros non_zeros;
    Terms terms(static_cast<std::size_t>(taps * dy.dim(3)));  // as many as can lie on one position of x
#pragma omp for schedule(static)
    for (std::int64_t n = 0; n < dx.tensor.dim(0); ++n) {
      non_zeros.collect(dy, n);
      float* to = dx.tensor.f32() + n * frames * bands * channels;
      if (dx.write == Write::overwrite) std::fill_n(to, frames * bands * channels, 0.0F);
      for (std::int64_t t = 0; t < frames; ++t) {
        const Under in_t(t, kernel_t, conv.stride_t, out_t);
        for (std::int64_t f = 0; f < bands; ++f, to += channels) {
          const Under in_f(f, kernel_f, conv.stride_f, out_f);
          Term* end = terms.data();
          for (std::int64_t from_t = in_t.first; from_t <= in_t.last; ++from_t) {
            if (in_f.first > in_f.last) continue;
            // The tap at `position`; one position further it is stride_f taps less.
            const std::int64_t line = from_t * out_f,
                               tap = (t - from_t * conv.stride_t) * kernel_f + f + line * conv.stride_f;
            const auto* last = non_zeros.end(line + in_f.last);
            for (const auto* v = non_zeros.begin(line + in_f.first); v != last; ++v)
              *end++ = {(v->channel * taps + tap - v->position * conv.stride_f) * channels, v->value};
          }
          add_rows(terms.data(), end, w.f32(), channels, to);
        }
      }
    }
  }
}

std::int64_t sparse_conv_scratch(Tensor dw, std::int64_t examples, int threads) {
  return parts_of(examples, threads) * (dw.numel() + dw.dim(0));
}

void sparse_conv_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Grad dw, Grad db, float* scratch,
                                 int threads) {
  const std::int64_t examples = x.dim(0), frames = x.dim(1), bands = x.dim(2), channels = x.dim(3),
                     out_f = dy.dim(2), outputs = dw.tensor.dim(0), kernel_t = dw.tensor.dim(1),
                     line = dw.tensor.dim(2) * channels, size = dw.tensor.numel() + outputs;
  // Each part of the examples has sums of its own, dw and then db; they are added in order afterwards.
  const int parts = parts_of(examples, threads);
  parallel_for(parts, threads, 1, [&](std::int64_t part) {
    float* sums = scratch + part * size;
    std::fill_n(sums, size, 0.0F);
    NonZeros non_zeros;
    Terms by_channel;  // those of channel o end at ends[o]
    std::vector<std::int64_t> ends;
    for (std::int64_t n = part * examples / parts; n < (part + 1) * examples / parts; ++n) {
      non_zeros.collect(dy, n);
      const auto *values = non_zeros.begin(0), *values_end = non_zeros.begin(dy.dim(1) * out_f);
      ends.assign(static_cast<std::size_t>(outputs) + 1, 0);
      for (const auto* v = values; v != values_end; ++v) ++ends[static_cast<std::size_t>(v->channel) + 1];
      for (std::size_t o = 1; o < ends.size(); ++o) ends[o] += ends[o - 1];
      by_channel.resize(static_cast<std::size_t>(values_end - values));
      for (const auto* v = values; v != values_end; ++v) {
        const std::int64_t t = v->position / out_f * conv.stride_t, f = v->position % out_f * conv.stride_f;
        auto& next = ends[static_cast<std::size_t>(v->channel)];
        by_channel[static_cast<std::size_t>(next++)] = {(t * bands + f) * channels, v->value};
      }
      const float* from = x.f32() + n * frames * bands * channels;
      const Term* last = by_channel.data();
      for (std::int64_t o = 0; o < outputs; ++o) {
        const Term* first = last;
        last = by_channel.data() + ends[static_cast<std::size_t>(o)];
        // The kF C values of x under a frame of the kernel lie in a row, as do its weights.
        for (std::int64_t i = 0; i < kernel_t; ++i)
          add_rows(first, last, from + i * bands * channels, line, sums + (o * kernel_t + i) * line);
        float sum = 0;
        for (const Term* t = first; t != last; ++t) sum += t->value;
        sums[dw.tensor.numel() + o] += sum;
      }
    }
  });
  const auto add_parts = [&](Grad to, std::int64_t offset) {
    parallel_blocks(to.tensor.numel(), threads, 1 << 14, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = first; k < last; ++k) {
        float sum = to.write == Write::accumulate ? to.tensor.f32()[k] : 0.0F;
        for (int part = 0; part < parts; ++part) sum += scratch[part * size + offset + k];
        to.tensor.f32()[k] = sum;
      }
    });
  };
  add_parts(dw, 0);
  add_parts(db, dw.tensor.numel());
}

}  // namespace melgrad
