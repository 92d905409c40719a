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

// Where the interpreter ends while threads of its are at work here (daemons), it would end them as soon as
// they take its lock, in the middle of C++, and that would end the process. So it waits for what they do,
// with libraries that go with the process; those that come later stay where they are.
class AtWork {  // the guard of every call
 public:
  AtWork() {
    if (ended && std::this_thread::get_id() != ending_thread) {
      PyEval_SaveThread();
      for (;;) ::pause();
    }
    ++count;  // with Python's lock: end() sees it
  }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;
  ~AtWork() { --count; }

  // On the thread that ends the interpreter, before it does.
  static void end() {
    ending_thread = std::this_thread::get_id();
    ended = true;
    const nb::gil_scoped_release released;
    while (count > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // Whether what takes long is to stop.
  static bool ends() { return ended; }

 private:
  static inline std::atomic<bool> ended = false;
  static inline std::atomic<int> count = 0;
  static inline std::thread::id ending_thread;
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
    const nb::gil_scoped_release released;
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
