#include "engine/mpi/melgrad_mpi.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

// Not MPI's C++, which is no more.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

namespace {

constexpr int kTag = 1;
constexpr std::size_t kPiece = std::size_t{1} << 30;  // bytes of a message, whose count is an int

// Requests of one exchange, and whom each is with.
struct Requests {
  std::vector<MPI_Request> open;
  std::vector<int> with;

  void add(int rank, std::size_t bytes, const auto& start) {
    for (std::size_t at = 0; at < bytes; at += kPiece) {
      with.push_back(rank);
      start(at, static_cast<int>(std::min(kPiece, bytes - at)), &open.emplace_back());
    }
  }
};

}  // namespace

int melgrad_mpi_start(MelgradMpiPlace* place) {
  int level = 0;
  if (const int error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level); error != MPI_SUCCESS)
    return error;
  MPI_Comm_rank(MPI_COMM_WORLD, &place->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &place->size);
  MPI_Comm here;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, place->rank, MPI_INFO_NULL, &here);
  MPI_Comm_rank(here, &place->local_rank);
  MPI_Comm_size(here, &place->local_size);
  MPI_Comm_free(&here);
  return 0;
}

int melgrad_mpi_exchange(const void* const* out, void* const* in, size_t bytes, double patience) {
  int self = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &self);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (out[self] != nullptr && in[self] != nullptr && out[self] != in[self])
    std::memmove(in[self], out[self], bytes);
  Requests requests;
  for (int k = 1; k < ranks; ++k) {  // each with another at a time
    const int from = (self + ranks - k) % ranks, to = (self + k) % ranks;
    if (in[from] != nullptr)
      requests.add(from, bytes, [&](std::size_t at, int count, MPI_Request* request) {
        MPI_Irecv(static_cast<char*>(in[from]) + at, count, MPI_BYTE, from, kTag, MPI_COMM_WORLD, request);
      });
    if (out[to] != nullptr)
      requests.add(to, bytes, [&](std::size_t at, int count, MPI_Request* request) {
        MPI_Isend(static_cast<const char*>(out[to]) + at, count, MPI_BYTE, to, kTag, MPI_COMM_WORLD, request);
      });
  }
  const auto count = static_cast<int>(requests.open.size());
  const double begun = MPI_Wtime();
  for (int done = 0;;) {
    MPI_Testall(count, requests.open.data(), &done, MPI_STATUSES_IGNORE);
    if (done != 0) return -1;
    if (patience > 0 && MPI_Wtime() - begun > patience) break;
    std::this_thread::yield();
  }
  for (std::size_t i = 0; i < requests.open.size(); ++i) {
    int done = 0;
    MPI_Test(&requests.open[i], &done, MPI_STATUS_IGNORE);
    if (done == 0) return requests.with[i];
  }
  return -1;
}

void melgrad_mpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

void melgrad_mpi_end(void) { MPI_Finalize(); }
