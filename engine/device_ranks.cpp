#include "engine/device_ranks.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace melgrad {
namespace {

[[noreturn]] void fail_unconnected(const char* what) {
  fail(ErrorKind::internal, "{}: ranks whose devices are not joined", what);
}

// The first rank's, known to all.
std::string common_meeting_point(Device& device, Collective& hosts) {
  if (!hosts.connected()) return device.meeting_point();  // the environment's, the same for all
  return broadcast_text(hosts, hosts.rank() == 0 ? device.meeting_point() : "");
}

}  // namespace

void NumberedRanks::all_to_all(Tensor, Tensor) { fail_unconnected("all_to_all"); }
void NumberedRanks::all_gather(Tensor, Tensor) { fail_unconnected("all_gather"); }
void NumberedRanks::broadcast(void*, std::size_t) { fail_unconnected("broadcast"); }
int NumberedRanks::agree(int) { fail_unconnected("agree"); }

void NumberedRanks::abort(const std::string& reason, int code) {
  tell_(reason);
  std::_Exit(code);
}

DeviceRanks::DeviceRanks(Device& device, Collective& hosts, double patience)
    : device_(&device),
      hosts_(&hosts),
      patience_(patience),
      passed_(device, {{&mine_, {kAtOnce}}, {&all_, {hosts.size() * kAtOnce}}}),
      host_(static_cast<std::size_t>(all_.numel())),
      joined_(device.join(common_meeting_point(device, hosts), hosts.rank(), hosts.size(),
                          [this](double seconds) { waits(seconds); })) {}

void DeviceRanks::waits(double seconds) {
  hosts_->expect_all();
  if (patience_ == 0 || patient_ || seconds < patience_) return;
  abort(fmt::format("rank {} has waited {:g} s for its device and those of others ({}): one hangs, or a "
                    "longer --collective-timeout",
                    rank(), patience_, for_),
        static_cast<int>(ErrorKind::device));
}

const char* DeviceRanks::gathered(const void* bytes, std::size_t count) {
  const auto floats = static_cast<std::int64_t>((count + sizeof(float) - 1) / sizeof(float));
  std::memcpy(host_.data(), bytes, count);
  const Tensor mine = mine_.span(0, floats, {floats}), all = all_.span(0, size() * floats, {size(), floats});
  device_->to_device(mine, host_.data());
  joined_->all_gather(mine, all);
  device_->to_host(host_.data(), all);
  return reinterpret_cast<const char*>(host_.data());
}

void DeviceRanks::broadcast(void* bytes, std::size_t count) {
  if (hosts_->connected()) return hosts_->broadcast(bytes, count);
  constexpr std::size_t kMost = kAtOnce * sizeof(float);
  patient_ = true;  // the first rank may have much to do before
  for (std::size_t at = 0; at < count; at += kMost) {
    const std::size_t piece = std::min(kMost, count - at);
    std::memcpy(static_cast<char*>(bytes) + at, gathered(static_cast<const char*>(bytes) + at, piece), piece);
  }
  patient_ = false;
}

int DeviceRanks::agree(int number) {
  if (hosts_->connected()) {
    const int largest = hosts_->agree(number);
    device_->synchronise();
    return largest;
  }
  const char* usual = std::exchange(for_, "agree");
  const char* all = gathered(&number, sizeof number);
  for_ = usual;
  int largest = number;
  for (int q = 0; q < size(); ++q, all += sizeof(float)) {
    int theirs = 0;
    std::memcpy(&theirs, all, sizeof theirs);
    largest = std::max(largest, theirs);
  }
  return largest;
}

}  // namespace melgrad
