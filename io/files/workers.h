// Workers: a loop over independent items (files to decode) on several threads. Items are handed out one by
// one in order, so at most `threads` of them are in work; the calling thread is one of the workers. `stop` is
// asked before each item: true ends the hand-out and lets the items in work finish.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <vector>

namespace melgrad {

struct ItemFailure {
  std::size_t index = 0;
  std::exception_ptr error;
};

// threads: 0 = all cores. Returns the items whose call threw, in order of their index; the others go on.
std::vector<ItemFailure> parallel_collect(std::size_t count, int threads,
                                          const std::function<void(std::size_t)>& work,
                                          const std::function<bool()>& stop = {});

// The same, but the first failure stops the loop; of the failures so far the one with the lowest index is
// thrown.
void parallel_for_each(std::size_t count, int threads, const std::function<void(std::size_t)>& work,
                       const std::function<bool()>& stop = {});

}  // namespace melgrad
