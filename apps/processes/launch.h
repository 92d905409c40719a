// Who has started this process, and as which of how many: what the environment says. What is done with it:
// apps/processes/ranks.h.
#pragma once

#include <optional>
#include <string>

namespace melgrad {

// By mpirun, or srun with PMI; MPI itself knows the rest.
bool started_by_mpi();
// How many copies of the program a launcher says it has started, MPI's before others; 1 if none does.
int copies_started();
// libmelgrad_mpi.so beside the program as it is built, or where it is installed; "" if it is nowhere.
std::string mpi_library();

// By torchrun, or what sets its variables.
struct Torchrun {
  int rank, size;              // of all
  int local_rank, local_size;  // of those on this machine
  std::string meeting_point;   // host:port for NCCL_COMM_ID: the port behind torchrun's own
};
// Nothing if WORLD_SIZE says 1 or nothing. Throws Error (usage) where another variable is missing.
std::optional<Torchrun> started_by_torchrun();

// Copies that know nothing of each other would each train the same: Error (usage).
void expect_no_copies();

// The device of one rank of `local_size` on a machine with so many GPUs, when `asked` is what --device says:
// a GPU of its own, where GPUs are asked for or there. `given`: the launcher shows each rank its own GPUs
// only (CUDA_VISIBLE_DEVICES). Throws Error (usage) where ranks would have to share one.
std::string device_of_rank(const std::string& asked, int local_rank, int local_size, int gpus, bool given);

// For `info`: who started this process, and what ranks would be joined by.
std::string launch_report();

}  // namespace melgrad
