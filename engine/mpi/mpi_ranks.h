// Ranks that are processes, started by a launcher of MPI, with devices in the memory of their hosts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/collective.h"

namespace melgrad {

class MpiRanks final : public Collective {
 public:
  // Joins the others by way of libmelgrad_mpi.so at `library`. A rank of which nothing is heard for
  // `patience` seconds while others wait ends all. `tell` is given the line that a rank ends all with. Throws
  // Error (device) where the library or MPI cannot be loaded.
  MpiRanks(const std::string& library, double patience, std::function<void(const std::string&)> tell);
  ~MpiRanks() override;
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;

  int rank() const override;
  int size() const override;
  int local_rank() const;  // of the ranks on this machine
  int local_size() const;

  void all_to_all(Tensor from, Tensor to) override;
  void all_gather(Tensor from, Tensor to) override;
  // Waits for rank 0 as long as it takes.
  void broadcast(void* bytes, std::size_t count) override;
  int agree(int number) override;
  void abort(const std::string& reason, int code) override;

 private:
  struct Library;
  void exchange(const char* what, const std::vector<const void*>& out, const std::vector<void*>& in,
                std::size_t bytes, double patience);

  std::unique_ptr<Library> library_;
  double patience_;
  std::function<void(const std::string&)> tell_;
};

}  // namespace melgrad
