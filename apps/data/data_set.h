// The data set a command is given: where it is, how it is read and, for MagnaTagATune, what is chosen from
// it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "io/datasets/mtat.h"

namespace melgrad {

struct DataSetRequest {
  std::string path, protocol = "filtered", split_by = "folder";
  MtatOptions mtat;
  bool classes_are_folders = false;  // as in DataSetOptions
  std::string group;                 // a column of a manifest to take along
  std::string columns;               // a table of columns to attach (io/datasets/column_table.h)
  bool splits = false;  // whether the command uses columns (fold, group) itself and tells which it does not
  bool labels_optional = false;      // as in DataSetOptions
  std::vector<const Option*> flags;  // those that only MagnaTagATune has
};

inline constexpr const char* kDataHelp =
    "folder of class folders or of train, valid and test over them; the folder of GTZAN, FMA, UrbanSound8K, "
    "ESC-50, MTG-Jamendo, NSynth or MagnaTagATune as published; tar shards of class folders or of "
    "WebDataset's "
    "samples (*.tar, *.tar.gz, ..., - for one on standard input); or a table with columns path and label "
    "(csv, "
    "tsv, txt)";
void add_classes_are_folders(CommandLine& command, bool& classes_are_folders);
// What several paths name as one: the tar shards (io/datasets/tar_shards.h) or the parts of a cache
// (io/files/part.h) that a shell made of a pattern. Throws Error (usage), and (input) for what is not there.
std::string data_named(const std::vector<std::string>& paths);
// "data": one path, or several that data_named takes.
Option* add_data(CommandLine& command, std::string& path, const std::string& about);
// The data as a required positional argument, or as the option `name`, and the flags.
void add_data_set_options(CommandLine& command, DataSetRequest& request, const std::string& name = "data",
                          const std::string& help = kDataHelp);

// --columns: the table.
void add_columns(CommandLine& command, std::string& path);

// Throws Interrupted after Ctrl-C: asked while shards are unpacked.
void stop_opening();

// Opens it and prints its notes on stderr, and what is not read. Throws Error (usage) for a flag of
// MagnaTagATune with other data.
DataSet open_data_set(const DataSetRequest& request, const Settings& settings);

// --mix: how channels become one. Given to `take` as features.mix names it.
void add_mix(CommandLine& command, const std::function<void(const std::string&)>& take);

// "m4a" -> 6, of what is not read for its kind (io/datasets/walk.h).
nlohmann::ordered_json not_read_json(const std::vector<LeftOut>& left_out);

}  // namespace melgrad
