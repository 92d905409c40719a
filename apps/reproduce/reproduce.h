// The experiments of `melgrad reproduce`, a file each.
#pragma once

#include "apps/terminal/cli.h"

namespace melgrad {

void register_reproduce_dong2018(CLI::App& reproduce, Settings& settings);
void register_reproduce_mtat(CLI::App& reproduce, Settings& settings);

}  // namespace melgrad
