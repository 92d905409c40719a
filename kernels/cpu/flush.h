// Numbers below 1.2e-38, which a float holds with fewer bits only, cost some processors a hundred cycles
// each. Weights that decay while they are trained are full of them: of a published tagger's first convolution
// they made an operation 90 times as slow. So the CPU's operations take and leave them as 0. A caller's own
// arithmetic does not notice: the mode is a thread's, and what called an operation has it back afterwards.
// OpenMP's threads, which work for it, keep it.
#pragma once

#include <omp.h>
#include <xmmintrin.h>

namespace melgrad {

class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) {
    _mm_setcsr(before_ | kFlush);
    // Threads have the mode of the one that made them; those that are there already are told once.
    thread_local int told = 1;
    if (const int threads = omp_get_max_threads(); told < threads) {
#pragma omp parallel num_threads(threads)
      _mm_setcsr(_mm_getcsr() | kFlush);
      told = threads;
    }
  }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  static constexpr unsigned kFlush = 0x8040;  // of results (FTZ) and of operands (DAZ)
  unsigned before_;
};

}  // namespace melgrad
