// melgrad import: a NumPy archive of spectrograms becomes a cache. X [track, band, frame] numbers, T [track]
// labels (texts or integers), N [track] names (optional). What else is known of the tracks comes from a
// table.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "apps/data/data_set.h"
#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/progress.h"
#include "io/arrays/cache.h"
#include "io/arrays/npz.h"
#include "io/datasets/column_table.h"
#include "kernels/error.h"
#include "kernels/math/half.h"

namespace melgrad {
namespace {

struct ImportOptions {
  std::string file, out, dtype = "f16", columns;
  std::vector<std::string> classes;
  std::optional<double> scale;
  double frame_seconds = 0;
};

// The arrays of the file, checked against each other.
struct Tracks {
  NpyArray x;
  std::int64_t count = 0, bands = 0, frames = 0;
  std::vector<std::string> labels, names;  // [count]
  std::vector<std::string> classes;
};

const NpyArray& need(const std::map<std::string, NpyArray>& arrays, const std::string& name,
                     const std::string& file) {
  const auto at = arrays.find(name);
  if (at == arrays.end()) fail(ErrorKind::input, "{}: has no array {}; import needs X and T", file, name);
  return at->second;
}

std::vector<std::string> texts_of(const NpyArray& array, std::int64_t count, const std::string& label) {
  if (array.shape != std::vector<std::int64_t>{count}) {
    fail(ErrorKind::input, "{}: has shape [{}], X has {} tracks", label, fmt::join(array.shape, ", "), count);
  }
  if (array.is_text()) return array.to_text();
  if (!array.is_integer())
    fail(ErrorKind::input, "{}: has type {}; texts or integers are needed", label, array.dtype());
  std::vector<std::string> texts;
  for (const std::int64_t v : array.to_i64()) texts.push_back(std::to_string(v));
  return texts;
}

// Integer labels index --classes where it is given; without it the classes are the labels that occur, in the
// order of the numbers or of the alphabet.
void set_classes(Tracks& tracks, bool integers, const std::vector<std::string>& wanted) {
  tracks.classes = wanted;
  if (integers && !wanted.empty()) {
    for (std::string& label : tracks.labels) {
      const std::int64_t i = std::stoll(label);
      if (i >= 0 && i < static_cast<std::int64_t>(wanted.size())) label = wanted[static_cast<std::size_t>(i)];
    }
  }
  if (!wanted.empty()) return;
  std::vector<std::string> all = tracks.labels;
  const auto less = [integers](const std::string& a, const std::string& b) {
    return integers ? std::stoll(a) < std::stoll(b) : a < b;
  };
  std::sort(all.begin(), all.end(), less);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  tracks.classes = std::move(all);
}

Tracks read_tracks(const ImportOptions& options) {
  auto arrays = read_npz(options.file);
  Tracks tracks;
  const NpyArray& x = need(arrays, "X", options.file);
  if (x.is_text() || x.shape.size() != 3 || x.numel() == 0) {
    fail(ErrorKind::input, "{}: X is {} [{}]; numbers [track, band, frame] are needed", options.file,
         x.dtype(), fmt::join(x.shape, ", "));
  }
  tracks.count = x.shape[0];
  tracks.bands = x.shape[1];
  tracks.frames = x.shape[2];
  const NpyArray& labels = need(arrays, "T", options.file);
  tracks.labels = texts_of(labels, tracks.count, options.file + ": T");
  set_classes(tracks, labels.is_integer(), options.classes);
  if (arrays.contains("N")) {
    tracks.names = texts_of(arrays.at("N"), tracks.count, options.file + ": N");
  } else {
    for (std::int64_t i = 0; i < tracks.count; ++i) tracks.names.push_back(fmt::format("track {:05}", i));
  }
  tracks.x = std::move(arrays.at("X"));
  return tracks;
}

// [band, frame] -> [frame, band], scaled. Returns why the track cannot be stored, "" if it can.
std::string convert(const Tracks& tracks, std::int64_t track, double scale, DType dtype,
                    std::vector<float>& scratch, std::vector<float>& rows) {
  const std::int64_t n = tracks.bands * tracks.frames;
  scratch.resize(static_cast<std::size_t>(n));
  rows.resize(static_cast<std::size_t>(n));
  tracks.x.to_float(track * n, n, scratch.data());
  const float most = dtype == DType::f16 ? 65504.0F : std::numeric_limits<float>::max();
  for (std::int64_t f = 0; f < tracks.frames; ++f) {
    for (std::int64_t b = 0; b < tracks.bands; ++b) {
      const float from = scratch[static_cast<std::size_t>(b * tracks.frames + f)];
      const auto value = static_cast<float>(from * scale);
      if (!(std::abs(value) <= most)) {
        return fmt::format("value {} in band {}, frame {} cannot be stored as {}", value, b, f,
                           name_of(dtype));
      }
      rows[static_cast<std::size_t>(f * tracks.bands + b)] = value;
    }
  }
  return "";
}

// Why the track is left out whatever its values, "" if it is not; `label` becomes the index of its class.
std::string reason_to_skip(const Tracks& tracks, std::size_t i, std::unordered_set<std::string>& seen,
                           std::size_t& label) {
  if (tracks.names[i].empty()) return fmt::format("track {} has no name", i);
  if (!seen.insert(tracks.names[i]).second) return "another track has the same name";
  const auto at = std::find(tracks.classes.begin(), tracks.classes.end(), tracks.labels[i]);
  if (at == tracks.classes.end()) return fmt::format("label '{}' is none of the classes", tracks.labels[i]);
  label = static_cast<std::size_t>(at - tracks.classes.begin());
  return "";
}

void keep_track(const Tracks& tracks, std::size_t i, std::size_t label, const std::vector<float>& rows,
                Cache& cache) {
  const auto before = static_cast<std::int64_t>(cache.items.size());
  std::byte* to = cache.features.bytes.data() +
                  static_cast<std::size_t>(before * tracks.frames * tracks.bands * size_of(cache.dtype));
  if (cache.dtype == DType::f16) {
    float_to_half(rows.data(), reinterpret_cast<std::uint16_t*>(to), static_cast<std::int64_t>(rows.size()));
  } else {
    std::memcpy(to, rows.data(), rows.size() * sizeof(float));
  }
  CacheItem item;
  item.name = tracks.names[i];
  item.first_row = before * tracks.frames;
  item.rows = tracks.frames;
  item.labels.resize(cache.classes.size());
  item.labels[label] = 1;
  cache.items.push_back(std::move(item));
}

Cache make_cache(const Tracks& tracks, const ImportOptions& options, double scale) {
  Cache cache;
  cache.mel.preset = "imported";
  cache.mel.n_mels = static_cast<std::int32_t>(tracks.bands);
  cache.frame_seconds = options.frame_seconds;
  cache.value_scale = scale;
  cache.dtype = options.dtype == "f16" ? DType::f16 : DType::f32;
  cache.bands = tracks.bands;
  cache.classes = tracks.classes;
  cache.features = HostArray(cache.dtype, {tracks.count * tracks.frames, tracks.bands});
  std::unordered_set<std::string> seen;
  std::vector<float> scratch, rows;
  Progress progress("import", tracks.count, "tracks");
  for (std::int64_t i = 0; i < tracks.count && !interrupted(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    std::size_t label = 0;
    std::string reason = reason_to_skip(tracks, at, seen, label);
    if (reason.empty()) reason = convert(tracks, i, scale, cache.dtype, scratch, rows);
    if (reason.empty()) keep_track(tracks, at, label, rows, cache);
    else cache.skipped.push_back({tracks.names[at], reason});
    progress.update(i + 1);
  }
  cache.features.shape[0] = static_cast<std::int64_t>(cache.items.size()) * tracks.frames;
  cache.features.bytes.resize(static_cast<std::size_t>(cache.features.numel() * size_of(cache.dtype)));
  return cache;
}

std::vector<std::int64_t> count_classes(const Cache& cache) {
  std::vector<std::int64_t> counts(cache.classes.size(), 0);
  for (const CacheItem& item : cache.items) {
    for (std::size_t c = 0; c < counts.size(); ++c) counts[c] += item.labels[c];
  }
  return counts;
}

void report_json(const Cache& cache, const Tracks& tracks, const ImportOptions& options) {
  nlohmann::ordered_json out = {{"file", options.file},
                                {"out", options.out},
                                {"tracks", cache.items.size()},
                                {"bands", cache.bands},
                                {"frames", tracks.frames},
                                {"source_dtype", tracks.x.dtype()},
                                {"value_scale", cache.value_scale},
                                {"dtype", name_of(cache.dtype)},
                                {"frame_seconds", cache.frame_seconds},
                                {"columns", cache.columns}};
  const auto counts = count_classes(cache);
  out["classes"] = nlohmann::ordered_json::object();
  for (std::size_t c = 0; c < counts.size(); ++c) out["classes"][cache.classes[c]] = counts[c];
  out["skipped"] = nlohmann::ordered_json::array();
  for (const SkippedItem& s : cache.skipped)
    out["skipped"].push_back({{"path", s.path}, {"reason", s.reason}});
  print_json(out);
}

void report(const Cache& cache, const Tracks& tracks, const ImportOptions& options) {
  print("{}: {} tracks of {} frames, {} bands; values ({}) times {:.6g}\n", options.file, cache.items.size(),
        tracks.frames, cache.bands, tracks.x.dtype(), cache.value_scale);
  if (cache.frame_seconds > 0) print("a frame every {} s\n", cache.frame_seconds);
  else print("the time between frames is unknown (--frame-seconds states it)\n");
  const auto counts = count_classes(cache);
  for (std::size_t c = 0; c < counts.size(); ++c) print("{:>6}  {}\n", counts[c], cache.classes[c]);
  for (const SkippedItem& s : cache.skipped) say("skipped: {}: {}", s.path, s.reason);
  if (!cache.skipped.empty()) print("{} of {} tracks were skipped\n", cache.skipped.size(), tracks.count);
  print("written: {} ({:.1f} MB, {})\n", options.out,
        static_cast<double>(std::filesystem::file_size(options.out)) / 1e6, name_of(cache.dtype));
}

void import(ImportOptions options, Settings& settings) {
  if (options.out.empty()) options.out = std::filesystem::path(options.file).stem().string() + ".h5";
  const Tracks tracks = read_tracks(options);
  const bool bytes = tracks.x.kind == 'u' && tracks.x.itemsize == 1;
  const double scale = options.scale.value_or(bytes ? 1.0 / 255 : 1.0);
  Cache cache = make_cache(tracks, options, scale);
  if (interrupted()) {
    say("melgrad: interrupted; nothing was written");
    settings.exit_code = kExitInterrupted;
    return;
  }
  if (cache.items.empty()) {
    fail(ErrorKind::input, "{}: no track can be used; the first: {}: {}", options.file,
         cache.skipped.at(0).path, cache.skipped[0].reason);
  }
  if (!options.columns.empty())
    for (const std::string& note : attach_columns(cache, &Cache::items, options.columns)) say("{}", note);
  write_cache(options.out, cache);
  if (settings.json) report_json(cache, tracks, options);
  else report(cache, tracks, options);
  if (!cache.skipped.empty()) settings.exit_code = kExitProblemsFound;
}

}  // namespace

void register_import(CommandLine& root, Settings& settings) {
  auto* command = root.add_subcommand("import", "make a cache of spectrograms in a NumPy archive (.npz)");
  auto options = std::make_shared<ImportOptions>();
  command
      ->add_option("file", options->file, "archive with X [track, band, frame], T labels, optional N names")
      ->required();
  command->add_option("--out", options->out, "cache to write (default: the archive's name with .h5)");
  command
      ->add_option("--classes", options->classes,
                   "classes in this order; tracks with other labels are skipped")
      ->delimiter(',');
  add_columns(*command, options->columns);
  command->add_option("--scale", options->scale, "factor for all values (default: 1/255 for uint8, else 1)");
  command->add_option("--dtype", options->dtype, "stored as f16 or f32")
      ->is_member({"f16", "f32"})
      ->capture_default_str();
  command->add_option("--frame-seconds", options->frame_seconds, "time from one frame to the next")
      ->non_negative();
  command->callback([options, &settings] { import(*options, settings); });
}

}  // namespace melgrad
