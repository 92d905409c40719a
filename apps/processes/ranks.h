// The ranks of a command: this process alone, those that a launcher has started (apps/processes/launch.h), or
// threads of this process with a device each, which train one network together.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "engine/collective.h"
#include "engine/device_ranks.h"
#include "kernels/device.h"

namespace melgrad {

struct RankOptions {
  int ranks = 0;          // 1: alone; 0: with those that a launcher has started
  std::string devices;    // "cuda:0,cuda:1": threads of this process, a device each
  double patience = 120;  // seconds
};

void add_rank_options(CommandLine& command, RankOptions& options);

class Rank {
 public:
  // Of `hosts`. With GPUs these are joined by NCCL, else what is in the memory of hosts is exchanged.
  Rank(Settings& settings, Collective& hosts, double patience)
      : settings_(&settings), hosts_(&hosts), patience_(patience) {}

  // Opens the device, joins the others and does the work of this rank; what it throws ends all, told once.
  // Where all end for the same reason, the first rank tells it and has the exit code: a launcher ends the
  // others of one that fails.
  void run(const std::function<void(Rank&)>& work);

  Settings& settings() const { return *settings_; }
  Device& device() const { return *device_; }
  Collective& all() const { return joined_ ? *joined_ : *hosts_; }
  bool leads() const { return hosts_->rank() == 0; }
  // What rank 0 has, to all.
  std::string shared(std::string text);

 private:
  void open();

  Settings* settings_;
  Collective* hosts_;
  double patience_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Collective> joined_;
  bool told_ = false;  // whether anything was shared
};

// Does `work` as one rank, or as all that are threads of this process. On all but the first nothing is
// printed from here on. CPU threads are divided among the ranks of a machine. A rank of which nothing is
// heard for `patience` seconds ends all. Throws Error (usage) where copies of the program were started that
// would not know of each other.
void on_all_ranks(Settings& settings, const RankOptions& options, const std::function<void(Rank&)>& work);

}  // namespace melgrad
