#include "models/training/extraction.h"

#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>

#include "io/arrays/cache.h"
#include "io/audio/audio.h"
#include "io/audio/flaws.h"
#include "io/files/hash.h"
#include "io/files/workers.h"
#include "kernels/devices/feature_extractor.h"
#include "kernels/text.h"

namespace melgrad {
namespace {

// What the cache says of each track.
std::vector<CacheEntry> entries_of(const DataSet& set) {
  const ClassIndex index(set.classes);
  std::vector<CacheEntry> entries;
  for (const Track& track : set.tracks) {
    std::vector<std::uint8_t> labels(set.classes.size(), 0);
    for (const std::string& label : track.labels) labels[index(label)] = 1;
    entries.push_back({track.name, std::move(labels), track.split, track.columns});
  }
  return entries;
}

Cache cache_head(const DataSet& set, const MelTables& tables, DType dtype) {
  Cache head;
  head.mel = tables.options;
  head.frame_seconds = static_cast<double>(tables.options.hop_length) / tables.options.sample_rate;
  head.dtype = dtype;
  head.bands = tables.bands();
  head.classes = set.classes;
  head.columns = set.columns;
  head.part = set.part;
  return head;
}

// The work on one data set: `add` may be called by several threads at once.
class Extraction {
 public:
  Extraction(const DataSet& set, const MelOptions& mel, DType dtype, Device& device, const std::string& out,
             const FeatureStore* store, const ExtractWatcher& watcher)
      : set_(&set),
        mel_(mel),
        watcher_(&watcher),
        features_(device, mel),
        writer_(out, cache_head(set, features_.tables(), dtype)) {
    if (store != nullptr) {
      const Cache head = cache_head(set, features_.tables(), dtype);
      for (const std::string& kept : store->made_like(head, device.name())) writer_.lend(kept);
    }
    take_over_skipped();
  }

  void add(const Track& track) {
    const std::uint64_t file = xxh3_of_file(track.path);
    double seconds = 0;
    bool known = false;
    std::string reason;
    try {
      const std::int64_t least = std::llround(track.min_seconds * mel_.sample_rate);
      std::optional<CacheSource> source = writer_.find(track.name, file, features_.tables().frames(least));
      known = source.has_value();
      if (!known) source = compute(track, file, seconds);
      if (!source->findings.empty()) tell("{}: {}", track.path.string(), source->findings);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::input) throw;
      reason = e.what();
      writer_.skip(track.name, reason);
    }
    const std::lock_guard lock(mutex_);
    result.audio_seconds += seconds;
    result.resumed += known ? 1 : 0;
    if (!reason.empty()) {
      ++result.skipped;
      note(watcher_->notes, "skipped: {}", reason);
    }
    if (++done; watcher_->progress) watcher_->progress(done);
  }

  void finish() { result.items = writer_.finish(entries_of(*set_)); }

  ExtractResult result;
  std::int64_t done = 0;

 private:
  template <typename... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) {
    const std::lock_guard lock(mutex_);
    note(watcher_->notes, format, std::forward<Args>(args)...);
  }

  CacheSource compute(const Track& track, std::uint64_t file, double& seconds) {
    const Audio audio = read_audio(track.path, mel_.sample_rate, {.mix = mel_.mix, .ffmpeg = set_->ffmpeg});
    seconds = audio.seconds();
    if (seconds < track.min_seconds) {
      fail(ErrorKind::input, "{}: {:.2f} s could be decoded of at least {:g} s; the file is damaged",
           track.path.string(), seconds, track.min_seconds);
    }
    for (const Flaw& flaw : flaws_of(audio))
      if (holds_nothing(flaw.problem)) fail(ErrorKind::input, "{}: {}", track.path.string(), text_of(flaw));
    CacheSource source = {file, content_digest(audio), fmt::format("{}", fmt::join(notes_of(audio), "; "))};
    const std::vector<float> values = features_(audio.samples);
    const auto rows = static_cast<std::int64_t>(values.size()) / features_.tables().bands();
    if (rows == 0)
      fail(ErrorKind::input, "{}: too short for one frame ({:.3f} s){}", track.path.string(), seconds,
           source.findings.empty() ? "" : "; " + source.findings);
    writer_.add(track.name, source, rows, values);
    return source;
  }

  // What the data set could not use is listed in the cache as well; only the first are told.
  void take_over_skipped() {
    constexpr std::size_t kShown = 10;
    std::size_t shown = 0;
    for (const LeftOut& s : set_->skipped) {
      writer_.skip(s.name, s.reason);
      if (!s.kind.empty()) continue;  // told by number when the data set was opened
      if (shown++ < kShown) tell("skipped: {}: {}", s.name, s.reason);
    }
    if (shown > kShown) tell("skipped: {} more; the cache lists them", shown - kShown);
    result.skipped = std::ssize(set_->skipped);
  }

  const DataSet* set_;
  MelOptions mel_;
  const ExtractWatcher* watcher_;
  FeatureExtractor features_;
  CacheWriter writer_;
  std::mutex mutex_;
};

// What cannot be kept costs the next run time, and this one nothing.
void keep_in(const FeatureStore& store, const std::string& cache, const Device& device, const Notes& notes) {
  try {
    store.keep(cache, device.name());
  } catch (const Error& e) {
    note(notes, "the features are not kept for the next run: {}", e.what());
  }
}

}  // namespace

ExtractResult extract(const DataSet& set, const MelOptions& mel, DType dtype, Device& device, int threads,
                      const std::string& out, const FeatureStore* store, const ExtractWatcher& watcher) {
  const auto start = std::chrono::steady_clock::now();
  validate(mel);
  if (!set.part) expect_files(set);
  Extraction extraction(set, mel, dtype, device, out, store, watcher);
  const auto stop = [&] { return watcher.stop && watcher.stop(); };
  parallel_for_each(
      set.tracks.size(), threads, [&](std::size_t i) { extraction.add(set.tracks[i]); }, stop);

  ExtractResult& result = extraction.result;
  result.interrupted = extraction.done < std::ssize(set.tracks) && stop();
  if (!result.interrupted) {
    extraction.finish();
    if (store != nullptr) keep_in(*store, out, device, watcher.notes);
  }
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace melgrad
