#include "kernels/reference/comparing_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/math/bf16.h"
#include "kernels/reference/array.h"
#include "kernels/reference/reference_ops.h"
#include "kernels/reference/tolerance.h"

namespace melgrad {
namespace {

using reference::Index;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::byte kNan{0xFF};  // in f32, f16 and bf16 alike

struct Limit {
  double f32;
  bool product = false;  // of a matrix product or convolution, whose operands a device may round
  // Sums of this argument's elements, or of their products with those of another, which may cancel: then the
  // measure is what the magnitudes add up to (of products, at the most: Cauchy and Schwarz).
  int sum_of = -1, times = -1;
  // Summed in float over the rows of this argument: the more there are, the more is rounded.
  int over_rows_of = -1;
};

// The written tensors of each operation in the order of its arguments; those of an operation that is not
// listed are kElementwise. Integers are always exact.
std::vector<Limit> limits_of(const std::string& op) {
  using namespace tolerance;
  static const std::map<std::string, std::vector<Limit>> table = {
      {"fill", {{kExact}}},
      {"activation_forward", {{kActivation}}},
      {"activation_backward", {{kActivation}}},
      {"linear_forward", {{kGemm, true}}},
      {"linear_backward_input", {{kGemm, true}}},
      {"linear_backward_params", {{kGemm, true, 1, 0}, {kGemm, false, 1}}},
      {"conv2d_forward", {{kConv, true}}},
      {"conv2d_backward_input", {{kConv, true}}},
      {"conv2d_backward_params", {{kConv, true, 1, 0, 1}, {kConv, false, 1, -1, 1}}},
      {"max_pool_forward", {{kExact}, {kExact}}},
      {"global_max_forward", {{kExact}, {kExact}}},
      {"global_mean_forward", {{kReduction}}},
      {"attention_pool_forward", {{kSoftmax}, {kReduction}}},
      {"attention_pool_backward", {{kElementwise}, {kSoftmax}}},
      {"batch_norm_forward", {{kElementwise}, {kReduction}, {kReduction}, {kReduction}, {kReduction}}},
      {"batch_norm_backward", {{kElementwise}, {kReduction, false, 4}, {kReduction, false, 4}}},
      {"scale_channels_backward", {{kElementwise}, {kReduction}}},
      {"recurrent_forward", {{kRecurrent, true}, {kRecurrent, true}}},
      {"recurrent_backward",
       {{kRecurrentGradient, true}, {kRecurrentGradient, true}, {kRecurrentGradient, true}}},
      {"stem_forward", {{kConv}, {kExact}}},
      {"stem_backward_params", {{kConv}, {kConv}}},
      {"softmax_forward", {{kSoftmax}}},
      {"cross_entropy_forward", {{kSoftmax}, {kLoss}, {kReduction}}},
      {"cross_entropy_backward", {{kSoftmax}}},
      {"sigmoid_cross_entropy_forward", {{kActivation}, {kActivation}, {kReduction}}},
      {"sigmoid_cross_entropy_backward", {{kSoftmax}}},
      {"l2_penalty_forward", {{kReduction}}},
      {"sgd_update", {{kOptimizer}, {kOptimizer}}},
      {"adam_update", {{kOptimizer}, {kOptimizer}, {kOptimizer}}},
      {"adadelta_update", {{kOptimizer}, {kOptimizer}, {kOptimizer}}},
      {"average", {{kOptimizer}}},
      {"gradient_norm", {{kReduction}}},
      {"record", {{kExact}}},
      {"pick_batch", {{kExact}, {kExact}, {kExact}}},
      {"gather_segments", {{kExact}}},
      {"gather_labels", {{kExact}}},
      {"resample", {{kAugment}}},
      {"augment", {{kAugment}}},
      {"standardise", {{kExact}}},
      {"harmonic_filters_backward", {{kReduction}}},
      {"log_mel", {{kLogMel}}},
  };
  const auto found = table.find(op);
  return found == table.end() ? std::vector<Limit>{} : found->second;
}

bool is_integer(DType type) { return type == DType::i32 || type == DType::i64 || type == DType::u8; }

// Element i of a tensor in host memory; f16 is only ever an input.
double element(const Tensor& t, Index i) {
  switch (t.dtype) {
    case DType::bf16:
      return static_cast<double>(to_float(Bf16{t.bf16()[i]}));
    case DType::i32:
      return t.i32()[i];
    case DType::i64:
      return static_cast<double>(t.i64()[i]);
    case DType::u8:
      return t.u8()[i];
    default:
      return static_cast<double>(t.f32()[i]);
  }
}

std::string position(const Shape& shape, Index i) {
  std::vector<Index> at;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    at.insert(at.begin(), i % shape[axis]);
    i /= shape[axis];
  }
  return fmt::format("[{}]", fmt::join(at, ", "));
}

}  // namespace

ComparingOps::ComparingOps(Device& device) : device_(&device), reference_(make_reference_ops()) {}

void ComparingOps::stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax) {
  pool_ = pool;
  OpsDecorator::stem_forward(x, w, b, pool, y, argmax);
}

void ComparingOps::call(OpCall& call) {
  const std::string op = call.name();
  Finding& finding = findings_[op];
  ++finding.calls;
  collect(call);
  const auto wrong = [&](const std::string& what) {
    if (finding.wrong_calls++ > 0) return;
    finding.error = kInfinity;
    finding.shapes = shapes();
    finding.wrong = what;
  };
  run_reference(call);
  try {
    call.run(device_->ops());
    device_->synchronise();
  } catch (const std::exception& error) {
    wrong(error.what());
    hand_out(&Block::expected);
    return;
  }
  for (Block& block : blocks_) device_->to_host(block.got.data(), block.on_device);
  const std::int64_t wrong_before = finding.wrong_calls;
  check_operands(op, finding);
  if (finding.wrong_calls > wrong_before) hand_out(&Block::expected);
}

// Which memory the call reads and writes, what it holds, and NaN in what is only written.
void ComparingOps::collect(OpCall& call) {
  blocks_.clear();
  operands_.clear();
  std::size_t results = 0;
  call.for_each_tensor([&](Tensor& t, OpCall::Role role) {
    const std::size_t result = role == OpCall::Role::input ? 0 : results++;
    if (!t) return;
    const auto same = std::find_if(blocks_.begin(), blocks_.end(),
                                   [&](const Block& b) { return b.on_device.data == t.data; });
    const auto at = static_cast<std::size_t>(same - blocks_.begin());
    if (same == blocks_.end()) {
      blocks_.emplace_back();
      blocks_.back().on_device = Tensor(t.data, {t.bytes()}, DType::u8);
    }
    Block& block = blocks_[at];
    require(block.on_device.bytes() == t.bytes(), "{}: arguments of {} and {} bytes share memory",
            call.name(), block.on_device.bytes(), t.bytes());
    block.read = block.read || role != OpCall::Role::output;
    block.written = block.written || role != OpCall::Role::input;
    operands_.push_back({t, role, at, result});
  });
  for (Block& block : blocks_) {
    block.before.assign(static_cast<std::size_t>(block.on_device.bytes()), kNan);
    if (block.read) {
      device_->to_host(block.before.data(), block.on_device);
    } else {
      device_->to_device(block.on_device, block.before.data());
    }
    block.expected = block.got = block.before;
  }
}

void ComparingOps::run_reference(OpCall& call) {
  std::size_t next = 0;
  const auto point_to = [&](bool at_host) {
    next = 0;
    call.for_each_tensor([&](Tensor& t, OpCall::Role) {
      if (!t) return;
      const Operand& operand = operands_[next++];
      t = at_host ? host(operand, &Block::expected) : operand.on_device;
    });
  };
  point_to(true);
  call.run(*reference_);
  point_to(false);
}

void ComparingOps::hand_out(Bytes Block::*content) {
  for (const Block& block : blocks_) device_->to_device(block.on_device, (block.*content).data());
}

void ComparingOps::check_operands(const std::string& op, Finding& finding) {
  bool failed = false;
  const auto take = [&](double error, double limit, const std::string& what) {
    const bool wrong = !(error <= limit);
    failed = failed || wrong;
    if (!finding.wrong.empty()) return;  // the first thing wrong is told
    const auto nearness = [](double e, double of) { return e == 0 ? 0 : e / of; };
    if (!wrong && !finding.shapes.empty() &&
        nearness(error, limit) <= nearness(finding.error, finding.limit)) {
      return;
    }
    finding.error = error;
    finding.limit = limit;
    finding.shapes = shapes();
    if (wrong) finding.wrong = what;
  };
  for (const Operand& operand : operands_) {
    const Block& block = blocks_[operand.block];
    const Tensor& t = operand.on_device;
    if (operand.role == OpCall::Role::input) {
      if (block.written || block.got == block.before) continue;
      take(kInfinity, 0, fmt::format("an input {} {} was changed", t.shape.str(), name_of(t.dtype)));
      continue;
    }
    const double limit = limit_of(op, operand.result, t), least = least_power(op, operand.result, t);
    const Comparison c = op == "stem_forward" && t.dtype == DType::u8 ? compare_argmax(operand)
                                                                      : compare(operand, limit, least);
    take(c.error, limit,
         fmt::format("{} {} at {}: {}", t.shape.str(), name_of(t.dtype), position(t.shape, c.first_wrong),
                     c.values));
  }
  finding.wrong_calls += failed ? 1 : 0;
}

double ComparingOps::limit_of(const std::string& op, std::size_t result, const Tensor& t) const {
  if (is_integer(t.dtype)) return tolerance::kExact;
  const std::vector<Limit> limits = limits_of(op);
  const Limit limit = result < limits.size() ? limits[result] : Limit{tolerance::kElementwise};
  if (limit.f32 == tolerance::kExact) return tolerance::kExact;
  const bool reads_bf16 = std::any_of(operands_.begin(), operands_.end(),
                                      [](const Operand& o) { return o.on_device.dtype == DType::bf16; });
  if (limit.product && (reads_bf16 || t.dtype == DType::bf16)) return tolerance::kBf16Product;
  if (t.dtype == DType::bf16) return tolerance::kBf16;
  if (limit.product && device_->precision() == Precision::tf32) return tolerance::kTf32Product;
  if (limit.over_rows_of < 0) return limit.f32;
  const Shape& summed = operands_[static_cast<std::size_t>(limit.over_rows_of)].on_device.shape;
  const auto rows = static_cast<double>(summed.numel() / summed[summed.rank() - 1]);
  return std::max(limit.f32, tolerance::kFloatSum * rows);
}

Tensor ComparingOps::host(const Operand& operand, Bytes Block::*content) {
  return {(blocks_[operand.block].*content).data(), operand.on_device.shape, operand.on_device.dtype};
}

// The sum of squares that a result counts as having at least.
double ComparingOps::least_power(const std::string& op, std::size_t result, const Tensor& t) {
  const std::vector<Limit> limits = limits_of(op);
  const Limit limit = result < limits.size() ? limits[result] : Limit{};
  if (limit.sum_of < 0) return 0;
  const auto total = [&](int argument, const auto& of) {
    const Tensor terms = host(operands_[static_cast<std::size_t>(argument)], &Block::expected);
    double sum = 0;
    for (Index i = 0; i < terms.numel(); ++i) sum += of(element(terms, i));
    return sum;
  };
  if (limit.times < 0) {
    const double sum = total(limit.sum_of, [](double v) { return std::abs(v); });
    return sum * sum;
  }
  // Each element belongs to one channel of both arguments.
  const auto channels = [&](int argument) {
    const Shape& shape = operands_[static_cast<std::size_t>(argument)].on_device.shape;
    return static_cast<double>(shape[shape.rank() - 1]);
  };
  const auto square = [](double v) { return v * v; };
  return static_cast<double>(t.numel()) * total(limit.sum_of, square) / channels(limit.sum_of) *
         total(limit.times, square) / channels(limit.times);
}

ComparingOps::Comparison ComparingOps::compare(const Operand& operand, double limit, double least) {
  const Tensor expected = host(operand, &Block::expected), got = host(operand, &Block::got);
  const Index n = expected.numel();
  double squares = 0, power = 0;
  Index differing = 0;
  for (Index i = 0; i < n; ++i) {
    const double a = element(got, i), b = element(expected, i);
    if (std::isnan(a) && std::isnan(b)) continue;  // beside what the operation writes
    differing += a == b ? 0 : 1;
    if (a != b) squares += (a - b) * (a - b);
    power += b * b;
  }
  power = std::max(power, least);
  Comparison c;
  if (differing == 0) return c;
  c.error = is_integer(got.dtype) ? static_cast<double>(differing) / static_cast<double>(n) : squares / power;
  if (c.error <= limit) return c;
  // If the mean square is beyond the limit, so is at least one of the squares.
  const double bound =
      is_integer(got.dtype) ? 0 : std::sqrt(limit * power / static_cast<double>(n)) * (1 - 1e-6);
  Index first = 0;
  while (first + 1 < n && std::abs(element(got, first) - element(expected, first)) <= bound) ++first;
  c.first_wrong = first;
  c.values = fmt::format("{:.9g} instead of {:.9g}", element(got, first), element(expected, first));
  return c;
}

// Where two positions of a window are equal but for rounding, either may be the maximum of a convolution that
// was computed in float; the one that was chosen must be such a position.
ComparingOps::Comparison ComparingOps::compare_argmax(const Operand& operand) {
  const Tensor x = host(operands_[0], &Block::expected), w = host(operands_[1], &Block::expected),
               b = host(operands_[2], &Block::expected);
  const Tensor expected = host(operand, &Block::expected), got = host(operand, &Block::got);
  const Index kernel_t = w.dim(1), kernel_f = w.dim(2), bands = x.dim(2);
  struct Value {
    double sum, magnitude;  // magnitude: of its terms, added up
    double relu() const { return std::max(sum, 0.0); }
  };
  const auto value = [&](Index i, Index k) {
    const Index c = i % got.dim(3), window_f = i / got.dim(3) % got.dim(2);
    const Index window_t = i / (got.dim(3) * got.dim(2)) % got.dim(1);
    const Index example = i / (got.dim(3) * got.dim(2) * got.dim(1));
    const Index t = window_t * pool_.frames + k / pool_.bands, f = window_f * pool_.bands + k % pool_.bands;
    double sum = element(b, c), magnitude = std::abs(sum);
    for (Index tap = 0; tap < kernel_t * kernel_f; ++tap) {
      const double term = element(w, c * kernel_t * kernel_f + tap) *
                          element(x, (example * x.dim(1) + t + tap / kernel_f) * bands + f + tap % kernel_f);
      sum += term;
      magnitude += std::abs(term);
    }
    return Value{sum, magnitude};
  };
  Comparison c;
  Index wrong = 0;
  for (Index i = 0; i < got.numel(); ++i) {
    const Index chosen = got.u8()[i], best = expected.u8()[i];
    if (chosen == best) continue;
    const bool inside = chosen < pool_.frames * pool_.bands;
    const Value a = inside ? value(i, chosen) : Value{-kInfinity, 0}, z = value(i, best);
    constexpr double kUlp = 0x1p-23;
    const double rounding = kUlp * static_cast<double>(kernel_t * kernel_f + 1) * (a.magnitude + z.magnitude);
    // Of a window without a positive value the first position counts, so that another needs one.
    if (z.relu() - a.relu() <= rounding && (chosen == 0 || a.sum >= -rounding)) continue;
    if (wrong++ > 0) continue;
    c.first_wrong = i;
    c.values = fmt::format("{} instead of {}: {:.9g} instead of {:.9g}", chosen, best, a.sum, z.sum);
  }
  c.error = static_cast<double>(wrong) / static_cast<double>(got.numel());
  return c;
}

std::string ComparingOps::shapes() const {
  std::string text;
  for (const Operand& o : operands_) text.append(text.empty() ? "" : " ").append(o.on_device.shape.str());
  return text;
}

}  // namespace melgrad
