// MagnaTagATune (MTAT): 25,863 clips of 29 s, each with any number of 188 tags. Two layouts are read:
//   * annotations_final.csv (clip_id, tags as 0 or 1, mp3_path) and, if it is there, clip_info_final.csv
//     (artist, album, url, segmentStart, segmentEnd); columns are found by their names;
//   * labels without audio, as published for musicnn: index_mtt.tsv, output_labels_mtt.txt, *_gt_mtt.tsv.
// The audio is in folders 0 to f beside these files or in a folder next to them (mp3/). An audio file that no
// row names is in DataSet::ignored; rows and clips that cannot be used are in DataSet::skipped.
//
// Which clips: `all`, or `filtered` as in Lee et al. 2017 (15,244 + 1,529 + 4,332 clips): at least one of the
// 50 most frequent tags, and longer than 29.1 s. The length comes from clip_info_final.csv or else from the
// clip's name (title-30-59.mp3 has 29 s); a full clip is as long as most clips are, so the rule fits data
// sets with other lengths. That the audio is there is only known when it is decoded: full clips decode to
// 29.12 s, or to 29.00 s where a decoder trims what the encoder put around them, so what decodes to less than
// its length by more than 0.1 s counts as damaged (Track::min_seconds). Among the published clips all are
// full. Clips 35644, 55753 and 57881 have no audio in the published set and are always left out.
//
// Which split: by folder (0 to b train, c valid, d to f test: albums stay together, artists do not), by
// artist (the same proportions; clips without an artist stay with their album, address or track), or lists.
//
// The artist, where clip_info_final.csv is there, is the column "artist" ("" where it names none).
//
// Classes stand by how often the tags are given, most frequent first, or as they were asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "io/datasets/dataset.h"

namespace melgrad {

enum class MtatProtocol { filtered, all };
enum class MtatSplit { folder, artist };

struct MtatOptions {
  MtatProtocol protocol = MtatProtocol::filtered;
  std::string tags = "top10";   // topN, counted over all rows, or names separated by commas
  bool merge_synonyms = false;  // before anything is counted; then `filtered` keeps other clips too
  MtatSplit split = MtatSplit::folder;
  std::uint64_t split_seed = 0;  // of the artist split
  std::filesystem::path
      split_lists;           // a folder with lists (io/datasets/split.h); they decide which clips, too
  bool labels_only = false;  // a clip counts whether its audio is there or not: for statistics
};

// Whether the folder holds annotations_final.csv or index_mtt.tsv.
bool is_mtat(const std::filesystem::path& folder);

// Throws Error (input) naming the file, line or column, (usage) for a tag that is not there.
DataSet open_mtat(const std::filesystem::path& folder, const MtatOptions& options = {});

}  // namespace melgrad
