// Runs before the libraries are initialised, of which OpenBLAS would ask for ever for address space that
// there is not (kernels/cpu/blas_memory.h). Here is no C++ yet, and of C only what needs no initialisation.
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include "kernels/cpu/blas_memory.h"
#include "kernels/error.h"

namespace {

constexpr const char* kThreads = "OMP_NUM_THREADS=";
constexpr int kMostVariables = 4096;

// Starts the program once more, with so many threads for OpenBLAS to begin with; returns if it cannot.
void start_with_threads(int threads, char** argv, char** environment) {
  static char setting[32];
  static char* changed[kMostVariables + 2];
  int variables = 0;
  for (char** entry = environment; *entry != nullptr && variables < kMostVariables; ++entry) {
    if (std::strncmp(*entry, kThreads, std::strlen(kThreads)) != 0) changed[variables++] = *entry;
  }
  std::snprintf(setting, sizeof setting, "%s%d", kThreads, threads);
  changed[variables] = setting;
  ::execve("/proc/self/exe", argv, changed);
}

void leave_room_for_openblas(int /*argc*/, char** argv, char** environment) {
  const char* threads = nullptr;
  for (char** entry = environment; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, kThreads, std::strlen(kThreads)) == 0) threads = *entry + std::strlen(kThreads);
  }
  const int wanted = melgrad::blas_buffers_at_load(threads);
  const int room = melgrad::blas_buffers_with_room(wanted);
  if (room == wanted) return;
  if (room > 0) start_with_threads(room, argv, environment);
  constexpr char kLine[] =
      "melgrad: not enough address space (ulimit -v) to start: OpenBLAS takes 128 MiB for each thread; a "
      "higher limit\n";
  static_cast<void>(!::write(STDERR_FILENO, kLine, sizeof kLine - 1));
  ::_exit(static_cast<int>(melgrad::ErrorKind::device));
}

[[gnu::used, gnu::section(".preinit_array")]] void (*const kBefore)(int, char**,
                                                                    char**) = leave_room_for_openblas;

}  // namespace
