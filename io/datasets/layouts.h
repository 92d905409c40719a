// Folders of audio: known data sets as they are published or packed, and class folders. io/README.md has the
// table of what is known.
#pragma once

#include <filesystem>

#include "io/datasets/dataset.h"
#include "io/datasets/folder.h"

namespace melgrad {

struct Layout {
  const char* name;
  const char* table;  // the file that names its tracks, "" if there is none
  bool (*is)(const Folder& folder);
  DataSet (*open)(const Folder& folder, const DataSetOptions& options);
};

// Opens the known data set in `folder`, or in the only folder that it holds; else its folders are the
// classes, or, where there are not several, what lies beside each file says its label (samples.h). Throws
// Error (input) that names folders that can be no classes.
DataSet open_folder(const Folder& folder, const DataSetOptions& options);

// The folder of the known data set that `file` is the table of; empty if it is none.
std::filesystem::path folder_of_table(const std::filesystem::path& file);

}  // namespace melgrad
