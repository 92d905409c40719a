// The ranks of a command: this process alone, or those that a launcher has started to train one network
// together.
#pragma once

#include <functional>
#include <memory>

#include "apps/terminal/cli.h"
#include "engine/collective.h"

namespace melgrad {

class Ranks {
 public:
  // By mpirun, or srun with PMI: joined by MPI; else alone, as with `alone_anyhow`. On all but rank 0 nothing
  // is printed from here on. CPU threads are divided among the ranks of a machine. A rank of which nothing is
  // heard for `patience` seconds ends all. Throws Error (usage) where copies of the program were started that
  // would not know of each other.
  Ranks(Settings& settings, double patience, bool alone_anyhow);

  Collective& operator*() const { return *ranks_; }
  Collective* operator->() const { return ranks_; }
  bool leads() const { return ranks_->rank() == 0; }
  // Does the work of this rank; what it throws ends all, told once. Where all end for the same reason, the
  // first rank tells it and has the exit code: a launcher ends the others of one that fails.
  void run(const std::function<void()>& work) const;
  // What rank 0 has, to all.
  std::string shared(std::string text) const;

 private:
  std::unique_ptr<Collective> joined_;
  Collective* ranks_ = &alone();
  mutable bool told_ = false;  // whether anything was shared
};

// For `info`: who started this process, and what ranks would be joined by.
std::string launch_report();

}  // namespace melgrad
