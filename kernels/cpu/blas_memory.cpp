#include "kernels/cpu/blas_memory.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cblas.h>
#include <cstddef>
#include <cstdlib>
#include <latch>
#include <omp.h>
#include <sched.h>
#include <sys/mman.h>
#include <system_error>
#include <thread>
#include <vector>

#include "kernels/error.h"

namespace melgrad {
namespace {

constexpr std::size_t kBuffer = 128 << 20;  // bytes; of no processor more (OpenBLAS: BUFFER_SIZE)
constexpr int kMostThreads = 64;            // of OpenBLAS, as Debian builds it

// Maps as OpenBLAS does, one by one, and gives all of it back at the end.
class Room {
 public:
  explicit Room(int wanted) {
    for (; count_ < std::min(wanted, kMostThreads + 1); ++count_) {
      void* const buffer =
          ::mmap(nullptr, kBuffer, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (buffer == MAP_FAILED) return;
      buffers_[static_cast<std::size_t>(count_)] = buffer;
    }
  }
  ~Room() {
    for (int i = 0; i < count_; ++i) ::munmap(buffers_[static_cast<std::size_t>(i)], kBuffer);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  int count() const { return count_; }

 private:
  std::array<void*, kMostThreads + 1> buffers_;
  int count_ = 0;
};

// Whether so many threads can run at a time: OpenMP ends the program if not.
bool threads_start(int threads) {
  std::latch tried(1);
  std::vector<std::jthread> started;
  bool all = true;
  try {
    while (static_cast<int>(started.size()) < threads) started.emplace_back([&] { tried.wait(); });
  } catch (const std::system_error&) {
    all = false;
  }
  tried.count_down();
  return all;
}

void expect_room(int threads) {
  // It has those it took while it was loaded, and needs one more for who calls it.
  const int buffers = std::min(threads, kMostThreads) + 1 - openblas_get_num_threads();
  const Room room(buffers);
  if (room.count() < buffers)
    fail(ErrorKind::device,
         "not enough address space (ulimit -v) for OpenBLAS with {} threads, 128 MiB each and as much once "
         "more; "
         "fewer --threads or a higher limit",
         threads);
  if (!threads_start(threads - 1))
    fail(ErrorKind::device, "{} threads cannot be started (ulimit -u, -v); fewer --threads or higher limits",
         threads);
}

std::atomic<bool> g_started = false;

// Takes the caller's buffer and starts the threads; its size is worth all of them.
void first_product() {
  constexpr int kSide = 128;
  const std::vector<float> a(kSide * kSide, 0.0F);
  std::vector<float> c(a.size());
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kSide, kSide, kSide, 1, a.data(), kSide, a.data(),
              kSide, 0, c.data(), kSide);
  g_started = true;
}

}  // namespace

int blas_buffers_with_room(int wanted) {
  constexpr std::size_t kOthers = 32 << 20;  // for what else is loaded and started
  void* const others = ::mmap(nullptr, kOthers, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (others == MAP_FAILED) return 0;
  const int room = Room(wanted).count();
  ::munmap(others, kOthers);
  return room;
}

int blas_buffers_at_load(const char* omp_num_threads) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const int cores =
      ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : kMostThreads;
  const int asked = omp_num_threads == nullptr ? 0 : std::atoi(omp_num_threads);
  return std::min({cores, asked > 0 ? asked : cores, kMostThreads});
}

void start_blas_threads(int threads) {
  expect_room(threads);
  omp_set_num_threads(threads);  // what oneDNN and OpenBLAS use
  openblas_set_num_threads(threads);
  first_product();
#pragma omp parallel num_threads(threads)
  {}
}

void start_blas() {
  if (g_started) return;
  expect_room(openblas_get_num_threads());
  first_product();
}

}  // namespace melgrad
