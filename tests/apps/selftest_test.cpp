#include "apps/selftest.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/devices/make_device.h"
#include "tests/declared_ops.h"
#include "tests/sim/sim_device.h"

namespace melgrad {
namespace {

// The recipes of genres on the smallest segments they take, 34 or 69 frames x 10 bands. What only networks
// for tags call comes with the part "layers".
SelftestScope small_scope() {
  SelftestScope scope = shipped_scope();
  std::erase_if(scope.recipes, [](const Recipe& recipe) { return recipe.task == TaskKind::tags; });
  for (Recipe& recipe : scope.recipes) {
    recipe.segment.frames = recipe.model.modulation ? 69 : 34;
    recipe.features.n_mels = 10;
    recipe.model.filters = 8;
  }
  scope.presets = {"dong2018"};
  return scope;
}

std::vector<std::string> wrong_operations(const Selftest& result) {
  std::vector<std::string> names;
  for (const auto& [name, f] : result.operations) {
    if (!f.wrong.empty()) names.push_back(name);
  }
  return names;
}

void expect_passes(Device& device) {
  const Selftest result = run_selftest(device, small_scope());
  EXPECT_TRUE(result.passed());
  for (const std::string& line : result.stopped) ADD_FAILURE() << line;
  for (const auto& [name, f] : result.operations) {
    EXPECT_EQ(f.wrong, "") << name << " " << f.shapes << ": error " << f.error << ", limit " << f.limit;
    EXPECT_GT(f.calls, 0);
    testing::Test::RecordProperty(name, fmt::format("{:.2g} of {:.2g}", f.error, f.limit));
  }
}

TEST(Selftest, ReachesEveryOperation) {
  const auto device = make_device("cpu");
  const Selftest result = run_selftest(*device, small_scope());
  for (const std::string& op : declared_ops())
    EXPECT_EQ(result.operations.count(op), 1U) << op << " is never called: give it a place in run_unused";
  EXPECT_EQ(result.operations.size(), declared_ops().size());
}

TEST(Selftest, PassesOnTheCpu) { expect_passes(*make_device("cpu")); }
TEST(Selftest, PassesOnTheSimulatedGpu) { expect_passes(*make_sim_device(sim::Order::shuffled)); }
TEST(Selftest, PassesOnTheSimulatedGpuInBf16) {
  expect_passes(*make_sim_device(sim::Order::shuffled, Precision::bf16));
}

// ---- devices with one fault
enum class Fault {
  result,   // one element of a tensor it writes is off
  input,    // one element of a tensor it reads is changed
  skipped,  // nothing is done
  thrown,   // an Error
};

class FaultyOps final : public OpsDecorator {
 public:
  // `which`: of the tensors that are written, or read.
  FaultyOps(Device& device, std::string op, Fault fault, int which)
      : device_(&device), op_(std::move(op)), fault_(fault), which_(which) {}
  bool happened() const { return happened_; }

 private:
  void call(OpCall& call) override {
    if (call.name() != op_) return call.run(device_->ops());
    if (fault_ == Fault::skipped || fault_ == Fault::thrown) {
      happened_ = true;
      if (fault_ == Fault::thrown) fail(ErrorKind::device, "out of order");
      return;
    }
    call.run(device_->ops());
    int index = 0;
    call.for_each_tensor([&](Tensor& t, OpCall::Role role) {
      if (t && (role == OpCall::Role::input) == (fault_ == Fault::input) && index++ == which_) spoil(t);
    });
  }

  // One hundredth of the largest value more in the last element.
  void spoil(Tensor& t) {
    happened_ = true;
    std::vector<std::byte> bytes(static_cast<std::size_t>(t.bytes()));
    device_->to_host(bytes.data(), t);
    const auto last = static_cast<std::size_t>(t.numel() - 1);
    if (t.dtype == DType::f32) {
      auto* values = reinterpret_cast<float*>(bytes.data());
      float largest = 0;
      for (std::size_t i = 0; i <= last; ++i) largest = std::max(largest, std::abs(values[i]));
      values[last] += largest > 0 ? 0.01F * largest : 1.0F;
    } else {  // the lowest bit of an integer
      bytes[last * static_cast<std::size_t>(size_of(t.dtype))] ^= std::byte{1};
    }
    device_->to_device(t, bytes.data());
  }

  Device* device_;
  std::string op_;
  Fault fault_;
  int which_;
  bool happened_ = false;
};

class FaultyDevice final : public DeviceDecorator {
 public:
  FaultyDevice(Device& inner, const std::string& op, Fault fault, int which = 0)
      : DeviceDecorator(inner), ops_(inner, op, fault, which) {}
  FaultyOps& ops() override { return ops_; }

 private:
  FaultyOps ops_;
};

// Whatever is wrong with an operation of the device, it is named, and no other one is blamed.
void expect_found(Device& sound, const std::string& op, Fault fault, int which = 0) {
  SCOPED_TRACE(fmt::format("{}, fault {}, tensor {}", op, static_cast<int>(fault), which));
  FaultyDevice device(sound, op, fault, which);
  const Selftest result = run_selftest(device, small_scope());
  if (!device.ops().happened()) return;  // it has no such tensor
  EXPECT_EQ(wrong_operations(result), std::vector<std::string>{op});
  EXPECT_TRUE(result.stopped.empty());
}

TEST(Selftest, FindsAWrongResultOfAnyOperation) {
  const auto cpu = make_device("cpu", {.threads = 1});
  for (const std::string& op : declared_ops())
    for (const int which : {0, 1, 2}) expect_found(*cpu, op, Fault::result, which);
}

TEST(Selftest, FindsAChangedInput) {
  const auto cpu = make_device("cpu", {.threads = 1});
  for (const char* op : {"linear_forward", "conv2d_backward_params", "dropout_forward", "pick_batch"})
    for (const int which : {0, 1}) expect_found(*cpu, op, Fault::input, which);
}

TEST(Selftest, FindsAnOperationThatDoesNothing) {
  const auto cpu = make_device("cpu", {.threads = 1});
  for (const std::string& op : declared_ops()) expect_found(*cpu, op, Fault::skipped);
}

TEST(Selftest, GoesOnAfterAnError) {
  const auto cpu = make_device("cpu");
  FaultyDevice device(*cpu, "conv2d_forward", Fault::thrown);
  const Selftest result = run_selftest(device, small_scope());
  EXPECT_EQ(wrong_operations(result), std::vector<std::string>{"conv2d_forward"});
  EXPECT_EQ(result.operations.at("conv2d_forward").wrong, "out of order");
  EXPECT_EQ(result.operations.size(), declared_ops().size());
}

// ---- the command
struct Printed {
  int exit_code;
  std::string out;
};

Printed print_selftest(Device& device, bool json) {
  Settings settings;
  settings.json = json;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  selftest(device, small_scope(), settings);
  std::fflush(stdout);
  testing::internal::GetCapturedStderr();
  return {settings.exit_code, testing::internal::GetCapturedStdout()};
}

TEST(Selftest, SaysThatAllAgree) {
  const auto cpu = make_device("cpu");
  const Printed printed = print_selftest(*cpu, false);
  EXPECT_EQ(printed.exit_code, 0);
  const auto lines = std::count(printed.out.begin(), printed.out.end(), '\n');
  EXPECT_EQ(lines, static_cast<std::ptrdiff_t>(declared_ops().size()) + 1) << printed.out;
  EXPECT_NE(printed.out.find(fmt::format("selftest: {} operations of cpu (", declared_ops().size())),
            std::string::npos);
}

TEST(Selftest, SaysWhatIsWrong) {
  const auto cpu = make_device("cpu");
  FaultyDevice device(*cpu, "max_pool_backward", Fault::result);
  const Printed text = print_selftest(device, false);
  EXPECT_EQ(text.exit_code, static_cast<int>(ErrorKind::internal));
  EXPECT_NE(text.out.find("max_pool_backward               WRONG "), std::string::npos) << text.out;
  // Two steps of three recipes and of the small network; 34 frames x 10 bands are 8 x 4 after the stem and 4
  // x 2 after the convolution.
  EXPECT_NE(text.out.find("in 8 calls, first [4, 4, 2, 64] f32 at [3, 3, 1, 63]: "), std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find(fmt::format("selftest: 1 of {} operations of cpu (", declared_ops().size())),
            std::string::npos);

  const Printed printed = print_selftest(device, true);
  EXPECT_EQ(printed.exit_code, static_cast<int>(ErrorKind::internal));
  const auto json = nlohmann::json::parse(printed.out);
  EXPECT_FALSE(json.at("ok"));
  for (const auto& line : json.at("operations")) {
    EXPECT_EQ(line.at("ok"), line.at("name") != "max_pool_backward");
    EXPECT_EQ(line.contains("wrong"), line.at("name") == "max_pool_backward");
  }
}

}  // namespace
}  // namespace melgrad
