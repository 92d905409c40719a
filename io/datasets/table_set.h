// A known data set as its table is read row by row (io/datasets/layout_tables.h).
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/datasets/dataset.h"

namespace melgrad {

class TableSet {
 public:
  // Files are looked for below `audio`; names are relative to `root`.
  TableSet(std::string layout, std::filesystem::path table, const std::filesystem::path& root,
           const std::filesystem::path& audio, std::vector<std::string> columns, bool ffmpeg);

  struct Row {
    std::string file;  // its name; folders and format play no part
    std::vector<std::string> labels;
    std::string split;
    std::vector<std::string> columns;  // as DataSet::columns
  };
  // A row without a file is told, unless it is of a part of the data set that nobody expects here.
  void add(Row row, bool expected = true);

  // Throws Error (input) if no row has a file.
  DataSet finish();

 private:
  void set_classes();

  std::string layout_;
  std::filesystem::path table_;
  DataSet set_;
  std::map<std::string, std::filesystem::path> files_;  // that no row has named yet, by their stems
  std::set<std::string> unread_;                        // stems of what is left out already
  std::vector<std::filesystem::path> extra_;
  std::size_t rows_ = 0, missing_ = 0, unlabelled_ = 0;
  std::string first_missing_;
};

}  // namespace melgrad
