// Where the module computes: beside Python's lock, its threads, its end and its forks.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <nanobind/nanobind.h>
#include <omp.h>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

#include "kernels/devices/make_device.h"

namespace melgrad {

namespace nb = nanobind;

// Where the interpreter ends while threads of its are at work here (daemons), they may not ask for its lock
// again: Python would end them in the middle of C++, and that the process. What they are doing is done first,
// since libraries they use go with the process; then they stay where they are.
struct Ending {
  std::atomic<bool> begun = false;
  std::atomic<int> at_work = 0;
  std::thread::id main;

  // On the thread that ends the interpreter, before it does.
  void begin() {
    main = std::this_thread::get_id();
    begun = true;
    const nb::gil_scoped_release released;
    while (at_work > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};
inline Ending ending;

// Without Python's lock as long as it is there.
class Released {
 public:
  Released() {
    ++ending.at_work;  // while nobody else has the lock: begin() sees it
    state_ = PyEval_SaveThread();
    stay_if_ending();
  }
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  ~Released() {
    stay_if_ending();
    PyEval_RestoreThread(state_);
    --ending.at_work;
  }

 private:
  static void stay_if_ending() {
    if (!ending.begun || std::this_thread::get_id() == ending.main) return;
    --ending.at_work;
    for (;;) ::pause();
  }

  PyThreadState* state_ = nullptr;
};

// A child of fork() has lost the threads of its parent, for which OpenMP would wait for ever.
class Threads {
 public:
  // Throws where they were lost.
  static void expect() {
    static const int once = ::pthread_atfork(nullptr, nullptr, [] { lost = used.load(); });
    static_cast<void>(once);
    if (lost)
      fail(ErrorKind::device,
           "melgrad: this process was forked from one that had used melgrad, whose threads it has not; start "
           "processes with multiprocessing's \"spawn\", or use melgrad first in the child");
    used = true;
  }

 private:
  static inline std::atomic<bool> used = false, lost = false;
};

// The number of OpenMP's threads of this thread, as it was, at the end.
class KeptThreads {
 public:
  KeptThreads() : before_(omp_get_max_threads()) {}
  KeptThreads(const KeptThreads&) = delete;
  KeptThreads& operator=(const KeptThreads&) = delete;
  ~KeptThreads() { omp_set_num_threads(before_); }

 private:
  int before_;
};

// A device, and whoever computes on it: one caller at a time, with the threads of the device.
class Workplace {
 public:
  // With one thread it is of use in a child too.
  Workplace(const std::string& device, int threads) : Workplace(threads != 1, made(device, threads)) {}
  Device& device() { return *made_.device; }
  std::string name() const { return made_.device->name(); }

  // `work` without Python's lock.
  template <typename Work>
  auto freely(const Work& work) {
    if (several_) Threads::expect();
    const Released released;
    return work();
  }
  // Within freely: `work` on the device, which takes one caller at a time.
  template <typename Work>
  auto alone(const Work& work) {
    const std::lock_guard lock(mutex_);
    const KeptThreads kept;
    omp_set_num_threads(made_.threads);
    return work();
  }

 private:
  struct Made {
    std::unique_ptr<Device> device;
    int threads = 1;  // as make_device set them
  };
  static Made made(const std::string& device, int threads) {
    if (threads != 1) Threads::expect();
    const KeptThreads kept;
    std::unique_ptr<Device> one = make_device(device, {.threads = threads});
    return {std::move(one), omp_get_max_threads()};
  }
  Workplace(bool several, Made made) : several_(several), made_(std::move(made)) {}

  bool several_;
  Made made_;
  std::mutex mutex_;
};

}  // namespace melgrad
