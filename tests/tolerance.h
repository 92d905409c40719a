// How far a device may be from the reference, which computes in double: the limit of the normalised mean
// square error sum (a - b)^2 / sum b^2, one line per kind of operation, with the largest value measured in
// the reason. A limit stays within ten times that value and never goes up without a reason here.
#pragma once

namespace melgrad::tolerance {

// Measured: largest value over all cases of tests/ops on the CPU (x86-64-v3, OpenBLAS, oneDNN), 1 and 2
// threads.
inline constexpr double kExact = 0;            // moves or selects values: nothing is rounded
inline constexpr double kElementwise = 1e-12;  // a few roundings per element
inline constexpr double kReduction = 1e-10;    // sums of many terms
inline constexpr double kGemm = 1e-10;         // linear layers
inline constexpr double kConv = 1e-10;         // convolution and the stem
inline constexpr double kSoftmax = 1e-10;      // exp and log of the math library
inline constexpr double kOptimizer = 1e-10;    // sqrt, division and cancellation in w - update

}  // namespace melgrad::tolerance
