// Samples as WebDataset has them: what belongs together has one key, the name up to its extensions, and lies
// beside it: 0001.flac, 0001.cls, 0001.json. Labels and all else that is known of an audio file are read from
//   .cls   a class by its name or number, one line;
//   .json  "label", "genre" or "class": one or a list; else "tags" or "labels": a list; and "split", "fold",
//          "group", "artist", "album", whatever says the label;
//   .txt   a class in one line.
// One of them says the labels of all: the first in this order that says one at all. To an audio file belongs
// the neighbour whose name it begins with, the longest: of a.b.flac a.b.flac.cls, a.b.cls, then a.cls.
#pragma once

#include "io/datasets/dataset.h"
#include "io/datasets/folder.h"

namespace melgrad {

// Its tracks; none if no neighbour says a label. Tracks without one are left out and told.
DataSet open_samples(const Folder& folder, const DataSetOptions& options);

}  // namespace melgrad
