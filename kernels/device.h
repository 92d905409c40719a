// Device: the machine that computes. Created and owned by `main`; owns its streams, library handles and
// its Ops. There is no global device and no static device state.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "kernels/tensor.h"

namespace melgrad {

class Ops;  // kernels/ops.h

// Of matrix products and convolutions. How far each may be from the reference, as normalised mean square
// error: f32 5e-12, tf32 4e-6, bf16 3e-5 (kernels/reference/tolerance.h). Everything else is f32 always, and
// so are sums, weights and moments.
enum class Precision {
  f32,   // strict: no operand is rounded to fewer bits
  tf32,  // operands rounded to 10 bits of mantissa in the matrix units
  bf16,  // activations and their gradients stored in bf16 (7 bits of mantissa)
};

Precision precision_of(const std::string& name);  // throws Error (usage)
const char* name_of(Precision precision);

// A program of operations that was recorded once and can be issued again as a whole: a CUDA graph.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
};

// Staging: memory on the device with a twin in host memory, and copies between them that go on while host and
// device do other work.
class Staging {
 public:
  virtual ~Staging() = default;
  // At least `bytes` on both sides; growing waits until both are idle, and loses what they held.
  virtual void reserve(std::int64_t bytes) = 0;
  virtual void* host() = 0;
  virtual void* device() = 0;  // 256-byte aligned
  // Starts copying the first `bytes` to the device, after what `used` names. Operations issued later find
  // them there.
  virtual void upload(std::int64_t bytes) = 0;
  // Operations issued so far may read the device's side: the next upload comes after them.
  virtual void used() = 0;
  // Starts copying `bytes` back, as operations issued so far leave them.
  virtual void download(std::int64_t bytes) = 0;
  // Until the last copy is done, so that the host's side may be written or read.
  virtual void wait() = 0;
};

// What joins devices that compute together, as one of them sees it. Its calls are issued like operations, by
// every device in the same order, and may be recorded with them once they have run.
class Communicator {
 public:
  virtual ~Communicator() = default;
  // from, to [size, n] f32: row q of `from` goes to device q, row q of `to` comes from there.
  virtual void all_to_all(Tensor from, Tensor to) = 0;
  // from [n] f32 -> to [size, n], row q from device q. `from` may be this device's row of `to`.
  virtual void all_gather(Tensor from, Tensor to) = 0;
};

class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  virtual std::string name() const = 0;         // "cpu", "cuda:0"
  virtual std::string description() const = 0;  // one line for people: model, threads or memory, libraries
  virtual Ops& ops() = 0;
  virtual Precision precision() const = 0;
  // Whether it is the processor of the host: memory and threads are the caller's own.
  virtual bool is_host() const { return false; }

  // Raw memory, 256-byte aligned. Only Slab and Arena call these (engine/memory.h). `allocate` throws Error
  // (device) with the number of bytes when there is no room.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  // Marks memory as dead or alive for AddressSanitizer; nothing on devices without such a tool.
  virtual void poison(void* memory, std::size_t bytes) = 0;
  virtual void unpoison(void* memory, std::size_t bytes) = 0;

  // Copies between host and device; both wait until the copy is done.
  virtual void to_device(Tensor to, const void* from_host) = 0;
  virtual void to_host(void* to_host, Tensor from) = 0;
  virtual std::unique_ptr<Staging> make_staging() = 0;
  // Bytes that `allocate` could still give.
  virtual std::int64_t free_memory() const = 0;

  // Waits until everything issued is done. Throws Error (device) if any of it failed.
  virtual void synchronise() = 0;

  // Seconds that the device spends on what `work` issues, by its own clock where it has one; waits for the
  // end.
  virtual double seconds_of(const std::function<void()>& work);

  // Records the operations that `program` issues, without running them; null where nothing can be recorded,
  // and then the program itself must run every time. It must have run before on the same memory
  // (engine/step.h).
  virtual std::unique_ptr<Recording> record(const std::function<void()>& program) = 0;

  // What devices that join each other are all given: one of them makes it for all, or each for itself where
  // the environment says where they meet (NCCL_COMM_ID). Throws Error (device) where there is no NCCL.
  virtual std::string meeting_point();
  // Joins `size` devices, of this process or others, of which this is number `rank`; waits for all. It
  // outlives what it returns, and that the recordings with its calls. Meanwhile `waiting` is called whenever
  // the host waits for this device, again and again, with the seconds that it has waited: what it throws ends
  // that. Throws Error (usage) on the host, whose ranks exchange by other means.
  virtual std::unique_ptr<Communicator> join(const std::string& meeting_point, int rank, int size,
                                             std::function<void(double seconds)> waiting);
};

struct DeviceOptions {
  int threads = 0;                       // CPU threads; 0 = all cores; never more than OMP_THREAD_LIMIT
  Precision precision = Precision::f32;  // the CPU has f32 only
};

}  // namespace melgrad
