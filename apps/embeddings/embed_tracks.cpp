#include "apps/embeddings/embed_tracks.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "apps/data/audio_files.h"
#include "apps/data/data_set.h"
#include "io/arrays/cache.h"
#include "io/audio/decode_ahead.h"
#include "io/audio/flaws.h"
#include "io/datasets/tar_shards.h"
#include "io/files/hash.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

namespace fs = std::filesystem;

// Columns that say nothing of any track are none.
void keep_column(EmbeddingTable& about, const std::string& name, std::vector<std::string> cells) {
  if (std::any_of(cells.begin(), cells.end(), [](const std::string& cell) { return !cell.empty(); }))
    about.columns[name] = std::move(cells);
}

class AudioTracks : public TracksToEmbed {
 public:
  AudioTracks(const Settings& settings, int sample_rate) : settings_(&settings), sample_rate_(sample_rate) {}

  void add(const FilePart& file, const std::string& name, double min_seconds) {
    files_.push_back(file);
    places.push_back(file.string());
    about.names.push_back(name);
    min_seconds_.push_back(min_seconds);
  }

  std::uint64_t digest(std::size_t i) const override { return xxh3_of_file(files_[i]); }

  void begin(const std::vector<std::size_t>& waiting, const std::string& channels) override {
    waiting_ = waiting;
    MelOptions options;
    set_mel_field(options, "mix", channels);
    std::vector<FilePart> files;
    for (const std::size_t i : waiting) files.push_back(files_[i]);
    decoded_.emplace(files, sample_rate_, AudioOptions{.mix = options.mix, .ffmpeg = settings_->ffmpeg},
                     settings_->threads);
  }

  SegmentEmbeddings next(Predictor& predictor) override {
    const std::size_t i = waiting_[at_++];
    const Audio audio = decoded_->next();
    if (audio.seconds() < min_seconds_[i])
      fail(ErrorKind::input, "{}: {:.2f} s could be decoded of at least {:g} s; the file is damaged",
           places[i], audio.seconds(), min_seconds_[i]);
    if (const auto notes = notes_of(audio); !notes.empty()) say("{}: {}", places[i], joined(notes));
    return predictor.embed(audio, places[i]);
  }

 private:
  const Settings* settings_;
  int sample_rate_;
  std::vector<FilePart> files_;
  std::vector<double> min_seconds_;  // as Track::min_seconds
  std::vector<std::size_t> waiting_;
  std::size_t at_ = 0;
  std::optional<DecodeAhead> decoded_;
};

class CachedTracks : public TracksToEmbed {
 public:
  CachedTracks(const std::string& path, const MelOptions& features) : file_(path) {
    const Cache& cache = file_.description();
    MelOptions wanted = features;
    wanted.mix = cache.mel.mix;
    expect_mel(cache, wanted, path);
    for (const auto& [field, value] : mel_fields(wanted))
      if (field == "mix") mix = value;
    about.classes = cache.classes;
    std::vector<std::string> splits;
    std::vector<std::vector<std::string>> columns(cache.columns.size());
    for (const CacheItem& item : cache.items) {
      about.names.push_back(item.name);
      places.push_back(path + ": " + item.name);
      about.labels.insert(about.labels.end(), item.labels.begin(), item.labels.end());
      splits.push_back(item.split);
      for (std::size_t k = 0; k < columns.size(); ++k) columns[k].push_back(item.columns[k]);
    }
    for (std::size_t k = 0; k < columns.size(); ++k) keep_column(about, cache.columns[k], columns[k]);
    keep_column(about, "split", splits);
  }

  std::uint64_t digest(std::size_t i) const override {
    const CacheItem& item = file_.description().items[i];
    return item.source.file != 0 ? item.source.file : item.digest;
  }

  void begin(const std::vector<std::size_t>& waiting, const std::string&) override { waiting_ = waiting; }

  SegmentEmbeddings next(Predictor& predictor) override {
    const std::size_t i = waiting_[at_++];
    const Cache& cache = file_.description();
    const CacheItem& item = cache.items[i];
    if (!item.source.findings.empty()) say("{}: {}", places[i], item.source.findings);
    std::vector<std::byte> rows(static_cast<std::size_t>(item.rows * cache.bands * size_of(cache.dtype)));
    file_.read(item.first_row, item.rows, rows.data());
    return predictor.embed_features(rows.data(), cache.dtype, item.rows, places[i]);
  }

 private:
  CacheFile file_;
  std::vector<std::size_t> waiting_;
  std::size_t at_ = 0;
};

std::unique_ptr<TracksToEmbed> of_data_set(const DataSet& set, const Settings& settings, int sample_rate) {
  auto out = std::make_unique<AudioTracks>(settings, sample_rate);
  EmbeddingTable& about = out->about;
  about.classes = set.classes;
  const ClassIndex index(set.classes);
  std::vector<std::string> splits;
  std::vector<std::vector<std::string>> columns(set.columns.size());
  for (const Track& track : set.tracks) {
    out->add(track.path, track.name, track.min_seconds);
    std::vector<std::uint8_t> labels(set.classes.size(), 0);
    for (const std::string& label : track.labels) labels[index(label)] = 1;
    about.labels.insert(about.labels.end(), labels.begin(), labels.end());
    splits.push_back(track.split);
    for (std::size_t k = 0; k < columns.size(); ++k) columns[k].push_back(track.columns[k]);
  }
  for (std::size_t k = 0; k < columns.size(); ++k) keep_column(about, set.columns[k], columns[k]);
  keep_column(about, "split", splits);
  return out;
}

std::unique_ptr<TracksToEmbed> of_files(const std::vector<std::string>& inputs, Settings& settings,
                                        int sample_rate, nlohmann::ordered_json& left_out_json) {
  auto out = std::make_unique<AudioTracks>(settings, sample_rate);
  std::vector<LeftOut> left_out;
  const bool one_folder = inputs.size() == 1 && fs::is_directory(inputs[0]);
  std::set<std::string> seen;
  for (const FilePart& file : audio_files(inputs, settings.ffmpeg, left_out)) {
    const std::string name =
        as_utf8((one_folder ? file.path.lexically_relative(inputs[0]) : file.path).generic_string());
    if (!seen.insert(name).second) fail(ErrorKind::usage, "{}: is named twice", name);
    out->add(file, name, 0);
  }
  tell_left_out(left_out, settings, left_out_json);
  return out;
}

}  // namespace

std::unique_ptr<TracksToEmbed> tracks_to_embed(const std::vector<std::string>& inputs,
                                               const MelOptions& features, Settings& settings,
                                               nlohmann::ordered_json& left_out) {
  const std::string& first = inputs[0];
  if (first.ends_with(".h5")) return std::make_unique<CachedTracks>(data_named(inputs), features);
  const bool shards = std::all_of(inputs.begin(), inputs.end(), names_shards);
  if (shards || (inputs.size() == 1 && (fs::is_directory(first) || is_table(first)))) {
    try {
      DataSetRequest request;
      request.path = shards_named(inputs);
      request.splits = true;  // its columns are kept
      request.labels_optional = true;
      const DataSet set = open_data_set(request, settings);
      expect_files(set);
      tell_left_out(set.skipped, settings, left_out);
      return of_data_set(set, settings, features.sample_rate);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input || is_table(first) || shards) throw;
      say("note: taken as files without labels: {}", e.what());
    }
  }
  return of_files(inputs, settings, features.sample_rate, left_out);
}

}  // namespace melgrad
