// How much memory this machine could still give.
#pragma once

#include <cstdint>

namespace melgrad {

// Bytes of host memory that are free or could be freed at once, as Linux says (MemAvailable).
std::int64_t free_host_memory();

}  // namespace melgrad
