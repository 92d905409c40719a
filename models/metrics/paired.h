// Which of two classifiers is right more often on the same test tracks, and how sure a mean over tracks is.
//
// The unit is the track. `values[t]` is what is known of track t over all runs that tested it (every split
// and seed): the share of them that were right, or of two classifiers the mean difference of right (1) and
// wrong (0) in runs that have the split and the seed in common. Each track counts once, however often it was
// tested.
//
// Why tracks and not splits, where splits are random: the training sets of random splits overlap, and so do
// their test sets, so the accuracies of splits are not independent. Their deviation over the root of their
// number goes to 0 as more are drawn, although no track is added (Nadeau and Bengio 2003, "Inference for the
// generalization error", Machine Learning 52, section 3); a test over splits finds any difference significant
// if only enough are drawn. Tracks are what there is a sample of. What is found holds for networks as trained
// on this data set: that another one would have trained them otherwise, which their correction of the
// t-test guesses at, is in neither interval nor p.
//
//   interval  95 % percentile bootstrap over tracks (Efron and Tibshirani 1993, chapter 13): the 2.5 and
//             97.5 % quantiles, interpolated linearly, of the mean over `resamples` draws of n of n tracks
//             with replacement
//   p         two-sided sign-flip permutation test (Fisher 1935, "The design of experiments", section 21): if
//             neither is better, each track's difference d_t could as well be -d_t. T = |sum d_t|; p is the
//             share of all 2^m flips of the m tracks with d_t != 0 that give T or more, counted where m is at
//             most kMostFlipped, else (1 + those of `draws` random flips) / (1 + draws), which is never 0
//             (Phipson and Smyth 2010). No track differs: p = 1. It is not corrected for how many
//             comparisons are made.
//
// Draws are a function of the seed alone (kernels/math/philox.h): the same on every machine and thread count.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace melgrad {

struct PairedOptions {
  int resamples = 5000, draws = 9999;
  std::uint64_t seed = 1;
};
inline constexpr std::size_t kMostFlipped = 16;

// Of at least one value.
std::pair<double, double> bootstrap_mean(const std::vector<double>& values,
                                         const PairedOptions& options = {});
double sign_flip_p(const std::vector<double>& differences, const PairedOptions& options = {});

struct PairedComparison {
  std::size_t tracks = 0;
  double difference = 0, low = 0, high = 0;  // mean over tracks and its interval
  double p = 1;
};
// Of at least one track.
PairedComparison compared(const std::vector<double>& differences, const PairedOptions& options = {});

}  // namespace melgrad
