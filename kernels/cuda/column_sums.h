// Sums down the columns of a matrix [rows, columns], the same to the bit every time: blocks add pieces of
// rows, a second launch adds the pieces. In double; `finish(piece, column, total)` rounds and stores.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/math/bf16.h"

namespace melgrad {

// A block takes 32 columns, so that a warp reads a line, with 8 threads side by side on each.
constexpr int kColumnsOfBlock = 32, kRowLanes = 8;
constexpr std::int64_t kRowsOfPiece = 512;

MELGRAD_DEVICE inline double to_double(double x) { return x; }
MELGRAD_DEVICE inline double to_double(float x) { return x; }
MELGRAD_DEVICE inline double to_double(Bf16 x) { return to_float(x); }

template <typename T, typename Finish>
struct ColumnSums {
  static constexpr int kThreads = kColumnsOfBlock * kRowLanes;
  const T* x;
  std::int64_t rows, columns, rows_of_piece;
  Finish finish;  // (piece, column, total)

  MELGRAD_HD std::int64_t groups() const { return (columns + kColumnsOfBlock - 1) / kColumnsOfBlock; }
  std::int64_t pieces() const { return (rows + rows_of_piece - 1) / rows_of_piece; }
  std::int64_t shared_bytes() const { return shared_size<double>(kThreads); }
  template <typename Thread>
  MELGRAD_DEVICE void operator()(Thread& t) const {
    double* part = t.template shared<double>(kThreads);
    const std::int64_t piece = t.block() / groups();
    const std::int64_t column = t.block() % groups() * kColumnsOfBlock + t.index() % kColumnsOfBlock;
    const std::int64_t first = piece * rows_of_piece;
    const std::int64_t end = first + rows_of_piece < rows ? first + rows_of_piece : rows;
    double sum = 0;
    if (column < columns) {
      for (std::int64_t r = first + t.index() / kColumnsOfBlock; r < end; r += kRowLanes) {
        sum += to_double(x[r * columns + column]);
      }
    }
    part[t.index()] = sum;
    t.sync();
    if (t.index() < kColumnsOfBlock && column < columns) {
      for (int lane = 1; lane < kRowLanes; ++lane) sum += part[lane * kColumnsOfBlock + t.index()];
      finish(piece, column, sum);
    }
  }
};

struct StorePiece {
  double* part;
  std::int64_t columns;
  MELGRAD_DEVICE void operator()(std::int64_t piece, std::int64_t column, double total) const {
    part[piece * columns + column] = total;
  }
};

inline std::int64_t column_pieces(std::int64_t rows) { return (rows + kRowsOfPiece - 1) / kRowsOfPiece; }

// `part`: scratch memory of column_pieces(rows) * columns doubles.
template <typename T, typename Finish>
void launch_column_sums(Stream stream, const T* x, std::int64_t rows, std::int64_t columns, double* part,
                        const Finish& finish) {
  const ColumnSums<T, StorePiece> pieces{x, rows, columns, kRowsOfPiece, {part, columns}};
  launch(stream, pieces.pieces() * pieces.groups(), pieces);
  const ColumnSums<double, Finish> all{part, pieces.pieces(), columns, pieces.pieces(), finish};
  launch(stream, all.groups(), all);
}

}  // namespace melgrad
