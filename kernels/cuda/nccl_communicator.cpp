#include "kernels/cuda/nccl_communicator.h"

#include <chrono>
#include <cstring>
#include <exception>

#include "kernels/error.h"

namespace melgrad {
namespace {

void check_nccl(const Nccl& nccl, NcclComm* comm, int status, const char* call) {
  if (status == 0) return;
  const char* more = nccl.last_error == nullptr ? nullptr : nccl.last_error(comm);
  std::string reason = more == nullptr ? "" : more;
  while (!reason.empty() && reason.back() == '\n') reason.pop_back();
  fail(ErrorKind::device, "{}: {}{}{}; NCCL_DEBUG=WARN in the environment tells more", call,
       nccl.error_string(status), reason.empty() ? "" : ": ", reason);
}

}  // namespace

std::string NcclCommunicator::new_meeting_point(const Nccl& nccl) {
  NcclId id = {};
  check_nccl(nccl, nullptr, nccl.get_unique_id(&id), "ncclGetUniqueId");
  return {id.bytes, sizeof id.bytes};
}

NcclCommunicator::NcclCommunicator(const Nccl& nccl, Stream stream, const std::string& meeting_point,
                                   int rank, int size, std::function<void(double)> waiting,
                                   NcclCommunicator*& place)
    : nccl_(nccl), stream_(stream), size_(size), waiting_(std::move(waiting)), place_(&place) {
  NcclId id = {};
  require(meeting_point.size() == sizeof id.bytes, "NCCL: an id of {} bytes", meeting_point.size());
  std::memcpy(id.bytes, meeting_point.data(), sizeof id.bytes);
  check(nccl_.comm_init_rank(&comm_, size, id, rank), "ncclCommInitRank");
  place = this;
}

// Where something is thrown, others may not come here too, for whom ncclCommDestroy might wait.
NcclCommunicator::~NcclCommunicator() {
  *place_ = nullptr;
  if (abort_.joinable()) abort_.join();
  else if (std::uncaught_exceptions() > 0) nccl_.comm_abort(comm_);
  else nccl_.comm_destroy(comm_);
}

void NcclCommunicator::all_to_all(Tensor from, Tensor to) {
  const std::int64_t row = from.numel() / size_;
  const auto count = static_cast<std::size_t>(row);
  check(nccl_.group_start(), "ncclGroupStart");
  for (int q = 0; q < size_; ++q) {
    check(nccl_.send(from.f32() + q * row, count, kNcclFloat, q, comm_, stream_), "ncclSend");
    check(nccl_.receive(to.f32() + q * row, count, kNcclFloat, q, comm_, stream_), "ncclRecv");
  }
  check(nccl_.group_end(), "ncclGroupEnd");
}

void NcclCommunicator::all_gather(Tensor from, Tensor to) {
  check(nccl_.all_gather(from.f32(), to.f32(), static_cast<std::size_t>(from.numel()), kNcclFloat, comm_,
                         stream_),
        "ncclAllGather");
}

void NcclCommunicator::wait(const std::function<bool()>& done) {
  using Clock = std::chrono::steady_clock;
  const auto begun = Clock::now();
  const bool joined = !abort_.joinable();
  try {
    while (!done()) {
      if (joined) {
        int error = 0;
        check(nccl_.comm_get_async_error(comm_, &error), "ncclCommGetAsyncError");
        check(error, "NCCL");
        waiting_(std::chrono::duration<double>(Clock::now() - begun).count());
      }
      std::this_thread::yield();
    }
  } catch (...) {
    // Beside what follows here, for it ends the kernels that wait, but returns only when no recording has
    // any: what is thrown frees both.
    if (joined) abort_ = std::thread([this] { nccl_.comm_abort(comm_); });
    throw;
  }
}

void NcclCommunicator::check(int status, const char* call) const { check_nccl(nccl_, comm_, status, call); }

}  // namespace melgrad
