#include "apps/processes/part.h"

#include <cstdlib>
#include <initializer_list>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

// A count in a variable of the environment; nothing where it is not set.
std::optional<std::int64_t> count_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return {};
  const auto number = number_in<std::int64_t>(text);
  if (!number || *number < 0) fail(ErrorKind::usage, "--part auto: {}={} is no count", variable, text);
  return number;
}

std::int64_t need(const char* variable, const char* beside) {
  if (const auto number = count_in(variable)) return *number;
  fail(ErrorKind::usage, "--part auto: {} is set and {} is not", beside, variable);
}

// An array that was started again for some of its tasks counts these alone, and would divide the work in
// another way.
Part part_of_array(std::int64_t task) {
  const std::int64_t first = need("SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_ID"),
                     last = need("SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_ID"),
                     count = need("SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_ID");
  if (last - first + 1 != count || first != 0 || task < first || task > last)
    fail(ErrorKind::usage,
         "--part auto: {} tasks from {} to {} are no whole array from 0 on: set MELGRAD_PARTS to how many "
         "there are in all",
         count, first, last);
  return {task, count};
}

// Where a scheduler starts one process for each part.
Part part_of_jobs() {
  const auto parts = count_in("MELGRAD_PARTS");
  for (const char* index : {"SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"})
    if (const auto task = count_in(index)) {
      if (parts) return {*task, *parts};
      if (std::string(index) == "SLURM_ARRAY_TASK_ID") return part_of_array(*task);
      fail(ErrorKind::usage, "--part auto: {} is set; set MELGRAD_PARTS to the job's completions", index);
    }
  return {};
}

// Where a launcher starts several at once.
Part part_of_ranks() {
  struct Names {
    const char *rank, *size;
  };
  for (const auto& [rank, size] :
       {Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, Names{"PMI_RANK", "PMI_SIZE"},
        Names{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}, Names{"RANK", "WORLD_SIZE"}})
    if (const auto n = count_in(size)) return {need(rank, size), *n};
  return {};
}

Part checked(Part part, const std::string& text) {
  if (part.count < 1 || part.index >= part.count)
    fail(ErrorKind::usage, "--part {}: part {} of {}: parts are counted from 0, the last of N is N-1", text,
         part.index, part.count);
  return part;
}

}  // namespace

std::optional<Part> part_of_environment() {
  const Part jobs = checked(part_of_jobs(), "auto"), ranks = checked(part_of_ranks(), "auto");
  if (jobs.count * ranks.count == 1 && !std::getenv("SLURM_ARRAY_TASK_ID") &&
      !std::getenv("JOB_COMPLETION_INDEX") && !std::getenv("OMPI_COMM_WORLD_SIZE"))
    return {};
  return Part{jobs.index * ranks.count + ranks.index, jobs.count * ranks.count};
}

void expect_part(const std::optional<Part>& part) {
  if (part) return;
  for (const char* size : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const auto n = count_in(size); n && *n > 1)
      fail(ErrorKind::usage,
           "started as one of {}, which would all do the same: --part auto shares the work, --part 0/1 does "
           "all of it",
           *n);
}

Part part_of(const std::string& text) {
  if (text == "auto") {
    if (const auto part = part_of_environment()) return *part;
    fail(ErrorKind::usage,
         "--part auto: nothing in the environment says which: no Slurm array, Kubernetes index or launcher "
         "of several; --part I/N does");
  }
  const std::size_t slash = text.find('/');
  const auto index = number_in<std::int64_t>(text.substr(0, slash));
  const auto count =
      slash == std::string::npos ? std::nullopt : number_in<std::int64_t>(text.substr(slash + 1));
  if (!index || !count || *index < 0) fail(ErrorKind::usage, "--part {}: not I/N, as 0/4, nor auto", text);
  return checked({*index, *count}, text);
}

Option* add_part(CommandLine& command, std::optional<Part>& part, const std::string& what) {
  return command.add_option(
      "--part", [&part](const std::string& text) { part = part_of(text); },
      "do part I of N of the " + what +
          ", as 0/4 to 3/4; auto: by the place in a Slurm array, a Kubernetes indexed job (MELGRAD_PARTS "
          "says "
          "how many) or the rank of a launcher");
}

}  // namespace melgrad
