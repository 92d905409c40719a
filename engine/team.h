// Ranks that are threads of one process, each with a device of its own. all_to_all and all_gather are of what
// is in the memory of the host; GPUs join by engine/device_ranks.h.
#pragma once

#include <functional>

#include "engine/collective.h"

namespace melgrad {

// Does `work` on `size` threads at once, each as one rank, and waits for all. The first error that one of
// them throws, or aborts with, ends the others where they next meet, and is thrown here.
void on_ranks(int size, const std::function<void(Collective& ranks)>& work);

}  // namespace melgrad
