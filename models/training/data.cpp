#include "models/training/data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "io/datasets/csv.h"
#include "io/files/hash.h"
#include "kernels/host_memory.h"
#include "kernels/math/half.h"
#include "kernels/text.h"
#include "models/training/task.h"

namespace melgrad {

TrainingData::TrainingData(Device& device, const std::string& path, const Recipe& recipe, Hold hold,
                           Notes notes)
    : TrainingData(device, path, CacheFile(path), recipe, hold, std::move(notes)) {
  if (features_of_.preset == "imported")
    note(notes_, "{}: imported features, {} bands; the recipe's feature settings play no part", path,
         table_->bands());
}

TrainingData::TrainingData(Device& device, const std::string& path, CacheFile file, const Recipe& recipe,
                           Hold hold, Notes notes)
    : notes_(std::move(notes)), path_(path), task_(&task_of(recipe)), file_(std::move(file)) {
  const Cache& cache = file_.description();
  features_of_ = cache.mel;
  if (cache.mel.preset != "imported") {
    expect_mel(cache, recipe.features, path);
    features_of_ = recipe.features;
  }
  if (cache.part && cache.part->part.count > 1)
    note(notes_, "{}: part {} of {} alone; {} names them all", path, cache.part->part.index,
         cache.part->part.count, whole_path(path));
  describe(cache, recipe);
  if (recipe.input.standardise == Standardise::bands)
    for (const CacheItem& item : cache.items) add_sums(item);
  hold_features(device, hold);
}

// Names, labels, and which tracks are long enough.
void TrainingData::describe(const Cache& cache, const Recipe& recipe) {
  classes_ = cache.classes;
  frame_seconds_ = cache.frame_seconds;
  std::size_t short_tracks = 0;
  std::int64_t longest = 0;
  const auto seconds = [&](std::int64_t frames) { return static_cast<double>(frames) * frame_seconds_; };
  for (const CacheItem& item : cache.items) {
    names_.push_back(item.name);
    splits_.push_back(item.split);
    has_splits_ = has_splits_ || !item.split.empty();
    content_.push_back(item.source.content != 0 ? item.source.content : item.digest);
    usable_.push_back(item.rows >= recipe.segment.frames);
    short_tracks += usable_.back() ? 0 : 1;
    longest = std::max(longest, item.rows);
    tracks_.push_back({item.first_row, static_cast<std::int32_t>(item.rows),
                       task_->label_of(item, static_cast<std::int32_t>(tracks_.size()), path_)});
    labels_.insert(labels_.end(), item.labels.begin(), item.labels.end());
  }
  if (short_tracks == names_.size()) {
    fail(ErrorKind::input,
         "{}: no track is as long as a segment: the longest lasts {:.2f} s ({} frames), a segment of the "
         "recipe "
         "{:.2f} s; set segment.frames={} or less",
         path_, seconds(longest), longest, seconds(recipe.segment.frames), longest);
  }
  for (std::size_t i = 0; short_tracks > 0 && i < names_.size(); ++i) {
    if (!usable_[i]) {
      note(notes_, "left out: {}: {} frames, a segment has {} ({:.2f} s of {:.2f} s)", names_[i],
           tracks_[i].rows, recipe.segment.frames, seconds(tracks_[i].rows), seconds(recipe.segment.frames));
    }
  }
}

void TrainingData::hold_features(Device& device, Hold hold) {
  using Place = TrackTable::Place;
  const Cache& cache = file_.description();
  const Place place = hold == Hold::automatic ? Place::automatic
                      : hold == Hold::device  ? Place::device
                                              : Place::host;
  table_.emplace(
      device, [this](std::int64_t first, std::int64_t count, void* to) { read_rows(first, count, to); },
      cache.dtype, file_.rows(), cache.bands, std::move(tracks_), place);
  const std::int64_t bytes = table_->bytes();
  const bool in_memory = hold == Hold::memory || (hold == Hold::automatic && bytes <= free_host_memory() / 2);
  if (!table_->on_device() && in_memory) features_ = file_.read_all();
  if (device.is_host() && table_->on_device()) return;  // nothing worth telling
  note(notes_, "{}: {:.1f} MB, {}", path_, static_cast<double>(bytes) / 1e6,
       table_->on_device()        ? "on " + device.name()
       : !features_.bytes.empty() ? "in host memory, sent batch by batch"
                                  : "left in the file, read batch by batch");
}

void TrainingData::read_rows(std::int64_t first, std::int64_t count, void* to) const {
  if (features_.bytes.empty()) return file_.read(first, count, to);
  const std::int64_t row = file_.description().bands * size_of(features_.dtype);
  std::memcpy(to, features_.bytes.data() + first * row, static_cast<std::size_t>(count * row));
}

void TrainingData::add_sums(const CacheItem& item) {
  const Cache& cache = file_.description();
  const auto bands = static_cast<std::size_t>(cache.bands), at = sums_.size();
  sums_.resize(at + bands, 0.0);
  squares_.resize(at + bands, 0.0);
  HostArray features(cache.dtype, {item.rows, cache.bands});
  file_.read(item.first_row, item.rows, features.bytes.data());
  const auto add = [&](const auto& values, auto&& number) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double v = number(values[i]);
      sums_[at + i % bands] += v;
      squares_[at + i % bands] += v * v;
    }
  };
  if (cache.dtype == DType::f16) {
    add(features.as<std::uint16_t>(), [](std::uint16_t h) { return half_to_float(h); });
  } else {
    add(features.as<float>(), [](float v) { return v; });
  }
}

TrainingData::BandStatistics TrainingData::band_statistics(const std::vector<std::int32_t>& tracks) const {
  const auto bands = static_cast<std::size_t>(table_->bands());
  BandStatistics out;
  for (std::size_t f = 0; f < bands; ++f) {
    double rows = 0, sum = 0, squares = 0;
    for (const std::int32_t track : tracks) {
      const auto k = static_cast<std::size_t>(track);
      rows += table_->tracks()[k].rows;
      sum += sums_[k * bands + f];
      squares += squares_[k * bands + f];
    }
    const double mean = sum / rows;
    out.mean.push_back(static_cast<float>(mean));
    out.deviation.push_back(static_cast<float>(std::sqrt(std::max(0.0, squares / rows - mean * mean))));
  }
  return out;
}

std::vector<std::string> TrainingData::column(const std::string& name) const {
  const auto at = std::find(columns().begin(), columns().end(), column_key(name));
  if (at == columns().end())
    fail(ErrorKind::input, "{}: no column \"{}\" in the data set; {}", path_, name,
         columns().empty() ? "a manifest or a known layout may have one"
                           : "it has " + joined(columns()) +
                                 "; extract --group takes others along, --columns attaches them");
  std::vector<std::string> values;
  for (const CacheItem& item : file_.description().items)
    values.push_back(item.columns[static_cast<std::size_t>(at - columns().begin())]);
  return values;
}

// Tracks that are shorter than a segment play no part.
void TrainingData::keep_usable(Split& split) const {
  for (auto* part : {&split.train, &split.valid, &split.test})
    std::erase_if(*part, [&](std::int32_t i) { return !usable_[static_cast<std::size_t>(i)]; });
}

Split TrainingData::fold_split(const std::string& fold) const {
  Split split = split_by_fold(column("fold"), fold, path_);
  keep_usable(split);
  return split;
}

std::vector<Split> TrainingData::fold_splits() const {
  std::vector<Split> splits;
  for (const std::string& fold : folds_of(column("fold"))) splits.push_back(fold_split(fold));
  return splits;
}

// The usable tracks, as a random split needs them.
struct TrainingData::Drawn {
  std::vector<std::int32_t> index, label;
  std::vector<std::int64_t> group;
};

TrainingData::Drawn TrainingData::to_draw_from(bool keep_identical_together,
                                               const std::string& group_column) const {
  const std::vector<std::string> of_group =
      group_column.empty() ? std::vector<std::string>(names_.size()) : column(group_column);
  Drawn drawn;
  std::vector<std::string> names;
  std::map<std::uint64_t, std::int64_t> first;  // content -> first track that has it
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!usable_[i]) continue;
    const auto here = static_cast<std::int64_t>(i);
    drawn.index.push_back(static_cast<std::int32_t>(i));
    drawn.label.push_back(task_->stratum_of(table_->tracks()[i].label));
    drawn.group.push_back(keep_identical_together ? first.emplace(content_[i], here).first->second : here);
    names.push_back(of_group[i]);
  }
  if (!group_column.empty()) join_groups(drawn.group, names);
  return drawn;
}

Split TrainingData::random_split(const SplitOptions& options, std::uint64_t seed,
                                 const std::string& group_column) const {
  const Drawn drawn = to_draw_from(options.keep_identical_together, group_column);
  Split split =
      stratified_split(drawn.label, drawn.group, {options.train, options.valid, options.test}, seed);
  for (auto* part : {&split.train, &split.valid, &split.test}) {
    for (std::int32_t& i : *part) i = drawn.index[static_cast<std::size_t>(i)];
  }
  return split;
}

std::vector<Split> TrainingData::random_folds(std::int64_t folds, bool keep_identical_together,
                                              std::uint64_t seed, const std::string& group_column) const {
  const Drawn drawn = to_draw_from(keep_identical_together, group_column);
  const std::vector<std::int64_t> fold = stratified_folds(drawn.label, drawn.group, folds, seed);
  std::vector<Split> splits(static_cast<std::size_t>(folds));
  for (std::int64_t test = 0; test < folds; ++test) {
    Split& split = splits[static_cast<std::size_t>(test)];
    const std::int64_t valid = folds > 2 ? (test + 1) % folds : -1;
    for (std::size_t k = 0; k < fold.size(); ++k)
      (fold[k] == test ? split.test : fold[k] == valid ? split.valid : split.train).push_back(drawn.index[k]);
    if (split.test.empty())
      fail(ErrorKind::input, "{}: {} folds of {} tracks{}: one has no track; fewer folds", path_, folds,
           fold.size(), group_column.empty() ? "" : fmt::format(" that are grouped by {}", group_column));
  }
  return splits;
}

std::vector<std::int64_t> TrainingData::tracks_of_each(const std::vector<std::int32_t>& tracks) const {
  std::vector<std::int64_t> counts(classes_.size());
  for (const std::int32_t track : tracks)
    for (std::size_t k = 0; k < counts.size(); ++k)
      counts[k] += labels_[static_cast<std::size_t>(track) * counts.size() + k] != 0 ? 1 : 0;
  return counts;
}

Split TrainingData::listed_split(const std::string& folder) const {
  std::vector<std::string> missing;
  Split split = split_from_lists(folder, names_, &missing);
  if (!missing.empty()) {
    note(notes_, "{}: {} of the listed tracks are not in {} (the first: {})", folder, missing.size(), path_,
         missing[0]);
  }
  keep_usable(split);
  return split;
}

std::vector<std::int32_t> TrainingData::all_tracks() const {
  std::vector<std::int32_t> tracks;
  for (std::size_t i = 0; i < usable_.size(); ++i)
    if (usable_[i]) tracks.push_back(static_cast<std::int32_t>(i));
  return tracks;
}

Split TrainingData::own_split() const {
  Split split;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!usable_[i]) continue;
    const auto index = static_cast<std::int32_t>(i);
    if (splits_[i] == "train") split.train.push_back(index);
    if (splits_[i] == "valid") split.valid.push_back(index);
    if (splits_[i] == "test") split.test.push_back(index);
  }
  return split;
}

std::uint64_t TrainingData::digest() const {
  std::string all;
  for (const CacheItem& item : file_.description().items) {
    const std::uint64_t content = item.source.content != 0 ? item.source.content : item.digest;
    all += fmt::format("{}\n{}\n{:016x}\n", item.name, item.split, content);
    for (std::size_t k = 0; k < item.labels.size(); ++k)
      if (item.labels[k] != 0) all += classes_[k] + "\n";
  }
  return xxh3(std::as_bytes(std::span(all)));
}

std::string TrainingData::identical_tracks() const {
  std::map<std::uint64_t, std::vector<std::string>> by_content;
  for (std::size_t i = 0; i < names_.size(); ++i) by_content[content_[i]].push_back(names_[i]);
  std::string pairs;
  std::size_t groups = 0;
  for (const auto& [content, names] : by_content) {
    if (names.size() < 2) continue;
    if (++groups <= 3) pairs += fmt::format("{}{} = {}", pairs.empty() ? "" : ", ", names[0], names[1]);
  }
  if (groups == 0) return "";
  return fmt::format("identical tracks: {} groups ({}{})", groups, pairs, groups > 3 ? ", ..." : "");
}

}  // namespace melgrad
