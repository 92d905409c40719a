// --part I/N: of the work that a command is given, the share of one of N processes that know nothing of each
// other.
#pragma once

#include <optional>
#include <string>

#include "apps/terminal/command_line.h"
#include "io/files/part.h"

namespace melgrad {

// `what` the parts are of, as "files". Nothing where the option is not given.
Option* add_part(CommandLine& command, std::optional<Part>& part, const std::string& what);

// "0/4" is the first of four, "auto" what the process's environment says: its place in a Slurm array or a
// Kubernetes indexed job, its rank under mpirun, srun or torchrun, or both, the array's tasks first. Throws
// Error (usage).
Part part_of(const std::string& text);
// What "auto" stands for; nothing where the environment says of no part. Throws Error (usage) where it is not
// clear.
std::optional<Part> part_of_environment();

// Refuses to do the whole of the work where a launcher of MPI has started several that would all do the same.
void expect_part(const std::optional<Part>& part);

}  // namespace melgrad
