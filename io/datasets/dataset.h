// Data sets: which audio files there are and what their labels are. What is read:
//   * a folder of a folder per class (deeper folders belong to their class); folders whose names are numbers,
//     splits, folds or "audio" and the like are no classes;
//   * the folders of known data sets as they are published or packed (io/datasets/layouts.h,
//   io/datasets/mtat.h);
//   * tar shards that hold such a folder, or WebDataset's samples (io/datasets/tar_shards.h, samples.h);
//   * a manifest: a table with a header row that names each file and its label or labels
//   (io/datasets/manifest.h).
// Tracks are sorted by name, so the order does not depend on the file system. Names and labels are UTF-8
// whatever the files are called; paths stay as they are. What is not used is listed: hidden files never,
// files that are no audio in `ignored`, all else in `skipped`. Nothing is decoded here: io/datasets/scan.h
// does that.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/datasets/walk.h"
#include "io/files/file_part.h"
#include "io/files/part.h"

namespace melgrad {

struct Track {
  FilePart path;                    // to open
  std::string name;                 // unique and stable: "jazz/jazz.00054.wav", with '/' on every system
  std::vector<std::string> labels;  // one in a folder tree; none or several are possible in a manifest
  std::string split;                // "", "train", "valid" or "test"
  double min_seconds = 0;           // audio that decodes to less is damaged
  std::vector<std::string> columns = {};  // its values, as DataSet::columns
};

struct DataSet {
  std::filesystem::path root;        // what the names are relative to
  std::vector<std::string> classes;  // sorted, or as the data set ranks its tags; a label is an index here
  std::vector<Track> tracks;         // sorted by name
  std::vector<std::string> columns;  // what else is known of each track: "fold", "artist", ...
  std::vector<std::string> ignored;  // names of other files, or manifest columns, that play no part
  std::vector<LeftOut> skipped;      // what should be a track and cannot be
  std::vector<std::string> notes;    // what a reader of the results should know, a line each
  bool ffmpeg = false;               // whether it holds what only ffmpeg decodes
  std::optional<PartOf> part;        // which of its tracks these are, where not all

  // Position of a label in `classes`, which must hold it; for many use ClassIndex.
  std::size_t class_index(const std::string& label) const;
};

// Positions of labels, each found in the same time however many there are.
class ClassIndex {
 public:
  explicit ClassIndex(const std::vector<std::string>& classes);
  std::size_t operator()(const std::string& label) const;  // must be one of the classes

 private:
  std::unordered_map<std::string, std::size_t> positions_;
};

struct MtatOptions;
struct DataSetOptions {
  const MtatOptions* mtat = nullptr;  // choices that only MagnaTagATune has
  bool classes_are_folders = false;   // every folder is a class, whatever it is called
  bool ffmpeg = false;                // what only ffmpeg decodes counts as audio (io/datasets/walk.h)
  std::string group = {};             // a column of a manifest to take along besides kColumns
  bool labels_optional = false;       // shards that say no labels are tracks without them
  std::function<void()> stop = {};    // asked while shards are opened; what it throws ends that
};
// Columns of a manifest that are taken along, for splits.
inline constexpr const char* kColumns[] = {"fold", "group", "artist", "album"};

// Leaves the part's share of the tracks; what was skipped is the first part's.
void keep_part(DataSet& set, Part part);
// Throws Error (input) if there is none of its files at all, as when a table names them from another place.
void expect_files(const DataSet& set);

// Whether the name is that of a table: csv, tsv, txt, ...
bool is_table(const std::filesystem::path& path);
// "train", "valid" or "test" for what people call them ("Training", "val", "dev", ...); "" for anything else.
std::string split_called(const std::string& name);

}  // namespace melgrad
