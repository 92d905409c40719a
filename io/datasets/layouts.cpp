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
#include "io/datasets/samples.h"
#include "io/datasets/tar_shards.h"
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
std::string hint(const Folder& folder);

void refuse_no_classes(const Folder& root, const std::vector<Folder>& folders) {
  std::vector<fs::path> refused;
  std::string whys;
  for (const Folder& folder : folders) {
    const char* why = why_no_class(folder.path());
    if (why == nullptr) continue;
    if (whys.find(why) == std::string::npos) whys.append(whys.empty() ? "" : ", ").append(why);
    refused.push_back(folder.path());
  }
  if (refused.empty()) return;
  fail(ErrorKind::input, "{}: {} {} ({}){}; --classes-are-folders takes every folder as one",
       root.path().string(), quoted_names(refused),
       refused.size() == 1 ? "is no class by its name" : "are no classes by their names", whys, hint(root));
}

// Folders below a class belong to it.
void add_class(const Folder& folder, const std::string& split, bool ffmpeg, DataSet& set) {
  const std::string label = as_utf8(folder.name());
  const Walk found = folder.walk(ffmpeg);
  for (const fs::path& file : found.audio)
    set.tracks.push_back({folder.file(file), name_below(file, set.root), {label}, split});
  for (const fs::path& file : found.others) set.ignored.push_back(name_below(file, set.root));
  const std::string prefix = name_below(folder.path(), set.root) + "/";
  for (LeftOut l : found.left_out) {
    l.name.insert(0, prefix);
    set.skipped.push_back(std::move(l));
  }
  if (found.audio.empty()) {
    const std::string unread = not_read(found.left_out);
    fail(ErrorKind::input, "{}: class \"{}\" has no audio files{}; add some or remove the folder",
         folder.path().string(), label, unread.empty() ? "" : " that are read (" + unread + ")");
  }
  if (set.classes.empty() || set.classes.back() != label) set.classes.push_back(label);
}

// What lies beside the class folders.
void add_loose_files(const Folder& folder, DataSet& set) {
  std::size_t audio = 0;
  for (const fs::path& file : folder.files()) {
    audio += audio_kind(file) == AudioKind::none ? 0 : 1;
    set.ignored.push_back(name_below(file, set.root));
  }
  if (audio > 0)
    set.notes.push_back(fmt::format("{}: {} audio file{} in no class folder {} not used",
                                    folder.path().string(), audio, audio == 1 ? "" : "s",
                                    audio == 1 ? "is" : "are"));
}

DataSet open_class_folders(const Folder& root, const DataSetOptions& options) {
  DataSet set;
  set.root = root.path();
  const std::vector<Folder> folders = root.folders();
  if (!options.classes_are_folders) refuse_no_classes(root, folders);
  for (const Folder& folder : folders) add_class(folder, "", options.ffmpeg, set);
  std::sort(set.classes.begin(), set.classes.end());
  if (set.tracks.empty()) {
    fail(ErrorKind::input, "{}: no class folders with audio; expected <class>/<file>.wav or a manifest.csv{}",
         root.path().string(), hint(root));
  }
  add_loose_files(root, set);
  return set;
}

// ---- GTZAN ------------------------------------------------------------------------------------------------

// As published, and as Kaggle packs it beside pictures and tables.
std::optional<Folder> gtzan_genres(const Folder& folder) {
  for (const char* place : {"genres", "genres_original", "Data/genres_original", "Data/genres"})
    if (const Folder genres = folder / place; genres.exists() && !genres.folders().empty()) return genres;
  return std::nullopt;
}

bool is_gtzan(const Folder& folder) { return gtzan_genres(folder).has_value(); }

DataSet open_gtzan(const Folder& folder, const DataSetOptions& options) {
  return open_class_folders(*gtzan_genres(folder), options);
}

// ---- train, valid and test over classes -------------------------------------------------------------------

bool is_split_folders(const Folder& folder) {
  std::set<std::string> splits;
  std::vector<Folder> others;
  for (const Folder& part : folder.folders()) {
    const std::string split = split_called(part.name());
    if (split.empty()) others.push_back(part);
    else if (!part.folders().empty()) splits.insert(split);
  }
  return splits.contains("train") && splits.size() > 1 &&
         std::all_of(others.begin(), others.end(),
                     [](const Folder& other) { return other.walk().audio.empty(); });
}

DataSet open_split_folders(const Folder& folder, const DataSetOptions& options) {
  DataSet set;
  set.root = folder.path();
  std::map<std::string, std::set<std::string>> classes;  // of each split
  for (const Folder& part : folder.folders()) {
    const std::string split = split_called(part.name());
    if (split.empty()) continue;
    const std::vector<Folder> folders = part.folders();
    refuse_no_classes(part, folders);
    for (const Folder& klass : folders) {
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
            fmt::format("{}: class \"{}\" has no tracks in {}", folder.path().string(), klass, split));
  return set;
}

// ---- which one it is --------------------------------------------------------------------------------------

DataSet open_mtat_folder(const fs::path& folder, const DataSetOptions& options) {
  return open_mtat(folder, options.mtat == nullptr ? MtatOptions{} : *options.mtat);
}

// Those with tables are read on disk only.
template <bool (*is)(const fs::path&)>
bool on_disk(const Folder& folder) {
  return folder.shards() == nullptr && is(folder.path());
}
template <DataSet (*open)(const fs::path&, const DataSetOptions&)>
DataSet from_disk(const Folder& folder, const DataSetOptions& options) {
  return open(folder.path(), options);
}

constexpr std::array<Layout, 8> kLayouts = {{
    {"MagnaTagATune", "annotations_final.csv", on_disk<is_mtat>, from_disk<open_mtat_folder>},
    {"FMA", "tracks.csv", on_disk<is_fma>, from_disk<open_fma>},
    {"UrbanSound8K", "urbansound8k.csv", on_disk<is_urbansound8k>, from_disk<open_urbansound8k>},
    {"ESC-50", "esc50.csv", on_disk<is_esc50>, from_disk<open_esc50>},
    {"MTG-Jamendo", "autotagging.tsv", on_disk<is_jamendo>, from_disk<open_jamendo>},
    {"NSynth", "examples.json", on_disk<is_nsynth>, from_disk<open_nsynth>},
    {"GTZAN", "", is_gtzan, open_gtzan},
    {"a split", "", is_split_folders, open_split_folders},
}};

const Layout* layout_of(const Folder& folder) {
  const auto found =
      std::find_if(kLayouts.begin(), kLayouts.end(), [&](const Layout& l) { return l.is(folder); });
  return found == kLayouts.end() ? nullptr : &*found;
}

// Of members of shards the tables, which say what they are.
std::string hint_in_shards(const Folder& root) {
  for (const fs::path& file : root.walk().others)
    for (const Layout& layout : kLayouts)
      if (column_key(name_of(file)) == layout.table)
        return fmt::format("; {} tells {}, which is read unpacked only", file.string(), layout.name);
  return "";
}

std::string hint(const Folder& root) {
  if (root.shards() != nullptr) return hint_in_shards(root);
  const fs::path& folder = root.path();
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

bool has_audio(const Folder& folder) {
  const std::vector<fs::path> files = folder.files();
  return std::any_of(files.begin(), files.end(),
                     [](const fs::path& file) { return audio_kind(file) != AudioKind::none; });
}

// Whether several folders, and they alone, can be the classes.
bool are_class_folders(const Folder& root) {
  const std::vector<Folder> folders = root.folders();
  return folders.size() > 1 && !has_audio(root) &&
         std::none_of(folders.begin(), folders.end(),
                      [](const Folder& folder) { return why_no_class(folder.path()) != nullptr; });
}

// Whether that or what lies beside each file says the labels.
DataSet open_classes(const Folder& folder, const DataSetOptions& options) {
  if (!options.classes_are_folders && !are_class_folders(folder))
    if (DataSet set = open_samples(folder, options); !set.tracks.empty()) return set;
  DataSet set = open_class_folders(folder, options);
  const bool cls = std::any_of(set.ignored.begin(), set.ignored.end(),
                               [](const std::string& name) { return name.ends_with(".cls"); });
  if (folder.shards() != nullptr || cls)
    set.notes.push_back(fmt::format("{}: {} tracks of {} classes by their folders{}", folder.path().string(),
                                    set.tracks.size(), set.classes.size(), cls ? "; .cls is not used" : ""));
  return set;
}

}  // namespace

DataSet open_folder(const Folder& folder, const DataSetOptions& options) {
  constexpr int kWrappers = 3;  // folders that hold but one folder, as archives make them
  Folder inner = folder;
  for (int i = 0; !options.classes_are_folders && i <= kWrappers; ++i) {
    if (const Layout* layout = layout_of(inner)) {
      DataSet set = layout->open(inner, options);
      if (set.root != folder.path() && set.root != folder.path() / "genres" &&
          layout->open != from_disk<open_mtat_folder>)
        set.notes.insert(set.notes.begin(), fmt::format("{}: {}, read from {}", folder.path().string(),
                                                        layout->name, set.root.string()));
      return set;
    }
    const std::vector<Folder> folders = inner.folders();
    if (folders.size() != 1 || has_audio(inner)) break;
    inner = folders[0];
  }
  return open_classes(folder, options);
}

fs::path folder_of_table(const fs::path& file) {
  for (const Layout& layout : kLayouts) {
    if (column_key(name_of(file)) != layout.table) continue;
    if (layout.open == from_disk<open_fma> && !is_fma_table(file))
      continue;  // many a manifest is called tracks.csv
    fs::path folder = file;
    for (int level = 0; level < 2; ++level) {
      folder = folder_above(folder);
      if (layout.is(folder) && !walk(folder, true).audio.empty()) return folder;  // not meta/ alone
    }
  }
  return {};
}

}  // namespace melgrad
