#include "io/datasets/open_data_set.h"

#include <algorithm>

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

}  // namespace melgrad
