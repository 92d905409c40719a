#include "apps/launch.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "apps/terminal/interrupt.h"
#include "engine/mpi/mpi_ranks.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

const char* value_of(std::initializer_list<const char*> variables) {
  for (const char* variable : variables)
    if (const char* value = std::getenv(variable)) return value;
  return nullptr;
}

bool started_by_mpi() {
  return value_of({"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"}) != nullptr;
}

// How many copies a launcher says it has started; 1 if none does.
int copies(std::initializer_list<const char*> variables) {
  const char* value = value_of(variables);
  return value == nullptr ? 1 : number_in<int>(value).value_or(1);
}

// Beside the program as it is built, or where it is installed; "" if it is nowhere.
std::string mpi_library() {
  if (const char* named = std::getenv("MELGRAD_MPI")) return named;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {program, program / ".." / MELGRAD_LIBDIR / "melgrad"})
    if (const fs::path file = folder / "libmelgrad_mpi.so"; fs::exists(file)) return file.string();
  return "";
}

// Copies of the program that know nothing of each other would each train the same.
void expect_no_copies() {
  constexpr const char* kAlone = "--ranks 1 trains alone all the same";
  if (const int n = copies({"WORLD_SIZE"}); n > 1)
    fail(ErrorKind::usage, "WORLD_SIZE={}: on CPUs ranks are joined by MPI: mpirun -n {} melgrad ...; {}", n,
         n, kAlone);
  if (const int n = copies({"SLURM_STEP_NUM_TASKS"}); n > 1)
    fail(ErrorKind::usage, "SLURM_STEP_NUM_TASKS={}: srun --mpi=pmix joins the {} tasks; {}", n, n, kAlone);
}

// A launcher of another MPI than the library's starts as many that each believe to be alone.
void expect_all(const MpiRanks& joined, const std::string& library) {
  const int n = copies({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"});
  if (joined.size() == 1 && n > 1)
    fail(ErrorKind::usage, "started as one of {}, but {} finds no other: build it with the launcher's MPI", n,
         library);
}

}  // namespace

Ranks::Ranks(Settings& settings, double patience, bool alone_anyhow) {
  if (alone_anyhow) return;
  if (!started_by_mpi()) {
    expect_no_copies();
    return;
  }
  const std::string library = mpi_library();
  if (library.empty()) {
    if (copies({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) == 1) return;
    fail(ErrorKind::usage,
         "started by MPI, but there is no libmelgrad_mpi.so: install libopenmpi-dev and build again");
  }
  auto joined = std::make_unique<MpiRanks>(library, patience, [](const std::string& line) {
    screen::silence(false);
    say("melgrad: {}", line);
  });
  expect_all(*joined, library);
  if (settings.threads == 0)
    settings.threads =
        std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / joined->local_size());
  screen::silence(joined->rank() != 0);
  ranks_ = joined.get();
  joined_ = std::move(joined);
}

void Ranks::run(const std::function<void()>& work) const {
  if (ranks_->size() == 1) return work();
  const std::string name = leads() ? "" : fmt::format("rank {}: ", ranks_->rank());
  try {
    work();
  } catch (const Error& error) {
    // All ranks see a run diverge after the same step; the first finds out why, and tells.
    if (error.kind() == ErrorKind::diverged) {
      if (leads()) throw;
      return;
    }
    ranks_->abort(name + error.what(), static_cast<int>(error.kind()));
  } catch (const Interrupted& interrupted) {
    if (told_) throw;  // all have stopped after the same step
    ranks_->abort("interrupted: " + interrupted.message, kExitInterrupted);
  } catch (const std::exception& error) {
    ranks_->abort(name + error.what(), static_cast<int>(ErrorKind::internal));
  }
}

std::string Ranks::shared(std::string text) const {
  told_ = true;
  auto size = static_cast<std::uint64_t>(text.size());
  ranks_->broadcast(&size, sizeof size);
  text.resize(size);
  if (size > 0) ranks_->broadcast(text.data(), text.size());
  return text;
}

std::string launch_report() {
  const std::string library = mpi_library();
  std::string out = library.empty() ? "no libmelgrad_mpi.so" : library;
  if (started_by_mpi()) out += ", started by MPI";
  return out;
}

}  // namespace melgrad
