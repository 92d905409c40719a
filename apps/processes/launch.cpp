#include "apps/processes/launch.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "apps/processes/part.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAlone = "--ranks 1 trains alone all the same";

const char* value_of(std::initializer_list<const char*> variables) {
  for (const char* variable : variables)
    if (const char* value = std::getenv(variable)) return value;
  return nullptr;
}

int number_of(const char* variable, int otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : number_in<int>(value).value_or(otherwise);
}

}  // namespace

bool started_by_mpi() {
  return value_of({"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"}) != nullptr;
}

int copies_started() {
  for (const char* of_mpi : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const int n = number_of(of_mpi, 0); n > 0) return n;
  return std::max({1, number_of("WORLD_SIZE", 1), number_of("SLURM_STEP_NUM_TASKS", 1)});
}

std::string mpi_library() {
  if (const char* named = std::getenv("MELGRAD_MPI")) return named;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {program, program / ".." / MELGRAD_LIBDIR / "melgrad"})
    if (const fs::path file = folder / "libmelgrad_mpi.so"; fs::exists(file)) return file.string();
  return "";
}

std::optional<Torchrun> started_by_torchrun() {
  const int size = number_of("WORLD_SIZE", 1);
  if (size <= 1) return std::nullopt;
  const auto number = [&](const char* variable, int end) {
    const int value = number_of(variable, -1);
    if (value < 0 || value >= end)
      fail(ErrorKind::usage, "WORLD_SIZE={}, but {} is no number from 0 to {}: torchrun sets it; {}", size,
           variable, end - 1, kAlone);
    return value;
  };
  Torchrun out;
  out.size = size;
  out.rank = number("RANK", size);
  out.local_rank = number("LOCAL_RANK", size);
  out.local_size = std::max(number_of("LOCAL_WORLD_SIZE", 1), out.local_rank + 1);
  const char* host = std::getenv("MASTER_ADDR");
  if (host == nullptr)
    fail(ErrorKind::usage, "WORLD_SIZE={}, but no MASTER_ADDR: torchrun sets it; {}", size, kAlone);
  out.meeting_point = fmt::format("{}:{}", host, number("MASTER_PORT", 65535) + 1);
  return out;
}

void expect_no_copies() {
  if (const int n = number_of("WORLD_SIZE", 1); n > 1)
    fail(ErrorKind::usage, "WORLD_SIZE={}: on CPUs ranks are joined by MPI: mpirun -n {} melgrad ...; {}", n,
         n, kAlone);
  if (const int n = number_of("SLURM_STEP_NUM_TASKS", 1); n > 1)
    fail(ErrorKind::usage, "SLURM_STEP_NUM_TASKS={}: srun --mpi=pmix joins the {} tasks; {}", n, n, kAlone);
}

std::string device_of_rank(const std::string& asked, int local_rank, int local_size, int gpus, bool given) {
  if (asked.starts_with("cuda:")) {
    if (local_size > 1)
      fail(ErrorKind::usage, "--device {}: {} ranks on this machine would share it; --device cuda", asked,
           local_size);
    return asked;
  }
  if ((asked != "auto" && asked != "cuda") || gpus == 0) return asked;
  if (gpus == 1 && given) return "cuda:0";
  if (local_size > gpus)
    fail(ErrorKind::usage, "{} ranks on this machine, which has {} GPUs: each takes one; or --device cpu",
         local_size, gpus);
  return fmt::format("cuda:{}", local_rank);
}

std::string launch_report() {
  const std::string library = mpi_library();
  std::string out = library.empty() ? "no libmelgrad_mpi.so" : library;
  if (!library.empty() && !fs::exists(library)) out += " (no such file)";
  if (started_by_mpi()) out += ", started by MPI";
  if (const int n = copies_started(); n > 1) out += fmt::format(", one of {} processes", n);
  try {
    if (const auto part = part_of_environment())
      out += fmt::format(", --part auto: {}/{}", part->index, part->count);
  } catch (const Error& error) {
    out += fmt::format(", {}", error.what());
  }
  return out;
}

}  // namespace melgrad
