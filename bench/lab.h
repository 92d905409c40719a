// Lab: how a case is timed, and against what. Every result says its share of the limit: the time that the
// machine needs at least, at the copy bandwidth and the rate of matrix products that were measured on it in
// this run, over the time that it took.
#pragma once

#include <benchmark/benchmark.h>
#include <functional>

#include "bench/devices.h"

namespace melgrad {

// Of one device at its precision, with its threads.
struct Limits {
  double bytes_per_second = 0;       // read and written, by a copy larger than any cache
  double operations_per_second = 0;  // multiplications and additions of a large matrix product
  double product_seconds = 0;        // the best time of that product, to know a slower clock by
};

// A device and its limits, which are measured once a run for each kind of device.
class Lab {
 public:
  // `threads` as in DeviceOptions; 0: the device's own.
  explicit Lab(const BenchDevice& where, int threads = 0);
  Device& device() { return *device_; }
  bool on_cpu() const { return device_->is_host(); }

  // The least time for what `program` does with the device it is given: for each of its operations the longer
  // of two, the time to read its inputs and write its outputs once, and that for the arithmetic of its
  // products, zeros included: what leaves those out (kernels/cpu/sparse_conv.h) may have a share above 1.
  double least_seconds(const std::function<void(Device&)>& program);

  // Times `run`, which issues one unit of work that takes `least` seconds at the limit. On the CPU by Google
  // Benchmark. On a GPU by events, after a warm-up: `batch`, many in a row, which is the case's time; `cold`,
  // each after its caches were swept. Both go on until the standard error is 0.5 % of the mean, three seconds
  // at most. Counters: the limits, `share` of them, `clock` (1: a matrix product is as fast as it ever was in
  // this run; below 0.97 the case is marked as throttled), on a GPU also cold_us, error_percent and samples.
  void time(benchmark::State& state, double least, const std::function<void()>& run);

 private:
  double time_with_events(benchmark::State& state, const std::function<void()>& run);  // seconds of one
  double clock();

  std::unique_ptr<Device> device_;
  Limits* limits_;
};

// A case with what `Lab::time` needs; `unit` for people.
void add_case(const std::string& name, const BenchDevice& where, benchmark::TimeUnit unit,
              const std::function<void(benchmark::State&)>& body);

}  // namespace melgrad
