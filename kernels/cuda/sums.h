// Sums over a whole tensor, the same to the bit every time: each block adds a fixed piece, a last block adds
// the pieces in their order and hands the total to `finish`. In double, rounded once by the caller.
#pragma once

#include "kernels/cuda/block.h"

namespace melgrad {

constexpr std::int64_t kSumPiece = 8192;  // elements of one block
inline std::int64_t sum_pieces(std::int64_t n) { return (n + kSumPiece - 1) / kSumPiece; }

// piece[b] = sum of term(i) over elements b * kSumPiece ...
template <typename Term>
struct PieceSums {
  static constexpr int kThreads = kReduceThreads;
  std::int64_t n;
  Term term;
  double* piece;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    double* scratch = t.template shared<double>(kReduceThreads);
    const std::int64_t first = t.block() * kSumPiece, end = first + kSumPiece < n ? first + kSumPiece : n;
    double sum = 0;
    for (std::int64_t i = first + t.index(); i < end; i += t.count()) sum += term(i);
    sum = block_sum(t, scratch, sum);
    if (t.index() == 0) piece[t.block()] = sum;
  }
};

// One block: finish(total).
template <typename Finish>
struct FinishSum {
  static constexpr int kThreads = kReduceThreads;
  const double* piece;
  std::int64_t pieces;
  Finish finish;

  std::int64_t shared_bytes() const { return reduce_shared_bytes<double>(); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    double* scratch = t.template shared<double>(kReduceThreads);
    double sum = 0;
    for (std::int64_t i = t.index(); i < pieces; i += t.count()) sum += piece[i];
    sum = block_sum(t, scratch, sum);
    if (t.index() == 0) finish(sum);
  }
};

// `piece`: scratch memory of sum_pieces(n) doubles.
template <typename Term, typename Finish>
void launch_sum(Stream stream, std::int64_t n, const Term& term, double* piece, const Finish& finish) {
  launch(stream, sum_pieces(n), PieceSums<Term>{n, term, piece});
  launch(stream, 1, FinishSum<Finish>{piece, sum_pieces(n), finish});
}

struct SquareOf {
  const float* x;
  MELGRAD_DEVICE double operator()(std::int64_t i) const { return static_cast<double>(x[i]) * x[i]; }
};

}  // namespace melgrad
