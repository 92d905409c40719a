// Opens whatever names a data set: a folder of a known one, of class folders, tar shards, or a table.
#pragma once

#include <filesystem>
#include <string>

#include "io/datasets/dataset.h"

namespace melgrad {

// Throws Error (input) that names the folder, class or manifest line: nothing there, a class without audio,
// no audio at all, a row that cannot be read, folders that are no classes.
DataSet open_data_set(const std::filesystem::path& path, const DataSetOptions& options = {});

// Whether `path` names a data set of sound, and no cache of features (io/arrays/cache.h). Throws Error
// (input) where there is neither.
bool names_sound(const std::string& path);

}  // namespace melgrad
