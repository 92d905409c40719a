#include "apps/processes/ranks.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

#include "apps/processes/launch.h"
#include "apps/terminal/interrupt.h"
#include "engine/mpi/mpi_ranks.h"
#include "engine/team.h"
#include "kernels/devices/make_device.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

void tell_anyhow(const std::string& line) {
  screen::silence(false);
  say("melgrad: {}", line);
}

int share_of_threads(int ranks) {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / ranks);
}

// A process that is one rank of a machine's: its device, its threads, whether it speaks.
void settle(Settings& settings, const Collective& ranks, int local_rank, int local_size) {
  settings.device = device_of_rank(settings.device, local_rank, local_size, gpu_count(),
                                   std::getenv("CUDA_VISIBLE_DEVICES") != nullptr);
  if (settings.threads == 0) settings.threads = share_of_threads(local_size);
  screen::silence(ranks.rank() != 0);
}

// Null where this is a process alone.
std::unique_ptr<Collective> joined_by_mpi(Settings& settings, double patience) {
  const std::string library = mpi_library();
  if (library.empty()) {
    if (copies_started() == 1) return nullptr;
    fail(ErrorKind::usage,
         "started by MPI, but there is no libmelgrad_mpi.so: install libopenmpi-dev and build again");
  }
  auto joined = std::make_unique<MpiRanks>(library, patience, tell_anyhow);
  // A launcher of another MPI than the library's starts as many that each believe to be alone.
  if (const int n = copies_started(); joined->size() == 1 && n > 1)
    fail(ErrorKind::usage, "started as one of {}, but {} finds no other: build it with the launcher's MPI", n,
         library);
  settle(settings, *joined, joined->local_rank(), joined->local_size());
  return joined;
}

// GPUs of processes that only have numbers; null where no launcher or no GPU is.
std::unique_ptr<Collective> numbered_gpus(Settings& settings) {
  const bool on_gpus = settings.device.starts_with("cuda") || (settings.device == "auto" && gpu_count() > 0);
  const auto started = on_gpus ? started_by_torchrun() : std::nullopt;
  if (!started) return nullptr;
  auto joined = std::make_unique<NumberedRanks>(started->rank, started->size, tell_anyhow);
  settle(settings, *joined, started->local_rank, started->local_size);
  ::setenv("NCCL_COMM_ID", started->meeting_point.c_str(), 0);
  return joined;
}

std::vector<std::string> devices_in(const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, end - at);
    names.push_back(name == "cuda" ? "cuda:0" : name);
    at = end + 1;
  }
  std::set<std::string> gpus;
  std::size_t cpus = 0;
  for (const std::string& name : names) {
    if (name == "cpu") ++cpus;
    else if (!name.starts_with("cuda:"))
      fail(ErrorKind::usage, "--devices {}: \"{}\" is none; as in cuda:0,cuda:1 or cpu,cpu", list, name);
    else if (!gpus.insert(name).second)
      fail(ErrorKind::usage, "--devices {}: {} stands there twice", list, name);
  }
  if (cpus > 0 && !gpus.empty())
    fail(ErrorKind::usage, "--devices {}: all CPUs, or all GPUs: they would not end with the same bits",
         list);
  return names;
}

void on_devices(const RankOptions& options, Settings& settings, const std::function<void(Rank&)>& work) {
  const std::vector<std::string> devices = devices_in(options.devices);
  if (settings.device != "auto")
    fail(ErrorKind::usage, "--devices {} names the devices of all ranks: leave --device {} out",
         options.devices, settings.device);
  if (const int n = copies_started(); n > 1)
    fail(ErrorKind::usage,
         "--devices {}: started as one of {} processes, which are ranks themselves: leave --devices out",
         options.devices, n);
  const auto size = static_cast<int>(devices.size());
  on_ranks(size, [&](Collective& ranks) {
    Settings own = settings;
    own.device = devices[static_cast<std::size_t>(ranks.rank())];
    if (own.threads == 0) own.threads = share_of_threads(size);
    Rank(own, ranks, options.patience).run(work);
    if (ranks.rank() == 0) settings.exit_code = own.exit_code;
  });
}

}  // namespace

void on_all_ranks(Settings& settings, const RankOptions& options, const std::function<void(Rank&)>& work) {
  if (!options.devices.empty()) return on_devices(options, settings, work);
  std::unique_ptr<Collective> joined;
  if (options.ranks != 1) {
    joined = started_by_mpi() ? joined_by_mpi(settings, options.patience) : numbered_gpus(settings);
    if (!joined && !started_by_mpi()) expect_no_copies();
  }
  Rank(settings, joined && joined->size() > 1 ? *joined : alone(), options.patience).run(work);
}

void Rank::open() {
  {
    static std::mutex one_at_a_time;  // they set up libraries of the process
    const std::lock_guard lock(one_at_a_time);
    device_ = open_device(*settings_);
  }
  if (hosts_ == &alone()) return;
  const int on_gpu = device_->is_host() ? 0 : 1;
  if (hosts_->connected() && hosts_->agree(on_gpu) != -hosts_->agree(-on_gpu))
    fail(ErrorKind::usage, "{}: some ranks compute on CPUs, others on GPUs: --device cpu, or cuda",
         device_->name());
  if (on_gpu == 1) joined_ = std::make_unique<DeviceRanks>(*device_, *hosts_, patience_);
}

void Rank::run(const std::function<void(Rank&)>& work) {
  if (hosts_->size() == 1) {
    open();
    return work(*this);
  }
  const std::string name = leads() ? "" : fmt::format("rank {}: ", hosts_->rank());
  try {
    open();
    work(*this);
  } catch (const Error& error) {
    // All ranks see a run diverge after the same step; the first finds out why, and tells.
    if (error.kind() == ErrorKind::diverged) {
      if (leads()) throw;
      return;
    }
    hosts_->abort(name + error.what(), static_cast<int>(error.kind()));
  } catch (const Interrupted& interrupted) {
    if (told_) throw;  // all have stopped after the same step
    hosts_->abort("interrupted: " + interrupted.message, kExitInterrupted);
  } catch (const std::exception& error) {
    hosts_->abort(name + error.what(), static_cast<int>(ErrorKind::internal));
  }
}

std::string Rank::shared(std::string text) {
  told_ = true;
  return broadcast_text(all(), std::move(text));
}

void add_rank_options(CommandLine& command, RankOptions& options) {
  Option* alone_anyhow =
      command
          .add_option("--ranks", options.ranks,
                      "1: train alone, whatever launcher has started this (0: with all that it started)")
          ->range(0, 1);
  command
      .add_option("--devices", options.devices,
                  "several GPUs of this machine, as cuda:0,cuda:1 (or cpu,cpu): a thread of this process "
                  "trains on each its part of a batch's train.shards")
      ->excludes(alone_anyhow);
  command
      .add_option("--collective-timeout", options.patience,
                  "seconds after which a rank of which nothing is heard ends all (0: never)")
      ->non_negative()
      ->capture_default_str();
}

}  // namespace melgrad
