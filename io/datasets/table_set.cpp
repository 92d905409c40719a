#include "io/datasets/table_set.h"

#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// "audio/48/948.low.mp3" -> "948"
std::string stem_of(const fs::path& file) {
  const fs::path stem = file.stem();
  return stem.extension() == ".low" ? stem.stem().string() : stem.string();
}

}  // namespace

TableSet::TableSet(std::string layout, fs::path table, const fs::path& root, const fs::path& audio,
                   std::vector<std::string> columns, bool ffmpeg)
    : layout_(std::move(layout)), table_(std::move(table)) {
  set_.root = root;
  set_.columns = std::move(columns);
  Walk found = walk(audio, ffmpeg);
  for (LeftOut& l : found.left_out) {
    unread_.insert(stem_of(l.name));
    set_.skipped.push_back(std::move(l));
  }
  for (fs::path& file : found.audio)
    if (!files_.emplace(stem_of(file), file).second) extra_.push_back(std::move(file));
}

void TableSet::add(Row row, bool expected) {
  ++rows_;
  const std::string stem = stem_of(row.file);
  const auto at = files_.find(stem);
  if (at == files_.end()) {
    if (expected && !unread_.contains(stem) && missing_++ == 0) first_missing_ = row.file;
    return;
  }
  if (row.labels.empty()) ++unlabelled_;
  else
    set_.tracks.push_back({at->second, name_below(at->second, set_.root), std::move(row.labels),
                           std::move(row.split), 0, std::move(row.columns)});
  files_.erase(at);
}

DataSet TableSet::finish() {
  const std::string table = table_.filename().string();
  const auto tell = [&](std::size_t files, const char* what) {
    if (files > 0)
      set_.notes.push_back(fmt::format("{} files have no {} in {} and are left out", files, what, table));
  };
  if (set_.tracks.empty())
    fail(ErrorKind::input, "{}: {}: no file below {} is one of its {} rows with a label{}", table_.string(),
         layout_, set_.root.string(), rows_, missing_ > 0 ? " (" + first_missing_ + ", ...)" : "");
  if (missing_ > 0)
    set_.skipped.push_back({table, fmt::format("{} of its {} rows have no audio file here (the first: {})",
                                               missing_, rows_, first_missing_)});
  for (const auto& [stem, file] : files_) extra_.push_back(file);
  for (const fs::path& file : extra_) set_.ignored.push_back(name_below(file, set_.root));
  set_classes();
  tell(unlabelled_, "label");
  tell(extra_.size(), "row of their own");
  return std::move(set_);
}

void TableSet::set_classes() {
  std::set<std::string> classes;
  std::map<std::string, std::size_t> splits;
  for (const Track& track : set_.tracks) {
    classes.insert(track.labels.begin(), track.labels.end());
    ++splits[track.split];
  }
  set_.classes.assign(classes.begin(), classes.end());
  std::string parts;
  if (!splits.contains(""))
    parts = fmt::format(": {} train, {} valid, {} test", splits["train"], splits["valid"], splits["test"]);
  set_.notes.push_back(fmt::format("{}: {} tracks of {} classes by {}{}", layout_, set_.tracks.size(),
                                   classes.size(), table_.string(), parts));
}

}  // namespace melgrad
