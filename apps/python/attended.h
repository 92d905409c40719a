// Long work beside Python: on a thread of its own, while the thread that called waits for it. That one alone
// hears Ctrl-C and may call back.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "apps/python/workplace.h"

namespace melgrad {

class Attended {
 public:
  // Does `work`, and throws what it throws; where a callback or Ctrl-C raised something, that, once the work
  // has ended, which it is asked to.
  template <typename Work>
  void run(const Work& work) {
    std::thread worker([&] {
      try {
        work();
      } catch (...) {
        thrown_ = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      done_ = true;
      changed_.notify_all();
    });
    while (attend()) {
    }
    worker.join();
    if (raised_) std::rethrow_exception(raised_);
    if (thrown_) std::rethrow_exception(thrown_);
  }

  // For the worker. Whether it is to save and end.
  bool stops() const { return stops_ || AtWork::ends(); }
  // Does `call` on the thread that waits, which holds Python's lock then; not any more once the work is to
  // end.
  void call(std::function<void()> call) {
    std::unique_lock lock(mutex_);
    if (stops()) return;
    asked_ = std::move(call);
    changed_.notify_all();
    changed_.wait(lock, [&] { return !asked_; });
  }

 private:
  static constexpr std::chrono::milliseconds kHeartbeat{50};

  // Waits a little, then does what is asked and what Python has heard meanwhile. Whether work goes on.
  bool attend() {
    std::function<void()> call;
    {
      const nb::gil_scoped_release released;
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kHeartbeat, [&] { return done_ || asked_; });
      if (done_) return false;
      call = asked_;
    }
    if (stops_) return true;  // what else is heard while it saves changes nothing
    try {
      if (call) call();
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
    } catch (...) {
      raised_ = std::current_exception();
      answer(true);
      return true;
    }
    if (call) answer(false);
    return true;
  }
  void answer(bool stops) {
    const std::lock_guard lock(mutex_);
    stops_ = stops;
    asked_ = nullptr;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> asked_;  // by the worker, which waits until it is done
  std::exception_ptr thrown_, raised_;
  std::atomic<bool> stops_ = false;
  bool done_ = false;
};

}  // namespace melgrad
