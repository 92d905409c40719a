#include "io/datasets/dataset.h"

#include <algorithm>

#include "io/datasets/csv.h"
#include "io/files/hash.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {

std::size_t DataSet::class_index(const std::string& label) const {
  const auto at = std::find(classes.begin(), classes.end(), label);
  require(at != classes.end(), "DataSet: no class \"{}\"", label);
  return static_cast<std::size_t>(at - classes.begin());
}

ClassIndex::ClassIndex(const std::vector<std::string>& classes) {
  positions_.reserve(classes.size());
  for (std::size_t i = 0; i < classes.size(); ++i) positions_.emplace(classes[i], i);
}

std::size_t ClassIndex::operator()(const std::string& label) const {
  const auto at = positions_.find(label);
  require(at != positions_.end(), "ClassIndex: no class \"{}\"", label);
  return at->second;
}

void keep_part(DataSet& set, Part part) {
  std::vector<std::string> all = set.classes;
  const auto add = [&](const std::vector<std::string>& texts) {
    all.insert(all.end(), texts.begin(), texts.end());
  };
  add(set.columns);
  std::vector<Track> mine;
  for (std::size_t i = 0; i < set.tracks.size(); ++i) {
    Track& track = set.tracks[i];
    add({track.name, track.split, std::to_string(track.labels.size())});
    add(track.labels);
    add(track.columns);
    if (part.has(i)) mine.push_back(std::move(track));
  }
  set.tracks = std::move(mine);
  if (part.index > 0) set.skipped.clear();
  set.part = {part, xxh3_of_texts(all)};
}

void expect_files(const DataSet& set) {
  const auto is_there = [](const Track& track) { return track.path.exists(); };
  if (set.tracks.empty() || std::any_of(set.tracks.begin(), set.tracks.end(), is_there)) return;
  fail(ErrorKind::input, "{}: there is none of the {} files; paths are relative to their table",
       set.tracks[0].path.string(), set.tracks.size());
}

bool is_table(const std::filesystem::path& path) {
  static const std::vector<std::string> kTables = {".csv", ".tsv", ".tab", ".psv", ".txt"};
  return std::find(kTables.begin(), kTables.end(), column_key(path.extension().string())) != kTables.end();
}

std::string split_called(const std::string& name) {
  static const std::pair<const char*, std::vector<std::string>> kSplits[] = {
      {"train", {"train", "training"}},
      {"valid", {"valid", "val", "validation", "validate", "dev", "development"}},
      {"test", {"test", "testing", "eval", "evaluation"}}};
  const std::string key = column_key(name);
  for (const auto& [split, names] : kSplits)
    if (std::find(names.begin(), names.end(), key) != names.end()) return split;
  return "";
}

}  // namespace melgrad
