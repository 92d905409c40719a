// How far a device may be from the reference, which computes in double: the limit of the normalised mean
// square error sum (a - b)^2 / sum b^2, one line per kind of operation, with the largest value measured in
// the reason. A limit stays within ten times that value and never goes up without a reason here.
#pragma once

namespace melgrad::tolerance {

// Measured: largest value over all cases of tests/ops on the CPU (x86-64-v3, OpenBLAS, oneDNN), 1 to 3
// threads.
inline constexpr double kExact = 0;            // moves or selects values: nothing is rounded
inline constexpr double kElementwise = 3e-14;  // 8.5e-15: one to four roundings per element
inline constexpr double kReduction = 3e-14;    // 3.5e-15: partial sums in double, one rounding at the end
inline constexpr double kGemm = 1.5e-12;       // 1.8e-13: sums of up to 12,544 products in float
inline constexpr double kConv = 5e-12;         // 6.8e-13: sums over all positions of a batch in float
// For each row of a sum in float over the positions of a batch, 78,732 in a network on samples: 2.3e-15. An
// addition rounds by up to u = 2^-24 of the sum so far, which may reach that of the magnitudes: u^2 n / 3 in
// the mean of n additions.
inline constexpr double kFloatSum = 1e-14;
inline constexpr double kActivation = 3e-14;  // 4.2e-15 (losses 1.2e-14): exp and log in float
inline constexpr double kSoftmax = 4e-13;     // 4.4e-14: float exp; logits up to 300 lose digits in x - max
inline constexpr double kLoss = 1e-10;       // 1.5e-11: log sum exp - logit cancels when the label is certain
inline constexpr double kOptimizer = 5e-13;  // 6.7e-14: sqrt, division and the cancellation in w - update
inline constexpr double kRecurrent = 5e-13;  // 8.6e-14: exponentials and products in float, step upon step
// 8.8e-13: tensors of one element, where gradients of opposite sign cancel
inline constexpr double kRecurrentGradient = 5e-12;
inline constexpr double kAugment = 3e-13;  // 4.2e-14: gain and noise in float, which may cancel x
// Measured: `melgrad selftest` on the same CPU, one second of every preset.
// 1.6e-11 (mtat-linear; 1.2e-13 in mel bands): the FFT in float, which a log shows in quiet bins.
inline constexpr double kLogMel = 1e-10;

// Of devices that round more than f32 does (kernels/device.h). Products are those of matrices and
// convolutions. Both operands lose all but 10 bits of mantissa, 2^-10 each at the most: (2 * 2^-10)^2.
inline constexpr double kTf32Product = 4e-6;  // 5.2e-7 on an H100
// Up to four roundings to 8 significant bits, of two operands and of the result both here and in the
// reference: 2^-8 each at the most, (2^-8)^2 / 3 in the mean, so 2e-5; and some sums cancel.
inline constexpr double kBf16Product = 3e-5;  // 1.1e-5
// Products of bf16 operands, taken as they are, into f32: tensor cores cut off what they add where others
// round.
inline constexpr double kTensorCoreSum = 5e-12;  // 1.6e-12 on an H100: 12,544 products
// All other results in bf16 round the same way, except where f32 and double lie on two sides of a boundary.
// That is rare, 1.3e-10 at the shapes of the shipped models, but one element of 128, off by 2^-7, is 4.8e-7.
inline constexpr double kBf16 = 5e-7;

}  // namespace melgrad::tolerance
