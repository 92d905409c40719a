// What libmelgrad_mpi.so gives: the one library that knows MPI. It is loaded where a launcher of MPI has
// started the program (engine/mpi/mpi_ranks.h), so the program itself starts where there is none, and a
// cluster builds this one file against an MPI of its own.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct MelgradMpiPlace {
  int rank, size;              // of all
  int local_rank, local_size;  // of those on this machine
};

// Joins the others; once, before anything else. Returns 0, or MPI's error.
int melgrad_mpi_start(struct MelgradMpiPlace* place);
// Sends out[q] to rank q and receives in[q] from there, `bytes` each; a null pointer: nothing that way.
// Returns -1, or after `patience` seconds (0: none) a rank of which nothing was heard.
int melgrad_mpi_exchange(const void* const* out, void* const* in, size_t bytes, double patience);
// Ends all ranks; the launcher returns `code`.
void melgrad_mpi_abort(int code);
// Leaves the others, who leave too.
void melgrad_mpi_end(void);

#ifdef __cplusplus
}
#endif
