#include "tests/sim/sim_nccl.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "kernels/error.h"

namespace melgrad {
namespace {

enum Status { kSuccess = 0, kSystemError = 2, kInvalidUsage = 5 };

thread_local bool t_recording = false;
thread_local std::string t_error;

Status refuse(std::string reason) {
  t_error = std::move(reason);
  return kInvalidUsage;
}

// One copy that a rank takes part in.
struct Transfer {
  int peer;
  std::size_t count;
  const void* from;
  void* to;
};

// What a rank has issued.
struct Call {
  std::string text;
  std::vector<Transfer> sends, receives;
};

// The ranks of one communicator.
class Group {
 public:
  explicit Group(int size) : calls_(static_cast<std::size_t>(size)) {}
  int size() const { return static_cast<int>(calls_.size()); }

  // Returns when all have come and the copies are made.
  Status meet(int rank, Call call) {
    std::unique_lock lock(mutex_);
    calls_[static_cast<std::size_t>(rank)] = std::move(call);
    const auto turn = turn_;
    if (++here_ == size()) {
      wrong_ = perform();
      here_ = 0;
      ++turn_;
      all_here_.notify_all();
    } else if (!all_here_.wait_for(lock, std::chrono::seconds(20), [&] { return turn_ != turn; })) {
      t_error = "not all ranks came";
      return kSystemError;
    }
    return wrong_.empty() ? kSuccess : refuse(wrong_);
  }
  std::vector<std::string> done() {
    const std::lock_guard lock(mutex_);
    return done_;
  }

 private:
  // What is wrong with the calls, or "".
  std::string perform() {
    for (const Call& call : calls_)
      if (call.text != calls_[0].text)
        return fmt::format("ranks call {} and {} at once", calls_[0].text, call.text);
    for (int rank = 0; rank < size(); ++rank)
      for (const Transfer& send : calls_[static_cast<std::size_t>(rank)].sends) {
        const auto& receives = calls_[static_cast<std::size_t>(send.peer)].receives;
        const auto receive =
            std::find_if(receives.begin(), receives.end(), [&](const Transfer& r) { return r.peer == rank; });
        if (receive == receives.end() || receive->count != send.count)
          return fmt::format("rank {} does not receive what {} sends", send.peer, rank);
        std::memmove(receive->to, send.from, send.count * sizeof(float));
      }
    done_.push_back(calls_[0].text);
    return "";
  }

  std::mutex mutex_;
  std::condition_variable all_here_;
  int here_ = 0;
  std::uint64_t turn_ = 0;
  std::vector<Call> calls_;
  std::string wrong_;
  std::vector<std::string> done_;
};

std::mutex g_mutex;
std::map<std::string, std::shared_ptr<Group>> g_groups;
std::shared_ptr<Group> g_last;
int g_ids = 0;

}  // namespace

struct NcclComm {
  std::shared_ptr<Group> group;
  int rank;
};

namespace {

// What was issued since ncclGroupStart.
struct Pending {
  bool open = false;
  NcclComm* comm = nullptr;
  Call call;
};
thread_local Pending t_pending;

Status not_recorded(const char* call) {
  return t_recording ? refuse(fmt::format("{} while recording", call)) : kSuccess;
}

Status issue(NcclComm* comm, Call call) {
  if (t_recording) call.text += " recorded";
  return comm->group->meet(comm->rank, std::move(call));
}

int get_unique_id(NcclId* id) {
  if (const Status wrong = not_recorded("ncclGetUniqueId")) return wrong;
  const std::lock_guard lock(g_mutex);
  const char* place = std::getenv("NCCL_COMM_ID");
  const std::string text = place != nullptr ? place : "id " + std::to_string(++g_ids);
  std::memcpy(id->bytes, text.c_str(), text.size() + 1);
  return kSuccess;
}

int comm_init_rank(NcclComm** comm, int size, NcclId id, int rank) {
  if (const Status wrong = not_recorded("ncclCommInitRank")) return wrong;
  std::shared_ptr<Group> group;
  {
    const std::lock_guard lock(g_mutex);
    auto& there = g_groups[id.bytes];
    if (!there) there = std::make_shared<Group>(size);
    group = g_last = there;
  }
  if (group->size() != size) return refuse("ranks differ in how many they are");
  *comm = new NcclComm{group, rank};
  return group->meet(rank, {"init", {}, {}});
}

int end(NcclComm* comm) {
  if (const Status wrong = not_recorded("ncclCommDestroy")) return wrong;
  const std::lock_guard lock(g_mutex);
  std::erase_if(g_groups, [&](const auto& entry) { return entry.second == comm->group; });
  delete comm;
  return kSuccess;
}

int get_async_error(NcclComm* /*comm*/, int* error) {
  if (const Status wrong = not_recorded("ncclCommGetAsyncError")) return wrong;
  *error = kSuccess;
  return kSuccess;
}

int group_start() {
  t_pending = {};
  t_pending.open = true;
  return kSuccess;
}

// Outside a group a rank would wait for the other to receive before it receives itself.
int pend(NcclComm* comm, const char* what, bool sends, const Transfer& transfer, int type) {
  if (!t_pending.open || type != kNcclFloat) return refuse(fmt::format("{} alone, or of another type", what));
  t_pending.comm = comm;
  t_pending.call.text +=
      fmt::format("{}{} {} {}", t_pending.call.text.empty() ? "" : ", ", what, transfer.peer, transfer.count);
  (sends ? t_pending.call.sends : t_pending.call.receives).push_back(transfer);
  return kSuccess;
}

int send(const void* from, std::size_t count, int type, int to, NcclComm* comm, Stream /*stream*/) {
  return pend(comm, "send", true, {to, count, from, nullptr}, type);
}

int receive(void* to, std::size_t count, int type, int from, NcclComm* comm, Stream /*stream*/) {
  return pend(comm, "receive", false, {from, count, nullptr, to}, type);
}

int group_end() {
  if (!t_pending.open) return refuse("ncclGroupEnd without a start");
  const Pending done = std::exchange(t_pending, {});
  return done.comm == nullptr ? kSuccess : issue(done.comm, done.call);
}

int all_gather(const void* from, void* to, std::size_t count, int type, NcclComm* comm, Stream /*stream*/) {
  if (type != kNcclFloat) return refuse("another type");
  Call call{fmt::format("all_gather {}", count), {}, {}};
  for (int q = 0; q < comm->group->size(); ++q) {
    call.sends.push_back({q, count, from, nullptr});
    call.receives.push_back(
        {q, count, nullptr, static_cast<float*>(to) + static_cast<std::size_t>(q) * count});
  }
  return issue(comm, call);
}

}  // namespace

Nccl sim_nccl() {
  Nccl nccl;
  nccl.version = "simulated";
  nccl.error_string = [](int status) { return status == kInvalidUsage ? "invalid usage" : "system error"; };
  nccl.last_error = [](NcclComm*) { return t_error.c_str(); };
  nccl.get_unique_id = get_unique_id;
  nccl.comm_init_rank = comm_init_rank;
  nccl.comm_get_async_error = get_async_error;
  nccl.comm_abort = end;
  nccl.comm_destroy = end;
  nccl.group_start = group_start;
  nccl.group_end = group_end;
  nccl.send = send;
  nccl.receive = receive;
  nccl.all_gather = all_gather;
  return nccl;
}

std::vector<std::string> sim_nccl_calls() {
  const std::lock_guard lock(g_mutex);
  return g_last->done();
}

SimRecorded::SimRecorded() { t_recording = true; }
SimRecorded::~SimRecorded() { t_recording = false; }
void SimRecorded::expect_not(const char* call) { require(!t_recording, "{} while recording", call); }

}  // namespace melgrad
