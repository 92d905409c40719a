// Manifests: tables with a header row (io/datasets/csv.h), a row for each file, in any order of columns:
//   path             relative to the manifest or absolute; also called file, filename, filepath, audio, ...
//   label or labels  one, or several separated by ';'; also genre, class, category, or tags, tag, genres
//   split            train, valid or test, or empty (also training, val, validation, testing)
//   fold, group, artist, album   for splits
// Several labels separated by | or , or written as ['a', 'b'] are understood where no label holds a ';'; what
// was understood otherwise than as it stands here is said in DataSet::notes.
#pragma once

#include "io/datasets/dataset.h"

namespace melgrad {

// Its tracks in the order of the rows. Throws Error (input) that names the line.
DataSet open_manifest(const std::filesystem::path& path, const DataSetOptions& options);

// What the column of paths may be called, our own name first.
const std::vector<std::string>& names_of_paths();
// "train", "valid", "test" or "", as a row states it. Throws Error (input), `where` first, for anything else.
std::string split_stated(const std::string& text, const std::string& where);

}  // namespace melgrad
