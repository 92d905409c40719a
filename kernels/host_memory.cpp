#include "kernels/host_memory.h"

#include <cstdio>
#include <fstream>
#include <limits>
#include <string>

namespace melgrad {

std::int64_t free_host_memory() {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);) {
    long long kilobytes = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %lld kB", &kilobytes) == 1) return kilobytes * 1024;
  }
  return std::numeric_limits<std::int64_t>::max();  // no limit that could be known
}

}  // namespace melgrad
