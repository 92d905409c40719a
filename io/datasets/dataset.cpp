#include "io/datasets/dataset.h"

#include <algorithm>

#include "io/datasets/csv.h"
#include "io/datasets/layout_tables.h"
#include "io/datasets/layouts.h"
#include "io/datasets/manifest.h"
#include "io/files/encoding.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

DataSet open_table(const fs::path& path, const DataSetOptions& options) {
  if (is_jamendo_table(path)) return open_jamendo_table(path, options);
  const fs::path folder = folder_of_table(path);
  return folder.empty() ? open_manifest(path, options) : open_folder(folder, options);
}

// Whatever files and labels are called: from here on they are UTF-8.
void make_utf8(DataSet& set) {
  const auto one = [](std::string& name) {
    if (!is_utf8(name)) name = as_utf8(name);
  };
  const auto all = [&](Names& names) { std::for_each(names.begin(), names.end(), one); };
  for (Names* names : {&set.classes, &set.columns, &set.ignored, &set.notes}) all(*names);
  for (Track& track : set.tracks) {
    all(track.labels);
    all(track.columns);
    one(track.name);
  }
  for (LeftOut& l : set.skipped) one(l.name), one(l.reason);
}

// Only now names may be equal: "\xe9" may be one byte or four characters.
void leave_out_twins(DataSet& set) {
  const auto same = [](const Track& a, const Track& b) { return a.name == b.name; };
  for (auto at = set.tracks.begin();;) {
    at = std::adjacent_find(at, set.tracks.end(), same);
    if (at == set.tracks.end()) return;
    set.skipped.push_back({at->name, "another file has the same name, written as UTF-8; rename one"});
    at = set.tracks.erase(at);
  }
}

}  // namespace

std::size_t DataSet::class_index(const std::string& label) const {
  const auto at = std::find(classes.begin(), classes.end(), label);
  require(at != classes.end(), "DataSet: no class \"{}\"", label);
  return static_cast<std::size_t>(at - classes.begin());
}

ClassIndex::ClassIndex(const Names& classes) {
  positions_.reserve(classes.size());
  for (std::size_t i = 0; i < classes.size(); ++i) positions_.emplace(classes[i], i);
}

std::size_t ClassIndex::operator()(const std::string& label) const {
  const auto at = positions_.find(label);
  require(at != positions_.end(), "ClassIndex: no class \"{}\"", label);
  return at->second;
}

DataSet open_data_set(const fs::path& path, const DataSetOptions& options) {
  try {
    const auto status = fs::status(path);
    if (!fs::exists(status))
      fail(ErrorKind::input, "{}: no such file or folder; check the path", path.string());
    DataSet set = fs::is_directory(status) ? open_folder(path, options) : open_table(path, options);
    make_utf8(set);
    std::sort(set.ignored.begin(), set.ignored.end());
    std::sort(set.tracks.begin(), set.tracks.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    leave_out_twins(set);
    set.ffmpeg = options.ffmpeg;
    return set;
  } catch (const fs::filesystem_error& e) {
    fail(ErrorKind::input, "{}: {}; check the path and its permissions", e.path1().string(),
         e.code().message());
  }
}

void expect_files(const DataSet& set) {
  const auto is_there = [](const Track& track) {
    std::error_code error;
    return fs::exists(track.path, error);
  };
  if (set.tracks.empty() || std::any_of(set.tracks.begin(), set.tracks.end(), is_there)) return;
  fail(ErrorKind::input, "{}: there is none of the {} files; paths are relative to their table",
       set.tracks[0].path.string(), set.tracks.size());
}

bool is_table(const fs::path& path) {
  static const Names kTables = {".csv", ".tsv", ".tab", ".psv", ".txt"};
  return std::find(kTables.begin(), kTables.end(), column_key(path.extension().string())) != kTables.end();
}

std::string split_called(const std::string& name) {
  static const std::pair<const char*, Names> kSplits[] = {
      {"train", {"train", "training"}},
      {"valid", {"valid", "val", "validation", "validate", "dev", "development"}},
      {"test", {"test", "testing", "eval", "evaluation"}}};
  const std::string key = column_key(name);
  for (const auto& [split, names] : kSplits)
    if (std::find(names.begin(), names.end(), key) != names.end()) return split;
  return "";
}

}  // namespace melgrad
