#include "io/dataset.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "io/audio.h"
#include "io/csv.h"
#include "io/mtat.h"
#include "kernels/error.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> visible_folders(const fs::path& root) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory() && !hidden(entry.path())) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::string name_of(const fs::path& file, const fs::path& root) {
  return file.lexically_relative(root).generic_string();
}

// Folders below a class are followed, links to folders are not: they could lead in a circle.
void add_class(const fs::path& folder, DataSet& set) {
  const std::string label = folder.filename().string();
  const std::size_t before = set.tracks.size();
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    if (hidden(it->path())) {
      if (it->is_directory()) it.disable_recursion_pending();
    } else if (has_audio_extension(it->path()) && !it->is_directory()) {
      set.tracks.push_back({it->path(), name_of(it->path(), set.root), {label}, ""});
    } else if (!it->is_directory()) {
      set.ignored.push_back(name_of(it->path(), set.root));
    }
  }
  if (set.tracks.size() == before) {
    fail(ErrorKind::input, "{}: class \"{}\" has no audio files; add some or remove the folder",
         folder.string(), label);
  }
  set.classes.push_back(label);
}

DataSet open_tree(const fs::path& path) {
  DataSet set;
  set.root = path;
  if (fs::is_directory(path / "genres") && !visible_folders(path / "genres").empty())
    set.root = path / "genres";
  for (const fs::path& folder : visible_folders(set.root)) add_class(folder, set);
  for (const auto& entry : fs::directory_iterator(set.root)) {
    if (!entry.is_directory() && !hidden(entry.path()))
      set.ignored.push_back(name_of(entry.path(), set.root));
  }
  if (set.tracks.empty()) {
    fail(ErrorKind::input, "{}: no class folders with audio; expected <class>/<file>.wav or a manifest.csv",
         path.string());
  }
  return set;
}

// Positions of the manifest's columns.
struct Columns {
  std::size_t path, labels;
  std::optional<std::size_t> split;
  bool label_required;  // the column is called "label"
};

Columns read_header(const std::string& manifest, const CsvRow& header, DataSet& set) {
  std::map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < header.fields.size(); ++i) {
    const std::string& name = header.fields[i];
    if (!at.emplace(name, i).second) {
      fail(ErrorKind::input, "{}:{}: column \"{}\" stands twice; remove one", manifest, header.line, name);
    }
    if (name != "path" && name != "label" && name != "labels" && name != "split") {
      set.ignored.push_back("column \"" + name + "\"");
    }
  }
  if (!at.contains("path") || at.contains("label") == at.contains("labels")) {
    fail(ErrorKind::input, "{}:{}: the header needs \"path\" and one of \"label\" and \"labels\"", manifest,
         header.line);
  }
  const bool single = at.contains("label");
  return {at["path"], at[single ? "label" : "labels"],
          at.contains("split") ? std::optional(at["split"]) : std::nullopt, single};
}

std::vector<std::string> split_labels(const std::string& text) {
  std::vector<std::string> labels;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(';', from), text.size());
    std::string label = text.substr(from, to - from);
    label.erase(0, std::min(label.find_first_not_of(' '), label.size()));
    label.erase(label.find_last_not_of(' ') + 1);
    if (!label.empty() && std::find(labels.begin(), labels.end(), label) == labels.end()) {
      labels.push_back(label);
    }
    from = to + 1;
  }
  return labels;
}

Track read_row(const std::string& where, const CsvRow& row, const Columns& columns, const fs::path& root) {
  const fs::path file = fs::path(row.fields[columns.path]).lexically_normal();
  if (file.empty()) fail(ErrorKind::input, "{}: the path is empty; name a file", where);
  Track track{root / file, file.generic_string(), split_labels(row.fields[columns.labels]), ""};
  if (track.labels.empty() && columns.label_required) {
    fail(ErrorKind::input, "{}: no label; name one, or call the column \"labels\"", where);
  }
  if (columns.split) track.split = row.fields[*columns.split];
  for (const char* known : {"", "train", "valid", "test"}) {
    if (track.split == known) return track;
  }
  fail(ErrorKind::input, "{}: split \"{}\"; it must be train, valid, test or empty", where, track.split);
}

DataSet open_manifest(const fs::path& path) {
  DataSet set;
  set.root = path.parent_path();
  const std::vector<CsvRow> rows = read_csv(path);
  if (rows.size() < 2) fail(ErrorKind::input, "{}: no rows; expected path,label,split", path.string());
  const Columns columns = read_header(path.string(), rows[0], set);
  std::unordered_map<std::string, std::size_t> line_of;
  line_of.reserve(rows.size());
  std::set<std::string> classes;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::string where = fmt::format("{}:{}", path.string(), rows[i].line);
    if (rows[i].fields.size() != rows[0].fields.size()) {
      fail(ErrorKind::input, "{}: {} fields, the header has {}; quote fields that contain commas", where,
           rows[i].fields.size(), rows[0].fields.size());
    }
    Track track = read_row(where, rows[i], columns, set.root);
    const auto [first, is_new] = line_of.emplace(track.name, rows[i].line);
    if (!is_new) {
      fail(ErrorKind::input, "{}: {} is listed before in line {}; remove one", where, track.name,
           first->second);
    }
    classes.insert(track.labels.begin(), track.labels.end());
    set.tracks.push_back(std::move(track));
  }
  if (classes.empty()) fail(ErrorKind::input, "{}: no track has a label", path.string());
  set.classes.assign(classes.begin(), classes.end());
  return set;
}

}  // namespace

std::size_t DataSet::class_index(const std::string& label) const {
  const auto at = std::find(classes.begin(), classes.end(), label);
  require(at != classes.end(), "DataSet: no class \"{}\"", label);
  return static_cast<std::size_t>(at - classes.begin());
}

DataSet open_data_set(const fs::path& path) { return open_data_set(path, {}); }

DataSet open_data_set(const fs::path& path, const MtatOptions& mtat) {
  try {
    const auto status = fs::status(path);
    if (!fs::exists(status))
      fail(ErrorKind::input, "{}: no such file or folder; check the path", path.string());
    if (is_mtat(path)) return open_mtat(path, mtat);
    DataSet set = fs::is_directory(status) ? open_tree(path) : open_manifest(path);
    std::sort(set.classes.begin(), set.classes.end());
    std::sort(set.ignored.begin(), set.ignored.end());
    std::sort(set.tracks.begin(), set.tracks.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return set;
  } catch (const fs::filesystem_error& e) {
    fail(ErrorKind::input, "{}: {}; check the path and its permissions", e.path1().string(),
         e.code().message());
  }
}

}  // namespace melgrad
