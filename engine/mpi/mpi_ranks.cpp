#include "engine/mpi/mpi_ranks.h"

#include <algorithm>
#include <dlfcn.h>

#include "engine/mpi/melgrad_mpi.h"
#include "kernels/error.h"

namespace melgrad {

struct MpiRanks::Library {
  explicit Library(const std::string& path) {
    // MPI looks for its own parts among what the program has loaded.
    handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (handle == nullptr)
      fail(ErrorKind::device,
           "{}: cannot be loaded ({}); build it with MPI's development package, or name it in "
           "MELGRAD_MPI",
           path, ::dlerror());
    find(start, "melgrad_mpi_start");
    find(exchange, "melgrad_mpi_exchange");
    find(abort, "melgrad_mpi_abort");
    find(end, "melgrad_mpi_end");
    if (const int error = start(&place); error != 0)
      fail(ErrorKind::device, "MPI does not start: error {}", error);
  }

  template <typename Function>
  void find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(::dlsym(handle, name));
    if (function == nullptr) fail(ErrorKind::device, "libmelgrad_mpi.so has no {}: build it again", name);
  }

  void* handle;
  MelgradMpiPlace place = {};
  decltype(melgrad_mpi_start)* start = nullptr;
  decltype(melgrad_mpi_exchange)* exchange = nullptr;
  decltype(melgrad_mpi_abort)* abort = nullptr;
  decltype(melgrad_mpi_end)* end = nullptr;
};

MpiRanks::MpiRanks(const std::string& library, double patience, std::function<void(const std::string&)> tell)
    : library_(std::make_unique<Library>(library)), patience_(patience), tell_(std::move(tell)) {}

MpiRanks::~MpiRanks() { library_->end(); }

int MpiRanks::rank() const { return library_->place.rank; }
int MpiRanks::size() const { return library_->place.size; }
int MpiRanks::local_rank() const { return library_->place.local_rank; }
int MpiRanks::local_size() const { return library_->place.local_size; }

void MpiRanks::exchange(const char* what, const std::vector<const void*>& out, const std::vector<void*>& in,
                        std::size_t bytes, double patience) {
  const int missing = library_->exchange(out.data(), in.data(), bytes, patience);
  if (missing >= 0)
    abort(fmt::format("rank {} was not heard of for {:g} s by rank {} ({}): it hangs, or a "
                      "longer --collective-timeout",
                      missing, patience, rank(), what),
          static_cast<int>(ErrorKind::device));
}

void MpiRanks::all_to_all(Tensor from, Tensor to) {
  std::vector<const void*> out;
  std::vector<void*> in;
  const std::int64_t row = from.bytes() / size();
  for (int q = 0; q < size(); ++q) {
    out.push_back(static_cast<const char*>(from.data) + q * row);
    in.push_back(static_cast<char*>(to.data) + q * row);
  }
  exchange("all_to_all", out, in, static_cast<std::size_t>(row), patience_);
}

void MpiRanks::all_gather(Tensor from, Tensor to) {
  const std::vector<const void*> out(static_cast<std::size_t>(size()), from.data);
  std::vector<void*> in;
  for (int q = 0; q < size(); ++q) in.push_back(static_cast<char*>(to.data) + q * from.bytes());
  exchange("all_gather", out, in, static_cast<std::size_t>(from.bytes()), patience_);
}

void MpiRanks::broadcast(void* bytes, std::size_t count) {
  std::vector<const void*> out(static_cast<std::size_t>(size()), rank() == 0 ? bytes : nullptr);
  std::vector<void*> in(static_cast<std::size_t>(size()), nullptr);
  if (rank() != 0) in[0] = bytes;
  exchange("broadcast", out, in, count, 0);
}

int MpiRanks::agree(int number) {
  const std::vector<const void*> out(static_cast<std::size_t>(size()), &number);
  std::vector<int> all(static_cast<std::size_t>(size()));
  std::vector<void*> in;
  for (int& one : all) in.push_back(&one);
  exchange("agree", out, in, sizeof number, patience_);
  return *std::max_element(all.begin(), all.end());
}

void MpiRanks::abort(const std::string& reason, int code) {
  tell_(reason);
  library_->abort(code);
}

}  // namespace melgrad
