#include "io/datasets/layouts.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "io/audio/audio.h"
#include "io/datasets/csv.h"
#include "io/datasets/layout_tables.h"
#include "io/datasets/mtat.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

std::string name_of(const fs::path& path) { return path.filename().string(); }

// ---- class folders ----------------------------------------------------------------------------------------

// What a folder of this name holds, if not a class.
const char* why_no_class(const fs::path& folder) {
  static const std::set<std::string> kFiles = {
      "audio",          "audios", "data", "dataset", "datasets", "wav",        "wavs",   "mp3",
      "mp3s",           "flac",   "ogg",  "au",      "aiff",     "clips",      "songs",  "tracks",
      "files",          "sounds", "raw",  "samples", "segments", "recordings", "genres", "genres_original",
      "images_original"};
  static const std::set<std::string> kParts = {"fold",  "split", "part", "cv",    "disc",   "disk",  "cd",
                                               "batch", "chunk", "set",  "shard", "bucket", "folder"};
  const std::string name = column_key(name_of(folder));
  const std::string digits = "0123456789";
  if (name.find_first_not_of(digits) == std::string::npos) return "numbers";
  if (!split_called(name).empty()) return "splits";
  if (kFiles.contains(name)) return "places of files";
  const std::string word = name.substr(0, name.find_last_not_of(digits + " _-") + 1);
  return word.size() < name.size() && kParts.contains(word) ? "folds or parts" : nullptr;
}

// What may help whoever gave a folder of which the folders are no classes, or that has none.
std::string hint(const fs::path& folder);

void refuse_no_classes(const fs::path& root, const std::vector<fs::path>& folders) {
  std::vector<fs::path> refused;
  std::string whys;
  for (const fs::path& folder : folders) {
    const char* why = why_no_class(folder);
    if (why == nullptr) continue;
    if (whys.find(why) == std::string::npos) whys.append(whys.empty() ? "" : ", ").append(why);
    refused.push_back(folder);
  }
  if (refused.empty()) return;
  fail(ErrorKind::input, "{}: {} {} ({}){}; --classes-are-folders takes every folder as one", root.string(),
       quoted_names(refused),
       refused.size() == 1 ? "is no class by its name" : "are no classes by their names", whys, hint(root));
}

// Folders below a class belong to it.
void add_class(const fs::path& folder, const std::string& split, bool ffmpeg, DataSet& set) {
  const std::string label = as_utf8(name_of(folder));
  const Walk found = walk(folder, ffmpeg);
  for (const fs::path& file : found.audio)
    set.tracks.push_back({file, name_below(file, set.root), {label}, split});
  for (const fs::path& file : found.others) set.ignored.push_back(name_below(file, set.root));
  const std::string prefix = name_below(folder, set.root) + "/";
  for (LeftOut l : found.left_out) {
    l.name.insert(0, prefix);
    set.skipped.push_back(std::move(l));
  }
  if (found.audio.empty()) {
    const std::string unread = not_read(found.left_out);
    fail(ErrorKind::input, "{}: class \"{}\" has no audio files{}; add some or remove the folder",
         folder.string(), label, unread.empty() ? "" : " that are read (" + unread + ")");
  }
  if (set.classes.empty() || set.classes.back() != label) set.classes.push_back(label);
}

// What lies beside the class folders.
void add_loose_files(const fs::path& folder, DataSet& set) {
  std::size_t audio = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_hidden(entry.path()) || entry.is_directory(error)) continue;
    audio += audio_kind(entry.path()) == AudioKind::none ? 0 : 1;
    set.ignored.push_back(name_below(entry.path(), set.root));
  }
  if (audio > 0)
    set.notes.push_back(fmt::format("{}: {} audio file{} in no class folder {} not used", folder.string(),
                                    audio, audio == 1 ? "" : "s", audio == 1 ? "is" : "are"));
}

DataSet open_class_folders(const fs::path& root, const DataSetOptions& options) {
  DataSet set;
  set.root = root;
  const std::vector<fs::path> folders = visible_folders(root);
  if (!options.classes_are_folders) refuse_no_classes(root, folders);
  for (const fs::path& folder : folders) add_class(folder, "", options.ffmpeg, set);
  std::sort(set.classes.begin(), set.classes.end());
  if (set.tracks.empty()) {
    fail(ErrorKind::input, "{}: no class folders with audio; expected <class>/<file>.wav or a manifest.csv{}",
         root.string(), hint(root));
  }
  add_loose_files(root, set);
  return set;
}

// ---- GTZAN ------------------------------------------------------------------------------------------------

// As published, and as Kaggle packs it beside pictures and tables.
std::optional<fs::path> gtzan_genres(const fs::path& folder) {
  for (const char* place : {"genres", "genres_original", "Data/genres_original", "Data/genres"}) {
    std::error_code error;
    if (fs::is_directory(folder / place, error) && !visible_folders(folder / place).empty())
      return folder / place;
  }
  return std::nullopt;
}

bool is_gtzan(const fs::path& folder) { return gtzan_genres(folder).has_value(); }

DataSet open_gtzan(const fs::path& folder, const DataSetOptions& options) {
  return open_class_folders(*gtzan_genres(folder), options);
}

// ---- train, valid and test over classes -------------------------------------------------------------------

bool is_split_folders(const fs::path& folder) {
  std::set<std::string> splits;
  std::vector<fs::path> others;
  for (const fs::path& part : visible_folders(folder)) {
    const std::string split = split_called(name_of(part));
    if (split.empty()) others.push_back(part);
    else if (!visible_folders(part).empty()) splits.insert(split);
  }
  return splits.contains("train") && splits.size() > 1 &&
         std::all_of(others.begin(), others.end(),
                     [](const auto& other) { return walk(other).audio.empty(); });
}

DataSet open_split_folders(const fs::path& folder, const DataSetOptions& options) {
  DataSet set;
  set.root = folder;
  std::map<std::string, std::set<std::string>> classes;  // of each split
  for (const fs::path& part : visible_folders(folder)) {
    const std::string split = split_called(name_of(part));
    if (split.empty()) continue;
    const std::vector<fs::path> folders = visible_folders(part);
    refuse_no_classes(part, folders);
    for (const fs::path& klass : folders) {
      add_class(klass, split, options.ffmpeg, set);
      classes[split].insert(set.classes.back());
    }
    add_loose_files(part, set);
  }
  add_loose_files(folder, set);
  std::sort(set.classes.begin(), set.classes.end());
  set.classes.erase(std::unique(set.classes.begin(), set.classes.end()), set.classes.end());
  for (const auto& [split, there] : classes)
    for (const std::string& klass : set.classes)
      if (!there.contains(klass))
        set.notes.push_back(
            fmt::format("{}: class \"{}\" has no tracks in {}", folder.string(), klass, split));
  return set;
}

// ---- which one it is --------------------------------------------------------------------------------------

DataSet open_mtat_folder(const fs::path& folder, const DataSetOptions& options) {
  return open_mtat(folder, options.mtat == nullptr ? MtatOptions{} : *options.mtat);
}

constexpr std::array<Layout, 8> kLayouts = {{
    {"MagnaTagATune", "annotations_final.csv", is_mtat, open_mtat_folder},
    {"FMA", "tracks.csv", is_fma, open_fma},
    {"UrbanSound8K", "urbansound8k.csv", is_urbansound8k, open_urbansound8k},
    {"ESC-50", "esc50.csv", is_esc50, open_esc50},
    {"MTG-Jamendo", "autotagging.tsv", is_jamendo, open_jamendo},
    {"NSynth", "examples.json", is_nsynth, open_nsynth},
    {"GTZAN", "", is_gtzan, open_gtzan},
    {"a split", "", is_split_folders, open_split_folders},
}};

const Layout* layout_of(const fs::path& folder) {
  const auto found =
      std::find_if(kLayouts.begin(), kLayouts.end(), [&](const Layout& l) { return l.is(folder); });
  return found == kLayouts.end() ? nullptr : &*found;
}

std::string hint(const fs::path& folder) {
  fs::path above = folder;
  for (int level = 0; level < 2; ++level) {
    above = folder_above(above);
    for (const Layout& layout : kLayouts)
      if (*layout.table != '\0' && layout.is(above))
        return fmt::format("; it is a part of {}: give {}", layout.name, above.string());
  }
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    if (is_table(entry->path()) && !is_hidden(entry->path()))
      return fmt::format("; if {} names the files and their labels, give that", entry->path().string());
  const std::vector<fs::path> folders = visible_folders(folder);
  return folders.size() == 1 && !visible_folders(folders[0]).empty()
             ? fmt::format("; if the classes are in {}, give that", folders[0].string())
             : "";
}

bool has_audio(const fs::path& folder) {
  return std::any_of(fs::directory_iterator(folder), fs::directory_iterator(), [](const auto& entry) {
    return !is_hidden(entry.path()) && audio_kind(entry.path()) != AudioKind::none;
  });
}

}  // namespace

DataSet open_folder(const fs::path& folder, const DataSetOptions& options) {
  constexpr int kWrappers = 3;  // folders that hold but one folder, as archives make them
  fs::path inner = folder;
  for (int i = 0; !options.classes_are_folders && i <= kWrappers; ++i) {
    if (const Layout* layout = layout_of(inner)) {
      DataSet set = layout->open(inner, options);
      if (set.root != folder && set.root != folder / "genres" && layout->open != open_mtat_folder)
        set.notes.insert(set.notes.begin(), fmt::format("{}: {}, read from {}", folder.string(), layout->name,
                                                        set.root.string()));
      return set;
    }
    const std::vector<fs::path> folders = visible_folders(inner);
    if (folders.size() != 1 || has_audio(inner)) break;
    inner = folders[0];
  }
  return open_class_folders(folder, options);
}

fs::path folder_of_table(const fs::path& file) {
  for (const Layout& layout : kLayouts) {
    if (column_key(name_of(file)) != layout.table) continue;
    if (layout.open == open_fma && !is_fma_table(file)) continue;  // many a manifest is called tracks.csv
    fs::path folder = file;
    for (int level = 0; level < 2; ++level) {
      folder = folder_above(folder);
      if (layout.is(folder) && !walk(folder, true).audio.empty()) return folder;  // not meta/ alone
    }
  }
  return {};
}

}  // namespace melgrad
