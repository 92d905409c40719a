// A kernel is a struct of its arguments:
//   struct Scale {
//     static constexpr int kThreads = 256;               // of a block
//     const float* x; float* y; std::int64_t n;
//     template <typename Thread> MELGRAD_DEVICE void operator()(Thread& t) const {
//       for (std::int64_t i = t.first(); i < n; i += t.stride()) y[i] = 2 * x[i];
//     }
//   };
//   launch(stream, blocks_for(n, 256), Scale{x, y, n});
// It sees the machine only through its Thread, so the same source runs on the CPU, where tests/sim replaces
// this header by one of its own and checks order, barriers and memory. A kernel with shared memory says how
// much in `std::int64_t shared_bytes() const`: the sum of shared_size of what it asks for.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/grid.h"
#include "kernels/error.h"

#define MELGRAD_DEVICE __device__

namespace melgrad {

// One thread of a block, on the GPU.
class Thread {
 public:
  __device__ int index() const { return static_cast<int>(threadIdx.x); }  // in its block
  __device__ int count() const { return static_cast<int>(blockDim.x); }   // threads of a block
  __device__ std::int64_t block() const { return blockIdx.x; }
  __device__ std::int64_t blocks() const { return gridDim.x; }
  // For loops that share elements among all threads of the grid.
  __device__ std::int64_t first() const { return block() * count() + index(); }
  __device__ std::int64_t stride() const { return blocks() * count(); }
  // Every thread of the block must come here.
  __device__ void sync() const { __syncthreads(); }
  // n elements that the block shares, uninitialised; all threads must ask for the same in the same order.
  template <typename T>
  __device__ T* shared(std::int64_t n) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    T* mine = reinterpret_cast<T*>(shared_memory + used_);
    used_ += static_cast<int>(shared_size<T>(n));
    return mine;
  }

 private:
  int used_ = 0;
};

// Blocks of which a multiprocessor shall hold so many at once, kResidentBlocks of the kernel: the compiler
// keeps to the registers that are left to each.
template <typename Kernel>
constexpr int resident_blocks() {
  if constexpr (requires { Kernel::kResidentBlocks; }) {
    return Kernel::kResidentBlocks;
  } else {
    return 1;
  }
}

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, resident_blocks<Kernel>())
    run(const __grid_constant__ Kernel kernel) {
  Thread thread;
  kernel(thread);
}

// Of this GPU, or `otherwise` where it does not say.
inline int device_attribute(cudaDeviceAttr attribute, int otherwise) {
  int device = 0, value = otherwise;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&value, attribute, device);
  return value;
}

// Shared memory that a block can have at most on this GPU, in bytes.
inline std::int64_t largest_shared_bytes() {
  return device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, 48 * 1024);
}

// What the kernel takes, having been allowed to.
template <typename Kernel>
std::int64_t allowed_shared_bytes(const Kernel& kernel) {
  const std::int64_t shared = shared_bytes_of(kernel);
  if (shared > 48 * 1024) {  // beyond this a kernel must say that it wants more
    cudaFuncSetAttribute(run<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
  }
  return shared;
}

// Blocks of this kernel that the GPU runs at once. Where a block goes over many items, more blocks would
// leave some for a second turn, with few beside them.
template <typename Kernel>
std::int64_t blocks_at_once(const Kernel& kernel) {
  const int multiprocessors = device_attribute(cudaDevAttrMultiProcessorCount, 1);
  int each = 1;
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, run<Kernel>, Kernel::kThreads,
                                                static_cast<std::size_t>(allowed_shared_bytes(kernel)));
  return std::max<std::int64_t>(each, 1) * multiprocessors;
}

template <typename Kernel>
void launch(Stream stream, std::int64_t blocks, const Kernel& kernel) {
  if (blocks == 0) return;
  const std::int64_t shared = allowed_shared_bytes(kernel);
  run<<<static_cast<unsigned>(blocks), Kernel::kThreads, static_cast<std::size_t>(shared), stream>>>(kernel);
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess) {
    fail(ErrorKind::device, "launch of {} blocks of {} threads with {} bytes of shared memory: {}", blocks,
         Kernel::kThreads, shared, cudaGetErrorString(status));
  }
}

}  // namespace melgrad
