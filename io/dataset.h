// Data sets: which audio files there are and what their labels are. Four layouts are recognised:
//   * GTZAN: a folder with genres/<genre>/<file>, or that genres folder itself;
//   * any folder of class folders (deeper folders belong to their class);
//   * a CSV manifest with a header row: path, then label or labels (several, separated by ';'), then an
//     optional split (train, valid or test); quoting as in RFC 4180; paths relative to the manifest;
//   * MagnaTagATune's folder, told by its annotations_final.csv (io/mtat.h): clips with several tags.
// Tracks are sorted by name, so the order does not depend on the file system. Hidden files are left out;
// files without an audio extension are left out and listed. Nothing is decoded here: io/scan.h does that.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace melgrad {

struct Track {
  std::filesystem::path path;       // to open
  std::string name;                 // unique and stable: "jazz/jazz.00054.wav", with '/' on every system
  std::vector<std::string> labels;  // one in a folder tree; none or several are possible in a manifest
  std::string split;                // "", "train", "valid" or "test"
  double min_seconds = 0;           // audio that decodes to less is damaged
};

// A row or file that cannot be used, and why; `name` is a track's or a place in a table.
struct LeftOut {
  std::string name, reason;
};

struct DataSet {
  std::filesystem::path root;        // what the names are relative to
  std::vector<std::string> classes;  // sorted, or as the data set ranks its tags; a label is an index here
  std::vector<Track> tracks;         // sorted by name
  std::vector<std::string> ignored;  // names of other files, or manifest columns, that play no part
  std::vector<LeftOut> skipped;      // what should be a track and cannot be
  std::vector<std::string> notes;    // what a reader of the results should know, a line each

  // Position of a label in `classes`, which must hold it.
  std::size_t class_index(const std::string& label) const;
};

// Throws Error (input) that names the folder, class or manifest line: nothing there, a class without audio,
// no audio at all, a row that cannot be read.
DataSet open_data_set(const std::filesystem::path& path);
// The same with choices for MagnaTagATune, which no other layout has.
struct MtatOptions;
DataSet open_data_set(const std::filesystem::path& path, const MtatOptions& mtat);

}  // namespace melgrad
