// The experiments of `melgrad reproduce`, a file each.
#pragma once

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"

namespace melgrad {

void register_reproduce_dong2018(CommandLine& reproduce, Settings& settings);
void register_reproduce_gtzan(CommandLine& reproduce, Settings& settings);
void register_reproduce_mtat(CommandLine& reproduce, Settings& settings);

}  // namespace melgrad
