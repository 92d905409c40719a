// What a spectrogram cache holds (io/arrays/cache.h reads and writes it).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/arrays/host_array.h"
#include "io/files/part.h"
#include "kernels/mel.h"

namespace melgrad {

// What an item was made of: XXH3 of the audio file's bytes, by which an unchanged file is known without
// decoding it, and of the decoded sound, by which identical tracks are found (io/audio/audio.h); 0 if there
// was no audio. And what was found wrong with that sound (text_of, io/audio/flaws.h), "" if nothing, which is
// to be said again wherever the features are used again.
struct CacheSource {
  std::uint64_t file = 0;
  std::uint64_t content = 0;
  std::string findings = {};
  bool operator==(const CacheSource&) const = default;
};

struct CacheItem {
  std::string name;            // unique; for files the path below the data set's folder
  std::int64_t first_row = 0;  // of its block of rows
  std::int64_t rows = 0;
  std::uint64_t digest = 0;  // XXH3 of the stored bytes of its rows
  CacheSource source;
  std::vector<std::uint8_t> labels;       // [classes] 0 or 1; any number of them may be 1
  std::string split;                      // "train", "valid", "test" or "" when the data set has none
  std::vector<std::string> columns = {};  // its values, as Cache::columns
};

struct SkippedItem {
  std::string path, reason;
};

struct Cache {
  MelOptions mel;            // preset "imported": the features were not made by melgrad
  double frame_seconds = 0;  // from one row to the next; 0 = unknown
  double value_scale = 1;    // stored values are the imported ones times this
  DType dtype = DType::f16;  // of the features: f16 or f32
  std::int64_t bands = 0;
  std::vector<std::string> classes;
  std::vector<std::string> columns;  // what else is known of each item: "fold", "artist", ...
  std::vector<CacheItem> items;
  std::vector<SkippedItem> skipped;
  std::optional<PartOf> part;  // of the data set, where the items are not all of it
  HostArray features;          // [rows, bands]; empty when only the description was read
};

}  // namespace melgrad
