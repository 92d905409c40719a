// HostDevice: a Device whose memory is the host's. What is left to a derived class is its name and its
// operations.
#pragma once

#include <cstdlib>
#include <cstring>

#include "kernels/device.h"
#include "kernels/host_memory.h"

#ifdef MELGRAD_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace melgrad {

// 256-byte aligned, for std::free. Throws Error (device) naming the bytes when there is no room.
inline void* aligned_host_memory(std::size_t bytes) {
  constexpr std::size_t kAlign = 256;
  void* memory = std::aligned_alloc(kAlign, (bytes + kAlign - 1) / kAlign * kAlign);
  if (memory == nullptr) fail(ErrorKind::device, "cpu: out of memory: {} bytes asked for", bytes);
  return memory;
}

struct FreeHostMemory {
  void operator()(void* memory) const { std::free(memory); }
};

// Host and device are one, so both sides are the same memory.
class HostStaging final : public Staging {
 public:
  void reserve(std::int64_t bytes) override {
    if (bytes <= bytes_) return;
    memory_.reset(aligned_host_memory(static_cast<std::size_t>(bytes)));
    bytes_ = bytes;
  }
  void* host() override { return memory_.get(); }
  void* device() override { return memory_.get(); }
  void upload(std::int64_t /*bytes*/) override {}
  void used() override {}
  void download(std::int64_t /*bytes*/) override {}
  void wait() override {}

 private:
  std::unique_ptr<void, FreeHostMemory> memory_;
  std::int64_t bytes_ = 0;
};

class HostDevice : public Device {
 public:
  Precision precision() const override { return Precision::f32; }
  void* allocate(std::size_t bytes) override { return aligned_host_memory(bytes); }
  void release(void* memory) noexcept override { std::free(memory); }
#ifdef MELGRAD_ADDRESS_SANITIZER
  void poison(void* memory, std::size_t bytes) override { __asan_poison_memory_region(memory, bytes); }
  void unpoison(void* memory, std::size_t bytes) override { __asan_unpoison_memory_region(memory, bytes); }
#else
  void poison(void* /*memory*/, std::size_t /*bytes*/) override {}
  void unpoison(void* /*memory*/, std::size_t /*bytes*/) override {}
#endif
  void to_device(Tensor to, const void* from) override { copy(to.data, from, to.bytes()); }
  void to_host(void* to, Tensor from) override { copy(to, from.data, from.bytes()); }
  std::unique_ptr<Staging> make_staging() override { return std::make_unique<HostStaging>(); }
  std::int64_t free_memory() const override { return free_host_memory(); }
  void synchronise() override {}
  std::unique_ptr<Recording> record(const std::function<void()>& /*program*/) override { return nullptr; }

 private:
  static void copy(void* to, const void* from, std::int64_t bytes) {
    if (bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(bytes));  // nothing may have no address
  }
};

}  // namespace melgrad
