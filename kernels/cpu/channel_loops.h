// Loops over activations [groups, rows, channels], channels last, whose inside vectorises whatever the number
// of channels: with few of them several rows lie side by side in one SIMD loop. Sums are in double, over
// pieces that depend on the shape alone, so that a result depends neither on timing nor on the threads.
#pragma once

#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/ops.h"

namespace melgrad {

// y[j] (+)= value(j)
template <typename Value>
void put(float* y, std::int64_t n, Write write, const Value& value) {
  if (write == Write::overwrite) {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) y[j] = value(j);
  } else {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) y[j] += value(j);
  }
}

class ChannelLoop {
 public:
  ChannelLoop(std::int64_t groups, std::int64_t rows, std::int64_t channels, int threads)
      : groups_(groups), rows_(rows), channels_(channels), threads_(threads) {
    constexpr std::int64_t kWidth = 64, kElements = 32768, kPieces = 256;
    width_ = channels * std::max<std::int64_t>(1, kWidth / channels);
    rows_of_piece_ = std::max({std::int64_t{1}, kElements / channels, (rows + kPieces - 1) / kPieces});
    pieces_ = (rows + rows_of_piece_ - 1) / rows_of_piece_;
  }

  // Elements of one stretch at the most: whole rows.
  std::int64_t width() const { return width_; }

  // body(group, i, n) for every stretch of n <= width elements from i on; element i + j has channel
  // j % channels.
  template <typename Body>
  void for_each(const Body& body) const {
    parallel_for(groups_ * pieces_, threads_, 1, [&](std::int64_t piece) { stretches(piece, body); });
  }

  // [groups, kSums, channels]: add(group, i, n, sums) adds the terms of element i + j to sums[j],
  // sums[width + j], ...
  template <int kSums, typename Add>
  std::vector<double> sums(const Add& add) const {
    const std::int64_t wide = kSums * width_, parts = groups_ * pieces_;
    std::vector<double> part(static_cast<std::size_t>(parts * wide));
    parallel_for(parts, threads_, 1, [&](std::int64_t piece) {
      stretches(piece, [&](std::int64_t group, std::int64_t i, std::int64_t n) {
        add(group, i, n, part.data() + piece * wide);
      });
    });
    std::vector<double> total(static_cast<std::size_t>(groups_ * kSums * channels_));
    const double* from = part.data();
    for (std::int64_t piece = 0; piece < parts; ++piece) {
      double* to = total.data() + piece / pieces_ * kSums * channels_;
      for (int k = 0; k < kSums; ++k, to += channels_)
        for (std::int64_t j = 0; j < width_; j += channels_, from += channels_)
          for (std::int64_t c = 0; c < channels_; ++c) to[c] += from[c];
    }
    return total;
  }

  // [groups, width]: value(group * channels + channel) for every element of a stretch
  template <typename Value>
  std::vector<float> table(const Value& value) const {
    std::vector<float> wide;
    wide.reserve(static_cast<std::size_t>(groups_ * width_));
    for (std::int64_t group = 0; group < groups_; ++group)
      for (std::int64_t j = 0; j < width_; ++j) wide.push_back(value(group * channels_ + j % channels_));
    return wide;
  }

 private:
  template <typename Body>
  void stretches(std::int64_t piece, const Body& body) const {
    const std::int64_t group = piece / pieces_, first = piece % pieces_ * rows_of_piece_;
    const std::int64_t begin = (group * rows_ + first) * channels_;
    const std::int64_t end = (group * rows_ + std::min(rows_, first + rows_of_piece_)) * channels_;
    for (std::int64_t i = begin; i < end; i += width_) body(group, i, std::min(width_, end - i));
  }

  std::int64_t groups_, rows_, channels_, width_, rows_of_piece_, pieces_;
  int threads_;
};

}  // namespace melgrad
