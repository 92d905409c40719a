#include "tests/ops/op_test.h"

#include <cctype>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <map>
#include <sstream>

#include "kernels/reference/reference_ops.h"
#include "tests/declared_ops.h"

namespace melgrad {
namespace {

// The running test's largest error per op and limit.
std::map<std::pair<std::string, double>, double> worst;

double nmse(const std::vector<double>& expected, const std::vector<double>& got) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - expected[i]) * (got[i] - expected[i]);
    power += expected[i] * expected[i];
  }
  return error == 0 ? 0 : error / power;
}

std::vector<float> floats(const Bytes& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

}  // namespace

// ---- Buffer
Buffer::Buffer(Device& device, Shape shape, DType dtype)
    : device_(device),
      memory_(device.allocate(static_cast<std::size_t>(shape.numel() * size_of(dtype)) + 2 * kGuard)),
      tensor_(static_cast<char*>(memory_) + kGuard, shape, dtype),
      guard_(kGuard, kFill) {
  static unsigned char buffers = 0;
  ++buffers;
  for (std::size_t i = 0; i < kGuard; i += 4) {  // words 0xFFFFFE00 + number
    guard_[i] = std::byte{buffers};
    guard_[i + 1] = std::byte{0xFE};
  }
}

void Buffer::upload(const Bytes& content) {
  Bytes all = guard_;
  all.insert(all.end(), content.begin(), content.end());
  all.insert(all.end(), guard_.begin(), guard_.end());
  device_.to_device({memory_, {static_cast<Index>(all.size())}, DType::u8}, all.data());
}

Bytes Buffer::download() {
  Bytes all(static_cast<std::size_t>(tensor_.bytes()) + 2 * kGuard);
  device_.to_host(all.data(), {memory_, {static_cast<Index>(all.size())}, DType::u8});
  const auto begin = all.begin() + kGuard, end = all.end() - kGuard;
  EXPECT_TRUE(std::equal(guard_.begin(), guard_.end(), all.begin())) << "written before the buffer";
  EXPECT_TRUE(std::equal(guard_.begin(), guard_.end(), end)) << "written behind the buffer";
  return {begin, end};
}

// ---- Check
Tensor Check::add(Operand operand, Shape shape, DType dtype) {
  operand.buffer = std::make_unique<Buffer>(device_, shape, dtype);
  operand.grad.tensor = operand.buffer->tensor();
  operands_.push_back(std::move(operand));
  return operands_.back().buffer->tensor();
}

Bytes Check::initial(const Operand& operand) const {
  if (operand.role == Role::input || operand.role == Role::state) return operand.before;
  if (operand.role == Role::gradient && operand.grad.write == Write::accumulate) {
    Random random(7);
    return bytes_of(random.array<float>(operand.buffer->tensor().shape));
  }
  return Bytes(static_cast<std::size_t>(operand.buffer->tensor().bytes()), Buffer::kFill);
}

std::vector<Bytes> Check::call_once(const std::function<void(Ops&)>& call) {
  for (Operand& operand : operands_) operand.buffer->upload(initial(operand));
  call(device_.ops());
  device_.synchronise();
  std::vector<Bytes> after;
  for (Operand& operand : operands_) after.push_back(operand.buffer->download());
  return after;
}

void Check::compare(const Operand& operand, const Bytes& before, const Bytes& after) const {
  if (operand.role == Role::input) {
    EXPECT_TRUE(before == after) << "an input changed";
    return;
  }
  if (!operand.exact.empty()) {
    EXPECT_TRUE(operand.exact == after) << "not equal to the reference";
    return;
  }
  const std::vector<float> start = floats(before), result = floats(after);
  const bool adds = operand.role == Role::gradient && operand.grad.write == Write::accumulate;
  std::vector<double> expected = operand.expected;
  for (std::size_t i = 0; adds && i < expected.size(); ++i) expected[i] += static_cast<double>(start[i]);
  // Exact means: the reference, rounded to float.
  if (operand.limit == 0) {
    const std::vector<float> rounded(expected.begin(), expected.end());
    expected.assign(rounded.begin(), rounded.end());
  }
  const double error = nmse(expected, {result.begin(), result.end()});
  EXPECT_LE(error, operand.limit);
  double& largest = worst[{op_, operand.limit}];
  largest = std::max(largest, error);
}

void Check::try_twice(const std::function<void(Ops&)>& call) {
  const std::vector<Bytes> first = call_once(call), second = call_once(call);
  for (std::size_t i = 0; i < operands_.size(); ++i) {
    SCOPED_TRACE("operand " + std::to_string(i) + " " + operands_[i].buffer->tensor().shape.str());
    compare(operands_[i], initial(operands_[i]), first[i]);
    EXPECT_TRUE(first[i] == second[i]) << "two calls give different bits";
  }
}

void Check::run(const std::function<void(Ops&)>& call) {
  std::vector<Grad*> gradients;
  for (Operand& operand : operands_)
    if (operand.role == Role::gradient) gradients.push_back(&operand.grad);
  const auto pass = [&](const char* how, const std::function<bool(std::size_t)>& adds) {
    SCOPED_TRACE(op_ + how);
    for (std::size_t k = 0; k < gradients.size(); ++k)
      gradients[k]->write = adds(k) ? Write::accumulate : Write::overwrite;
    try_twice(call);
  };
  pass(", overwrite", [](std::size_t) { return false; });
  if (gradients.empty()) return;
  pass(", accumulate", [](std::size_t) { return true; });
  if (gradients.size() > 1) pass(", every second one accumulates", [](std::size_t k) { return k % 2 == 1; });
}

// ---- OpTest
std::string op_of_test(const std::string& test_name) {
  const std::string name = test_name.substr(0, test_name.find('/'));
  return name.substr(0, name.find("__"));
}

void OpTest::SetUp() {
  worst.clear();
  device_ = GetParam().make();
  traced_ = std::make_unique<TracingDevice>(*device_);
}

void OpTest::TearDown() {
  if (!traced_) return;  // no such device
  const std::string op = op_of_test(testing::UnitTest::GetInstance()->current_test_info()->name());
  EXPECT_EQ(traced_->ops().counts().count(op), 1U) << "this test never called " << op;
  for (const auto& [key, error] : worst) {
    std::ostringstream text;
    text << key.first << ": largest NMSE " << error << ", limit " << key.second;
    std::cout << "[   nmse   ] " << text.str() << "\n";
  }
}

// The reference as a device is held to its own loops like the others.
std::vector<DeviceParam> devices_and_reference() {
  std::vector<DeviceParam> params = device_params();
  params.push_back({"reference", make_reference_device});
  return params;
}

INSTANTIATE_TEST_SUITE_P(Device, OpTest, testing::ValuesIn(devices_and_reference()),
                         [](const auto& param_info) { return param_info.param.name; });

namespace {

std::string lower_letters(std::string name) {
  std::erase(name, '_');
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

// Every op has a test under its own name (OpTest sees to it that the test calls the op), or a suite: LogMel.
TEST(Coverage, every_op_has_a_test) {
  std::map<std::string, int> tests, suites;
  const auto& all = *testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const std::string suite = all.GetTestSuite(s)->name();  // "LogMel", or "Device/LogMel"
    ++suites[lower_letters(suite.substr(suite.find('/') + 1))];
    for (int t = 0; t < all.GetTestSuite(s)->total_test_count(); ++t)
      ++tests[op_of_test(all.GetTestSuite(s)->GetTestInfo(t)->name())];
  }
  const std::vector<std::string> ops = declared_ops();
  EXPECT_GE(ops.size(), 30U) << "kernels/ops.h was not read";
  for (const std::string& op : ops)
    EXPECT_GT(tests[op] + suites[lower_letters(op)], 0) << op << " of kernels/ops.h has no test";
}

}  // namespace
}  // namespace melgrad
