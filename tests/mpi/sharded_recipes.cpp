// Every recipe at a quarter of its width in eight shards, as one rank of MPI's: prints what each ends with,
// which is the same for any number of ranks.
//   mpirun -n N sharded_recipes LIBMELGRAD_MPI
#include <cstdio>

#include "engine/mpi/mpi_ranks.h"
#include "io/files/hash.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/text.h"
#include "models/embedded.h"
#include "tests/models/training/sharded.h"

namespace {

using namespace melgrad;

// Of weights, moments, running statistics, counters and the figures of every epoch.
std::uint64_t digest_of(const Outcome& outcome) {
  std::vector<std::string> all;
  for (const auto& [name, array] : outcome.state.arrays)
    all.insert(all.end(), {name, fmt::format("{:016x}", xxh3(array.bytes))});
  for (const auto& [name, text] : outcome.state.text) all.insert(all.end(), {name, text});
  for (const double figure : outcome.figures) all.push_back(fmt::format("{:a}", figure));
  return xxh3_of_texts(all);
}

}  // namespace

int main(int, char** argv) {
  const auto tell = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  MpiRanks ranks(argv[1], 120, tell);
  const auto device = make_cpu_device({.threads = 1});
  for (const std::string& name : names_of(embedded_recipes())) {
    const Recipe recipe = narrow(name);
    std::uint64_t digest = digest_of(trained(*device, recipe, noise_for(recipe), ranks)), first = digest;
    ranks.broadcast(&first, sizeof first);
    if (digest != first) ranks.abort(fmt::format("{}: rank {} ends otherwise", name, ranks.rank()), 1);
    if (ranks.rank() == 0) std::printf("%s %016lx\n", name.c_str(), digest);
  }
}
