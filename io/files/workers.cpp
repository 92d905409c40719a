#include "io/files/workers.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace melgrad {
namespace {

std::vector<ItemFailure> run(std::size_t count, int threads, const std::function<void(std::size_t)>& work,
                             const std::function<bool()>& stop, bool first_failure_stops) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> stopped = false;
  std::mutex mutex;
  std::vector<ItemFailure> failures;
  std::exception_ptr no_memory;  // not even to note a failure
  const auto worker = [&] {
    while (!stopped && !(stop && stop())) {
      const std::size_t index = next++;
      if (index >= count) return;
      try {
        work(index);
      } catch (...) {
        const std::lock_guard lock(mutex);
        try {
          failures.push_back({index, std::current_exception()});
          if (first_failure_stops) stopped = true;
        } catch (const std::bad_alloc&) {
          no_memory = std::current_exception();
          stopped = true;
        }
      }
    }
  };

  const std::size_t wanted =
      threads > 0 ? static_cast<std::size_t>(threads) : std::thread::hardware_concurrency();
  std::vector<std::jthread> helpers;
  try {
    while (helpers.size() + 1 < std::min(wanted, count)) helpers.emplace_back(worker);
  } catch (const std::system_error&) {
    // The system gives no more threads: those we have do the work.
  }
  worker();
  helpers.clear();  // joins
  if (no_memory) std::rethrow_exception(no_memory);
  std::sort(failures.begin(), failures.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  return failures;
}

}  // namespace

std::vector<ItemFailure> parallel_collect(std::size_t count, int threads,
                                          const std::function<void(std::size_t)>& work,
                                          const std::function<bool()>& stop) {
  return run(count, threads, work, stop, false);
}

void parallel_for_each(std::size_t count, int threads, const std::function<void(std::size_t)>& work,
                       const std::function<bool()>& stop) {
  const auto failures = run(count, threads, work, stop, true);
  if (!failures.empty()) std::rethrow_exception(failures.front().error);
}

}  // namespace melgrad
