#include "io/datasets/mtat.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "io/datasets/mtat_tables.h"
#include "io/datasets/mtat_tags.h"
#include "io/datasets/split.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAnnotations = "annotations_final.csv";
constexpr const char* kClipInfo = "clip_info_final.csv";
constexpr const char* kIndex = "index_mtt.tsv";
constexpr std::string_view kFolders = "0123456789abcdef";
constexpr std::int64_t kCorrupt[] = {35644, 55753, 57881};
constexpr std::size_t kFilterTags = 50;
constexpr double kTrimmed = 0.1;                              // seconds an MP3 decoder may cut off
constexpr SplitFractions kArtistFractions = {.72, .07, .21};  // what the folders give

using ClipInfo = std::unordered_map<std::int64_t, MtatClipInfo>;

// "a, b, c and 17 more"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  if (names.size() <= kShown) return joined(names);
  return fmt::format("{} and {} more", joined({names.begin(), names.begin() + kShown}),
                     names.size() - kShown);
}

// Where the folders 0 to f are: here, or in a folder below; empty if nowhere.
fs::path audio_root(const fs::path& folder) {
  const auto has_folders = [](const fs::path& path) {
    return std::any_of(kFolders.begin(), kFolders.end(),
                       [&](char c) { return fs::is_directory(path / std::string(1, c)); });
  };
  if (has_folders(folder)) return folder;
  std::vector<fs::path> below;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && has_folders(entry.path())) below.push_back(entry.path());
  }
  return below.empty() ? fs::path() : *std::min_element(below.begin(), below.end());
}

// "f/name.mp3" of every file in the folders: asked once, not clip by clip.
std::unordered_set<std::string> audio_files(const fs::path& root) {
  std::unordered_set<std::string> names;
  for (const char c : kFolders) {
    const std::string folder(1, c);
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::directory_iterator(root / folder)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with('.')) names.insert(folder + "/" + name);
    }
  }
  return names;
}

std::string split_of_folder(char folder) {
  return folder < 'c' ? "train" : folder == 'c' ? "valid" : "test";  // digits come before letters
}

bool in_a_folder(const std::string& path) {
  return path.size() > 2 && path[1] == '/' && kFolders.find(path[0]) != std::string_view::npos;
}

// One opening of the data set.
class Selection {
 public:
  Selection(const fs::path& folder, const MtatOptions& options)
      : options_(options),
        tables_(fs::exists(folder / kAnnotations) ? read_annotations(folder / kAnnotations)
                                                  : read_label_lists(folder)) {
    if (options.merge_synonyms) merge_synonyms(tables_);
    ranked_ = ranked_tags(tables_);
    chosen_ = choose_tags(options.tags, tables_, ranked_);
    set_.root = audio_root(folder);
    if (set_.root.empty() && !options.labels_only) {
      fail(ErrorKind::input, "{}: no audio: expected folders 0 to f here or in mp3/; unpack mp3.zip",
           folder.string());
    }
    if (set_.root.empty()) set_.root = folder;
    set_.notes = std::move(tables_.notes);
    set_.skipped = std::move(tables_.skipped);
    for (const std::size_t tag : chosen_) set_.classes.push_back(tables_.tags[tag]);
    has_info_ = fs::exists(folder / kClipInfo);
    if (has_info_) {
      info_ = read_clip_info(folder / kClipInfo, set_.skipped);
      set_.columns = {"artist"};
    }
    if (options.split == MtatSplit::artist && !has_info_) {
      fail(ErrorKind::input, "{}: no {}; an artist split needs it", folder.string(), kClipInfo);
    }
  }

  DataSet open() {
    find_full_length();
    choose_clips();
    std::sort(set_.tracks.begin(), set_.tracks.end(),
              [](const Track& a, const Track& b) { return a.name < b.name; });
    if (!options_.split_lists.empty()) {
      split_by_lists();
    } else if (options_.split == MtatSplit::artist) {
      split_by_artist();
    }
    if (set_.tracks.empty()) fail(ErrorKind::input, "{}: no clip is left", set_.root.string());
    tell_result();
    return std::move(set_);
  }

 private:
  // Seconds that the tables or the clip's name state; 0: unknown.
  double nominal_seconds(const MtatClip& clip) const {
    const auto info = info_.find(clip.id);
    const double seconds = info == info_.end() ? 0 : info->second.seconds;
    return seconds > 0 ? seconds : seconds_in_name(clip.path);
  }

  // The length that most clips have; the longest of them if there are several.
  void find_full_length() {
    std::map<double, std::size_t> clips;
    for (const MtatClip& clip : tables_.clips) ++clips[nominal_seconds(clip)];
    clips.erase(0);
    std::size_t most = 0;
    for (const auto& [seconds, n] : clips) {
      if (n >= most) most = n, full_seconds_ = seconds;
    }
  }

  bool has_frequent_tag(std::size_t clip) const {
    const auto end = ranked_.begin() + static_cast<std::ptrdiff_t>(std::min(kFilterTags, ranked_.size()));
    return std::any_of(ranked_.begin(), end, [&](std::size_t tag) { return tables_.has(clip, tag); });
  }

  void choose_clips() {
    std::unordered_set<std::string> files;
    if (!options_.labels_only) files = audio_files(set_.root);
    const bool filter = options_.protocol == MtatProtocol::filtered && options_.split_lists.empty();
    std::vector<std::string> corrupt;
    std::size_t untagged = 0, short_clips = 0;
    for (std::size_t c = 0; c < tables_.clips.size(); ++c) {
      const MtatClip& clip = tables_.clips[c];
      const double seconds = nominal_seconds(clip);
      const bool there = options_.labels_only || files.erase(clip.path) == 1;
      if (std::find(std::begin(kCorrupt), std::end(kCorrupt), clip.id) != std::end(kCorrupt)) {
        corrupt.push_back(std::to_string(clip.id));
      } else if (!in_a_folder(clip.path)) {
        set_.skipped.push_back({clip.path, "is not in a folder 0 to f"});
      } else if (filter && !has_frequent_tag(c)) {
        ++untagged;
      } else if (filter && seconds > 0 && seconds < full_seconds_) {
        ++short_clips;
      } else if (!there) {
        set_.skipped.push_back({clip.path, fmt::format("clip {} has no audio file", clip.id)});
      } else {
        add(c, seconds > 0 ? seconds : filter ? full_seconds_ : 0);
      }
    }
    set_.ignored.assign(files.begin(), files.end());
    std::sort(set_.ignored.begin(), set_.ignored.end());
    if (!corrupt.empty())
      note("{} clips known to be corrupt are left out: {}", corrupt.size(), joined(corrupt));
    if (filter) {
      note(
          "filtered: {} clips without any of the {} most frequent tags and {} shorter than {:g} s are left "
          "out",
          untagged, std::min(kFilterTags, ranked_.size()), short_clips, full_seconds_);
    }
  }

  void add(std::size_t c, double seconds) {
    const MtatClip& clip = tables_.clips[c];
    Track track{set_.root / clip.path, clip.path, {}, split_of_folder(clip.path[0])};
    track.min_seconds = std::max(0.0, seconds - kTrimmed);
    for (const std::size_t tag : chosen_) {
      if (tables_.has(c, tag)) track.labels.push_back(tables_.tags[tag]);
    }
    const auto info = info_.find(clip.id);
    const bool known = info != info_.end() && !info->second.group.empty();
    group_[track.name] = known ? info->second.group : "track: " + track_of(clip.path);
    if (has_info_) track.columns = {known && info->second.has_artist ? info->second.group : ""};
    set_.tracks.push_back(std::move(track));
  }

  void assign(const Split& split) {
    for (Track& track : set_.tracks) track.split.clear();
    const std::pair<const char*, const std::vector<std::int32_t>*> parts[] = {
        {"train", &split.train}, {"valid", &split.valid}, {"test", &split.test}};
    for (const auto& [part, tracks] : parts) {
      for (const std::int32_t i : *tracks) set_.tracks[static_cast<std::size_t>(i)].split = part;
    }
  }

  void split_by_lists() {
    std::vector<std::string> names, missing;
    for (const Track& track : set_.tracks) names.push_back(track.name);
    assign(split_from_lists(options_.split_lists, names, &missing));
    const std::size_t unlisted = std::erase_if(set_.tracks, [](const Track& t) { return t.split.empty(); });
    const std::string lists = options_.split_lists.string();
    if (unlisted > 0) note("{}: {} clips are on no list and are left out", lists, unlisted);
    if (!missing.empty()) {
      note("{}: {} of the listed clips are not there: {}", lists, missing.size(), some_of(missing));
    }
  }

  void split_by_artist() {
    std::map<std::string, std::int64_t> number;
    std::vector<std::int64_t> group;
    for (const Track& track : set_.tracks) {
      const auto next = static_cast<std::int64_t>(number.size());
      group.push_back(number.emplace(group_[track.name], next).first->second);
    }
    assign(grouped_split(group, kArtistFractions, options_.split_seed));
    const auto without = std::count_if(set_.tracks.begin(), set_.tracks.end(),
                                       [](const Track& track) { return track.columns[0].empty(); });
    if (without > 0) {
      note("{} clips have no artist in {}: they are kept together by album, address or track", without,
           kClipInfo);
    }
  }

  void tell_result() {
    std::map<std::string, std::size_t> parts;
    std::map<std::string, std::map<std::string, std::size_t>> positives;  // tag -> part -> clips
    for (const Track& track : set_.tracks) {
      ++parts[track.split];
      for (const std::string& label : track.labels) ++positives[label][track.split];
    }
    set_.notes.insert(set_.notes.begin(),
                      fmt::format("MagnaTagATune: {} clips of {} for {} tags: {} train, {} valid, {} test",
                                  set_.tracks.size(), tables_.clips.size(), set_.classes.size(),
                                  parts["train"], parts["valid"], parts["test"]));
    for (const std::string& tag : set_.classes) {
      std::vector<std::string> without;
      for (const char* part : {"train", "valid", "test"}) {
        if (parts[part] > 0 && positives[tag][part] == 0) without.emplace_back(part);
      }
      if (!without.empty()) note("tag \"{}\": no clip of {} has it", tag, joined(without));
    }
    if (has_info_) tell_shared_artists();
  }

  // Test clips whose artist is also trained on make a result look better than it is.
  void tell_shared_artists() {
    std::unordered_set<std::string> trained;
    std::size_t test = 0, shared = 0;
    for (const Track& track : set_.tracks) {
      if (track.split == "train") trained.insert(track.columns[0]);
    }
    trained.erase("");
    for (const Track& track : set_.tracks) {
      if (track.split != "test") continue;
      ++test;
      shared += trained.contains(track.columns[0]) ? 1 : 0;
    }
    if (shared > 0) {
      note(
          "{} of {} test clips ({:.1f} %) are by artists of training clips; an artist split keeps them apart",
          shared, test, 100.0 * static_cast<double>(shared) / static_cast<double>(test));
    }
  }

  template <typename... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    set_.notes.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  MtatOptions options_;
  MtatTables tables_;
  std::vector<std::size_t> ranked_, chosen_;
  ClipInfo info_;
  bool has_info_ = false;
  double full_seconds_ = 0;
  std::unordered_map<std::string, std::string> group_;  // track -> what stays together in an artist split
  DataSet set_;
};

}  // namespace

bool is_mtat(const fs::path& folder) {
  return fs::exists(folder / kAnnotations) || fs::exists(folder / kIndex);
}

DataSet open_mtat(const fs::path& folder, const MtatOptions& options) {
  return Selection(folder, options).open();
}

}  // namespace melgrad
