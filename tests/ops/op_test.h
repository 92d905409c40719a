// The bench of every op test. Buffer: device memory between guard words. Check: one call of one op, tried
// several times over: outputs hold NaN before, guards and inputs must come through unchanged, a second call
// must give the same bits, and gradients are overwritten, then added to, then every second one alone is.
// Memory comes as the type of argument it is for, so that a gradient given for an output does not compile.
// OpTest: the fixture; a test carries the name of its op, and a test that checks nothing fails.
//
// Device memory is reached only through Device, so the same tests serve every device.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "kernels/decorators/trace.h"
#include "kernels/device.h"
#include "kernels/reference/reference.h"
#include "kernels/reference/tolerance.h"
#include "tests/cases.h"
#include "tests/devices.h"

namespace melgrad {

using reference::Array;
using reference::Index;
using reference::Random;

template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, std::uint16_t>) return DType::f16;
  if constexpr (std::is_same_v<T, std::int32_t>) return DType::i32;
  if constexpr (std::is_same_v<T, std::int64_t>) return DType::i64;
  if constexpr (std::is_same_v<T, std::uint8_t>) return DType::u8;
}

using Bytes = std::vector<std::byte>;

template <typename T>
Bytes bytes_of(const Array<T>& a) {
  const auto* p = reinterpret_cast<const std::byte*>(a.v.data());
  return {p, p + a.v.size() * sizeof(T)};
}

class Buffer {
 public:
  // Guards are NaN, in float and half, for a kernel that reads them, and differ from buffer to buffer, so
  // that a copy of one over another shows.
  static constexpr std::size_t kGuard = 256;
  static constexpr std::byte kFill{0xFF};  // NaN as well

  Buffer(Device& device, Shape shape, DType dtype);
  ~Buffer() { device_.release(memory_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  Tensor tensor() const { return tensor_; }
  void upload(const Bytes& content);  // and fresh guards around it
  void fill_with_nan() { upload(Bytes(static_cast<std::size_t>(tensor_.bytes()), kFill)); }
  Bytes download();  // a damaged guard is a test failure

 private:
  Device& device_;
  void* memory_;
  Tensor tensor_;
  Bytes guard_;
};

class Check {
 public:
  // `op` is the name in kernels/ops.h.
  Check(Device& device, std::string op) : device_(device), op_(std::move(op)) {}

  // Must be the same after the call.
  template <typename T>
  Tensor input(const Array<T>& content) {
    return add({Role::input, bytes_of(content), {}, {}, 0}, content.shape, dtype_of<T>());
  }
  // Written as a whole; what it holds before must not matter.
  Out output(const Array<double>& expected, double limit) {
    return add({Role::output, {}, {}, expected.v, limit}, expected.shape, DType::f32);
  }
  template <typename T>
  Out output_exact(const Array<T>& expected) {
    return add({Role::output, {}, bytes_of(expected), {}, 0}, expected.shape, dtype_of<T>());
  }
  // Overwritten or added to: `run` sets which, so the call takes this very reference.
  const Grad& gradient(const Array<double>& expected, double limit) {
    add({Role::gradient, {}, {}, expected.v, limit}, expected.shape, DType::f32);
    return operands_.back().grad;
  }
  // Changed in place.
  InOut state(const Array<float>& before, const Array<double>& after, double limit) {
    return add({Role::state, bytes_of(before), {}, after.v, limit}, before.shape, DType::f32);
  }
  template <typename T>
  InOut state_exact(const Array<T>& before, const Array<T>& after) {
    return add({Role::state, bytes_of(before), bytes_of(after), {}, 0}, before.shape, dtype_of<T>());
  }

  // `call` calls the op.
  void run(const std::function<void(Ops&)>& call);

 private:
  enum class Role { input, output, gradient, state };
  struct Operand {
    Role role;
    Bytes before;                  // contents of inputs and states
    Bytes exact;                   // expected to the bit, or
    std::vector<double> expected;  // expected within `limit`
    double limit;
    std::unique_ptr<Buffer> buffer{};
    Grad grad{};
  };

  Tensor add(Operand operand, Shape shape, DType dtype);
  Bytes initial(const Operand& operand) const;
  std::vector<Bytes> call_once(const std::function<void(Ops&)>& call);
  void try_twice(const std::function<void(Ops&)>& call);
  void compare(const Operand& operand, const Bytes& before, const Bytes& after) const;

  Device& device_;
  std::string op_;
  std::deque<Operand> operands_;  // none moves when another is added
};

// Device memory back in a host array.
template <typename T>
Array<T> host_array(Buffer& buffer) {
  Array<T> a(buffer.tensor().shape);
  const Bytes bytes = buffer.download();
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(a.v.data()));
  return a;
}

// Every test of this fixture runs on each of device_params().
class OpTest : public testing::TestWithParam<DeviceParam> {
 protected:
  void SetUp() override;
  void TearDown() override;
  Check check(const std::string& op) { return {*traced_, op}; }
  Device& device() { return *traced_; }

 private:
  std::unique_ptr<Device> device_;
  std::unique_ptr<TracingDevice> traced_;  // counts the calls of each op
};

// The op a test is for: its name up to "__", e.g. dropout_forward__statistics.
std::string op_of_test(const std::string& test_name);

}  // namespace melgrad
