#include "bench/lab.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string_view>

#include "engine/memory.h"
#include "kernels/decorators/decorator.h"

namespace melgrad {
namespace {

// Multiplications and additions of the products in a call; 0 for operations without any.
double operations_of(std::string_view name, const std::vector<Tensor>& t) {
  const auto size = [&](std::size_t k) { return static_cast<double>(t[k].numel()); };
  const auto first = [&](std::size_t k) { return static_cast<double>(t[k].dim(0)); };
  // As many rows as x or dy has, times the weights.
  if (name == "linear_forward") return 2 * first(0) * size(1);          // x, w, b, y
  if (name == "linear_backward_input") return 2 * first(0) * size(1);   // dy, w, dx
  if (name == "linear_backward_params") return 2 * first(0) * size(2);  // x, dy, dw, db
  // Each value of y or dy, times the weights of its channel.
  if (name == "conv2d_forward") return 2 * size(3) * size(1) / first(1);          // x, w, b, y
  if (name == "conv2d_backward_input") return 2 * size(0) * size(1) / first(1);   // dy, w, dx
  if (name == "conv2d_backward_params") return 2 * size(1) * size(2) / first(2);  // x, dy, dw, db
  if (name == "stem_forward") {  // x, w, b, y, argmax: every position of the convolution before pooling
    const auto positions =
        static_cast<double>((t[0].dim(1) - t[1].dim(1) + 1) * (t[0].dim(2) - t[1].dim(2) + 1));
    return 2 * first(0) * positions * size(1);
  }
  if (name == "stem_backward_params")
    return 2 * size(1) * size(4) / first(4);  // x, y, argmax, dy, dw: winners only
  const auto states = [&](std::size_t k) { return static_cast<double>(t[k].dim(0) * t[k].dim(1)); };
  if (name == "recurrent_forward") return 2 * states(0) * size(1);  // x, u, ...
  // u, lengths, states, saved, dstates, ...: through the state, and for du
  if (name == "recurrent_backward") return 4 * states(4) * size(0);
  return 0;
}

class CountingOps final : public OpsDecorator {
 public:
  CountingOps(Ops& inner, const Limits& limits) : inner_(&inner), limits_(&limits) {}
  double seconds() const { return seconds_; }

 private:
  void call(OpCall& call) override {
    double bytes = 0;
    std::vector<Tensor> tensors;
    call.for_each_tensor([&](Tensor& t, OpCall::Role role) {
      tensors.push_back(t);
      if (t) bytes += static_cast<double>(t.bytes()) * (role == OpCall::Role::changed ? 2 : 1);
    });
    seconds_ += std::max(bytes / limits_->bytes_per_second,
                         operations_of(call.name(), tensors) / limits_->operations_per_second);
    call.run(*inner_);
  }

  Ops* inner_;
  const Limits* limits_;
  double seconds_ = 0;
};

class CountingDevice final : public DeviceDecorator {
 public:
  CountingDevice(Device& inner, const Limits& limits) : DeviceDecorator(inner), ops_(inner.ops(), limits) {}
  CountingOps& ops() override { return ops_; }

 private:
  CountingOps ops_;
};

// More than any cache holds, and enough work for a GPU that the host is ahead of it.
constexpr std::int64_t kSweepOnCpu = 128 << 20, kSweepOnGpu = 1 << 30;
// Matrices that keep all of the device busy.
constexpr std::int64_t kRowsOnCpu = 1024, kRowsOnGpu = 8192;

struct Product {
  explicit Product(Device& on) : device(on), arena(on), rows(on.is_host() ? kRowsOnCpu : kRowsOnGpu) {
    const DType type = on.precision() == Precision::bf16 ? DType::bf16 : DType::f32;
    x = arena.take({rows, rows}, type);
    w = arena.take({rows, rows}), y = arena.take({rows, rows}), b = arena.take({rows});
    for (const Tensor& t : {x, w, b}) on.ops().fill(t, 0.01F);
    seconds();  // its plan
  }
  double seconds() {
    return device.seconds_of([&] { device.ops().linear_forward(x, w, b, y); });
  }
  double operations() const { return 2 * std::pow(static_cast<double>(rows), 3); }

  Device& device;
  Arena arena;
  std::int64_t rows;
  Tensor x, w, b, y;
};

Limits measure(Device& device) {
  constexpr int kTries = 20;
  Limits limits;
  Arena arena(device);
  const std::int64_t floats = (device.is_host() ? kSweepOnCpu : kSweepOnGpu) / 4;
  const Tensor from = arena.take({floats}), to = arena.take({floats});
  device.ops().fill(from, 1.0F);
  Product product(device);
  limits.product_seconds = 1e9;
  for (int k = 0; k < kTries; ++k) {
    const double copy = device.seconds_of([&] { device.ops().copy(from, to); });
    limits.bytes_per_second = std::max(limits.bytes_per_second, 2 * static_cast<double>(from.bytes()) / copy);
    limits.product_seconds = std::min(limits.product_seconds, product.seconds());
  }
  limits.operations_per_second = product.operations() / limits.product_seconds;
  return limits;
}

double mean_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum / static_cast<double>(x.size());
}
double relative_error_of(const std::vector<double>& x) {
  const double mean = mean_of(x), n = static_cast<double>(x.size());
  double sum = 0;
  for (const double v : x) sum += (v - mean) * (v - mean);
  return std::sqrt(sum / (n - 1) / n) / mean;
}

// Samples until their mean is known to 0.5 %, or three seconds have gone.
std::vector<double> samples_of(const std::function<double()>& sample) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<double> all;
  do all.push_back(sample());
  while (all.size() < 10 || (relative_error_of(all) > 0.005 &&
                             std::chrono::steady_clock::now() - start < std::chrono::seconds(3)));
  return all;
}

}  // namespace

Lab::Lab(const BenchDevice& where, int threads) : device_(where.make(threads)) {
  static std::map<std::string, Limits> known;
  const std::string kind = where.name + (threads == 0 ? "" : fmt::format(", {} threads", threads));
  const auto [at, is_new] = known.try_emplace(kind);
  limits_ = &at->second;
  if (is_new) *limits_ = measure(*device_);
}

double Lab::least_seconds(const std::function<void(Device&)>& program) {
  CountingDevice counting(*device_, *limits_);
  program(counting);
  device_->synchronise();
  return counting.ops().seconds();
}

double Lab::clock() {
  Product product(*device_);
  double best = 1e9;
  for (int k = 0; k < 5; ++k) best = std::min(best, product.seconds());
  limits_->product_seconds = std::min(limits_->product_seconds, best);
  return limits_->product_seconds / best;
}

void Lab::time(benchmark::State& state, double least, const std::function<void()>& run) {
  run();  // plans, memory
  device_->synchronise();
  double seconds = 0;
  if (on_cpu()) {
    const auto start = std::chrono::steady_clock::now();
    for (auto _ : state) run();
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
              static_cast<double>(state.iterations());
  } else {
    seconds = time_with_events(state, run);
  }
  state.counters["share"] = least / seconds;
  const double relative = clock();
  state.counters["clock"] = relative;
  state.counters["limit_GB/s"] = limits_->bytes_per_second / 1e9;
  state.counters["limit_GFLOP/s"] = limits_->operations_per_second / 1e9;
  if (relative < 0.97) state.SetLabel("throttled");
}

double Lab::time_with_events(benchmark::State& state, const std::function<void()>& run) {
  constexpr double kSample = 2e-3, kWarmUp = 0.1;
  constexpr int kLeast =
      5;  // of them in a sample, so that the first, which finds its caches empty, is one of many
  Arena arena(*device_);
  const Tensor sweep = arena.take({kSweepOnGpu / 4});
  double once = 0, warm = 0;
  while (warm < kWarmUp) warm += once = device_->seconds_of(run);
  const int at_once = std::max(kLeast, static_cast<int>(kSample / once));
  const auto seconds = [&](int n) {
    device_->ops().fill(sweep, 0);
    return device_->seconds_of([&] {
      for (int k = 0; k < n; ++k) run();
    }) / n;
  };
  const std::vector<double> batch = samples_of([&] { return seconds(at_once); }),
                            cold = samples_of([&] { return seconds(1); });
  for (auto _ : state) state.SetIterationTime(mean_of(batch));
  state.counters["cold_us"] = mean_of(cold) * 1e6;
  state.counters["error_percent"] = 100 * relative_error_of(batch);
  state.counters["samples"] = static_cast<double>(batch.size());
  return mean_of(batch);
}

void add_case(const std::string& name, const BenchDevice& where, benchmark::TimeUnit unit,
              const std::function<void(benchmark::State&)>& body) {
  auto* added = benchmark::RegisterBenchmark(name.c_str(), body)->Unit(unit);
  if (where.name == "cpu") added->UseRealTime();
  else added->UseManualTime()->Iterations(1);
}

}  // namespace melgrad
