// What the files of a MagnaTagATune folder say, before anything is chosen from it: that is
// io/datasets/mtat.h. Rows that cannot be used are left out and listed; a missing column is an Error (input)
// naming the nearest one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/datasets/dataset.h"

namespace melgrad {

struct MtatClip {
  std::int64_t id = 0;
  std::string path;  // "f/artist-album-01-title-30-59.mp3"
};

struct MtatTables {
  std::vector<std::string> tags;
  bool ranked = false;  // the tags stand in the published order, most frequent first
  std::vector<MtatClip> clips;
  std::vector<std::uint8_t> positive;  // [clips, tags], 0 or 1
  std::vector<LeftOut> skipped;
  std::vector<std::string> notes;

  bool has(std::size_t clip, std::size_t tag) const { return positive[clip * tags.size() + tag] != 0; }
};

// annotations_final.csv: every column but clip_id and mp3_path is a tag.
MtatTables read_annotations(const std::filesystem::path& path);
// index_mtt.tsv (id, path), output_labels_mtt.txt (the tags' names in quotes, in their published order) and
// those of train_, val_ and test_gt_mtt.tsv (id, [0.0, 1.0, ...]) that are there.
MtatTables read_label_lists(const std::filesystem::path& folder);

struct MtatClipInfo {
  std::string group;  // the artist; where there is none the album, else the address, else ""
  bool has_artist = false;
  double seconds = 0;  // segmentEnd - segmentStart; 0: not said
};
// clip_info_final.csv, by clip id.
std::unordered_map<std::int64_t, MtatClipInfo> read_clip_info(const std::filesystem::path& path,
                                                              std::vector<LeftOut>& skipped);

// Length in seconds that the name of a clip states, ".../title-30-59.mp3" -> 29; 0 if it does not.
double seconds_in_name(const std::string& path);
// The clip's name without these times: the track it was cut from.
std::string track_of(const std::string& path);

}  // namespace melgrad
