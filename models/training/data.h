// What a run trains on: a cache, on the device if it fits, its labels, and which tracks may be used.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/arrays/cache.h"
#include "io/datasets/split.h"
#include "models/recipes/recipe.h"
#include "models/training/notes.h"
#include "models/training/track_table.h"

namespace melgrad {

class Task;

class TrainingData {
 public:
  // Where the features are while they are trained on. Automatic: on the device if at least as much again
  // stays free there, else in host memory by the same rule, else in the cache file, from which every batch is
  // read: then memory does not grow with the data set. The results are the same to the bit.
  enum class Hold { automatic, device, memory, file };

  // Opens the cache. The recipe's features must be the cache's (Error (input) naming the field), unless the
  // cache was imported: then those of the recipe play no part, and features() are the cache's. Tracks that
  // are shorter than a segment are left out. `notes` are told so.
  TrainingData(Device& device, const std::string& path, const Recipe& recipe, Hold hold = Hold::automatic,
               Notes notes = {});
  // The same of a cache that is open already, as one that was never a file; `path` is for messages.
  TrainingData(Device& device, const std::string& path, CacheFile cache, const Recipe& recipe,
               Hold hold = Hold::automatic, Notes notes = {});
  TrainingData(const TrainingData&) = delete;
  TrainingData& operator=(const TrainingData&) = delete;

  const std::string& path() const { return path_; }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<std::string>& names() const { return names_; }
  const TrackTable& table() const { return *table_; }
  const Task& task() const { return *task_; }
  const MelOptions& features() const { return features_of_; }
  // [tracks, classes] of 0 and 1.
  const std::vector<std::uint8_t>& labels() const { return labels_; }
  // How many of `tracks` have each class.
  std::vector<std::int64_t> tracks_of_each(const std::vector<std::int32_t>& tracks) const;
  double frame_seconds() const { return frame_seconds_; }
  bool has_splits() const { return has_splits_; }

  // Columns of the data set that say what belongs together: "fold", "artist", ...
  const std::vector<std::string>& columns() const { return file_.description().columns; }
  // Values of one, track by track. Throws Error (input) naming those there are.
  std::vector<std::string> column(const std::string& name) const;

  // Random split number `seed`; stratified where a track has one class. Tracks that have the same in the
  // column `group`, if one is named, stay together. Throws Error (input) naming the columns there are.
  Split random_split(const SplitOptions& options, std::uint64_t seed, const std::string& group = "") const;
  // Tests on one fold (io/datasets/split.h).
  Split fold_split(const std::string& fold) const;
  // The folds that the data set names, each tested on once, in their order.
  std::vector<Split> fold_splits() const;
  // As many folds as asked for, drawn as random_split draws its parts, each tested on once and, of three or
  // more, validated on once before; stratified where a track has one class. Throws Error (input) for more
  // folds than tracks.
  std::vector<Split> random_folds(std::int64_t folds, bool keep_identical_together, std::uint64_t seed,
                                  const std::string& group = "") const;
  // The lists in `folder`; the notes say which of their tracks are missing.
  Split listed_split(const std::string& folder) const;
  // All that are as long as a segment.
  std::vector<std::int32_t> all_tracks() const;
  // The one the data set came with (manifest).
  Split own_split() const;
  // Mean and standard deviation of each band over all frames of `tracks`, computed in double.
  struct BandStatistics {
    std::vector<float> mean, deviation;  // [bands]
  };
  BandStatistics band_statistics(const std::vector<std::int32_t>& tracks) const;
  // Of what the data set holds: XXH3 over each track's name, labels, split and content.
  std::uint64_t digest() const;
  // A line on tracks with identical content, "" if there are none.
  std::string identical_tracks() const;

 private:
  void describe(const Cache& cache, const Recipe& recipe);
  void hold_features(Device& device, Hold hold);
  void add_sums(const CacheItem& item);
  void read_rows(std::int64_t first, std::int64_t count, void* to) const;
  struct Drawn;
  Drawn to_draw_from(bool keep_identical_together, const std::string& group) const;
  void keep_usable(Split& split) const;

  Notes notes_;
  std::string path_;
  const Task* task_;
  MelOptions features_of_;
  std::vector<std::string> classes_, names_, splits_;
  std::vector<std::uint64_t> content_;  // equal for identical tracks
  std::vector<bool> usable_;
  std::vector<double> sums_, squares_;  // [tracks, bands] over a track's frames, if the recipe standardises
  double frame_seconds_ = 0;
  bool has_splits_ = false;
  std::vector<std::uint8_t> labels_;
  CacheFile file_;
  std::vector<TrackTable::Track> tracks_;  // until the table has them
  HostArray features_;                     // if they are held in host memory
  std::optional<TrackTable> table_;
};

}  // namespace melgrad
