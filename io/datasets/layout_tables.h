// Known data sets whose tracks a table names. Files are found by their names, wherever they lie below the
// folder and whatever format they were converted to; rows without a file and files without a row are told.
#pragma once

#include <filesystem>

#include "io/datasets/dataset.h"

namespace melgrad {

// FMA: folders 000 to 155 here or in fma_small and the like, tracks.csv in fma_metadata beside, above or
// here. Classes are genre_top, the split is set/split; columns artist and album.
bool is_fma(const std::filesystem::path& folder);
// By its header of two rows, ",album,album,...".
bool is_fma_table(const std::filesystem::path& file);
DataSet open_fma(const std::filesystem::path& folder, const DataSetOptions& options);

// UrbanSound8K: metadata/UrbanSound8K.csv; columns fold and group (the recording).
bool is_urbansound8k(const std::filesystem::path& folder);
DataSet open_urbansound8k(const std::filesystem::path& folder, const DataSetOptions& options);

// ESC-50: meta/esc50.csv; columns fold and group (the recording).
bool is_esc50(const std::filesystem::path& folder);
DataSet open_esc50(const std::filesystem::path& folder, const DataSetOptions& options);

// MTG-Jamendo: autotagging*.tsv here or in data/, audio in folders 00 to 99; tags as "genre---rock"; columns
// artist and album. Three tables *-train.tsv, *-validation.tsv, *-test.tsv are a split.
bool is_jamendo(const std::filesystem::path& folder);
DataSet open_jamendo(const std::filesystem::path& folder, const DataSetOptions& options);
bool is_jamendo_table(const std::filesystem::path& file);
DataSet open_jamendo_table(const std::filesystem::path& file, const DataSetOptions& options);

// NSynth: examples.json, or folders nsynth-train, -valid and -test with one each, which are the split.
// Classes are the instruments' families; column group is the instrument.
bool is_nsynth(const std::filesystem::path& folder);
DataSet open_nsynth(const std::filesystem::path& folder, const DataSetOptions& options);

// The folder above, also of "x/" and ".".
std::filesystem::path folder_above(const std::filesystem::path& folder);
// Whether there are folders, and all have names of that many digits.
bool all_numbered(const std::vector<std::filesystem::path>& folders, std::size_t digits);
// "000", "001", "002" and 153 more
std::string quoted_names(const std::vector<std::filesystem::path>& paths);

}  // namespace melgrad
