// Embeddings beside what is known of their tracks, as a cache whose bands are their numbers and whose frames
// are their rows, one for a track or one for each of its segments: so all that splits, trains and tests on
// caches does so on them.
#pragma once

#include "io/arrays/cache_content.h"
#include "models/embeddings/embedding_table.h"
#include "models/training/notes.h"

namespace melgrad {

struct DataSet;

// With the labels and columns that the table itself has. Tracks are sorted by name; those without a label
// are kept where others have several, else left out. Throws Error (input) if it has none.
Cache labelled(const EmbeddingTable& table, const Notes& notes = {});
// With those of a data set. Names go together as they stand, else as lists of names do
// (io/datasets/split.h). `notes` are told how many are in one of them alone; throws Error (input) if all are.
Cache labelled(const EmbeddingTable& table, const DataSet& set, const Notes& notes = {});

}  // namespace melgrad
