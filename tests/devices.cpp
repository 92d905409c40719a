#include "tests/devices.h"

#include <cstdlib>

#include "kernels/devices/make_device.h"
#include "kernels/error.h"
#include "tests/sim/sim_device.h"

namespace melgrad {
namespace {

bool has_cuda() {
  static const bool has = [] {
    if (std::getenv("MELGRAD_TEST_CUDA") != nullptr) return true;
    try {
      make_device("cuda:0");
      return true;
    } catch (const Error&) {
      return false;
    }
  }();
  return has;
}

DeviceParam cpu(int threads) {
  return {"cpu_threads" + std::to_string(threads), [=] { return make_device("cpu", {.threads = threads}); }};
}

DeviceParam simulated(const std::string& name, sim::Order order, Precision precision) {
  return {"sim_" + name, [=] { return make_sim_device(order, precision); }};
}

void add_cuda(std::vector<DeviceParam>& params, Precision precision) {
  if (has_cuda()) params.push_back({"cuda", [=] { return make_device("cuda:0", {.precision = precision}); }});
}

}  // namespace

std::vector<DeviceParam> device_params() {
  constexpr Precision f32 = Precision::f32;
  std::vector<DeviceParam> params = {cpu(1), cpu(3), simulated("shuffled", sim::Order::shuffled, f32)};
#ifndef MELGRAD_ADDRESS_SANITIZER  // which memory is touched does not depend on the order
  for (DeviceParam& more : std::vector<DeviceParam>{cpu(2), simulated("forward", sim::Order::forward, f32),
                                                    simulated("reversed", sim::Order::reversed, f32)})
    params.push_back(std::move(more));
#endif
  add_cuda(params, f32);
  return params;
}

std::vector<DeviceParam> model_device_params() {
  std::vector<DeviceParam> params = {cpu(2), simulated("shuffled", sim::Order::shuffled, Precision::f32)};
  add_cuda(params, Precision::f32);
  return params;
}

std::vector<DeviceParam> device_params(Precision precision) {
  std::vector<DeviceParam> params;
  if (precision == Precision::bf16) params.push_back(simulated("shuffled", sim::Order::shuffled, precision));
  add_cuda(params, precision);
  return params;
}

std::unique_ptr<Device> training_device(int threads) {
  const char *device = std::getenv("MELGRAD_TEST_DEVICE"), *precision = std::getenv("MELGRAD_TEST_PRECISION");
  return make_device(device != nullptr ? device : "cpu",
                     {threads, precision != nullptr ? precision_of(precision) : Precision::f32});
}

}  // namespace melgrad
