#include "io/datasets/open_data_set.h"

#include <algorithm>

#include "io/arrays/cache_parts.h"
#include "io/datasets/layout_tables.h"
#include "io/datasets/layouts.h"
#include "io/datasets/manifest.h"
#include "io/datasets/tar_shards.h"
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

DataSet open_unlabelled(const Folder& folder, const DataSetOptions& options) {
  DataSet set;
  set.root = folder.path();
  Walk found = folder.walk(options.ffmpeg);
  for (const fs::path& file : found.audio)
    set.tracks.push_back({folder.file(file), name_below(file, set.root), {}, ""});
  set.skipped = std::move(found.left_out);
  return set;
}

DataSet open_shards(const std::string& data, const DataSetOptions& options) {
  const auto shards = std::make_shared<const TarShards>(data, options.stop);
  const Folder folder(shards);
  DataSet set;
  try {
    set = open_folder(folder, options);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input) throw;
    if (!options.labels_optional) {
      const auto& out = shards->left_out;
      if (out.empty()) throw;
      fail(ErrorKind::input, "{}; left out: {}, the first {}: {}", e.what(), out.size(), out[0].name,
           out[0].reason);
    }
    set = open_unlabelled(folder, options);
    set.notes.push_back(std::string("note: taken as files without labels: ") + e.what());
  }
  set.notes.insert(set.notes.begin(), shards->notes.begin(), shards->notes.end());
  set.skipped.insert(set.skipped.end(), shards->left_out.begin(), shards->left_out.end());
  return set;
}

DataSet open_path(const fs::path& path, const DataSetOptions& options) {
  if (names_shards(path.string())) return open_shards(path.string(), options);
  const auto status = fs::status(path);
  if (!fs::exists(status))
    fail(ErrorKind::input, "{}: no such file or folder; check the path", path.string());
  return fs::is_directory(status) ? open_folder(path, options) : open_table(path, options);
}

}  // namespace

DataSet open_data_set(const fs::path& path, const DataSetOptions& options) {
  try {
    DataSet set = open_path(path, options);
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

bool names_sound(const std::string& path) {
  if (names_shards(path)) return true;
  if (!fs::exists(path)) {
    if (has_cache(path)) return false;
    fail(ErrorKind::input, "{}: no such file or folder", path);
  }
  return !fs::is_regular_file(path) || is_table(path);
}

}  // namespace melgrad
