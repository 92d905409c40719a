// The data set a command is given: where it is and, for MagnaTagATune, what is chosen from it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "io/mtat.h"

namespace melgrad {

struct DataSetRequest {
  std::string path, protocol = "filtered", split_by = "folder";
  MtatOptions mtat;
  std::vector<const CLI::Option*> flags;  // those that only MagnaTagATune has
};

// The data as a required positional argument, or as the option `name`, and the flags.
void add_data_set_options(CLI::App& command, DataSetRequest& request, const std::string& name = "data");

// Opens it and prints its notes on stderr. Throws Error (usage) for a flag of MagnaTagATune with other data.
DataSet open_data_set(const DataSetRequest& request);

}  // namespace melgrad
