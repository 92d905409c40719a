// Scan: decode every track of a data set and say what is wrong with which. A file that cannot be used is a
// finding with its reason, never the end of the scan. Duplicates are found by content: the same sound as WAV
// and as FLAC, or under two genres, counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "io/audio/audio.h"
#include "io/audio/flaws.h"
#include "io/datasets/dataset.h"

namespace melgrad {

struct Finding {
  std::size_t track = 0;  // index into DataSet::tracks
  Problem problem = Problem::unreadable;
  std::string reason;  // for a person; a duplicate names its twin
};

struct ScanOptions {
  double min_seconds = 3;
  double silence_db = kSilenceDb;
  int threads = 0;  // 0 = all cores
  AudioOptions audio = {};
};

struct ClassCount {
  std::size_t tracks = 0;
  std::size_t usable = 0;  // neither unreadable, empty, too short, silent nor cancelled
  double seconds = 0;      // of all that could be decoded
};

struct ScanReport {
  std::vector<Finding> findings;    // in the order of the tracks
  std::vector<ClassCount> classes;  // as DataSet::classes; a track with several labels counts in each
  ClassCount all;
  std::map<int, std::size_t> rates, channels;  // Hz -> decoded tracks, channels -> decoded tracks
  std::size_t scanned = 0;                     // fewer than the tracks only if `stop` said so
};

// `done` is told the number of finished tracks, from several threads; `stop` ends the scan early.
ScanReport scan(const DataSet& set, const ScanOptions& options,
                const std::function<void(std::size_t)>& done = {}, const std::function<bool()>& stop = {});

}  // namespace melgrad
