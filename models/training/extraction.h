// From a data set of audio files to a spectrogram cache.
#pragma once

#include <functional>
#include <string>

#include "io/arrays/feature_store.h"
#include "io/datasets/dataset.h"
#include "kernels/device.h"
#include "kernels/mel.h"
#include "models/training/notes.h"

namespace melgrad {

struct ExtractResult {
  std::int64_t items = 0, resumed = 0, skipped = 0;
  double audio_seconds = 0;  // of what was decoded now
  double wall_seconds = 0;
  bool interrupted = false;
};

// Who looks on; empty functions are left out. `progress` and `notes` are called one at a time, from any
// thread.
struct ExtractWatcher {
  std::function<void(std::int64_t files)> progress;  // files done
  Notes notes;                                       // of files with findings, and of those left out
  std::function<bool()> stop;                        // asked between two files; from any thread
};

// Decodes on `threads` threads (0: all cores), computes features on the device, writes `out`
// (io/arrays/cache.h). Files that cannot be used are skipped, told and listed in the cache. What an
// interrupted or earlier extraction left is taken over where the files have not changed since, and so are
// features in `store`, which keeps these too.
ExtractResult extract(const DataSet& set, const MelOptions& mel, DType dtype, Device& device, int threads,
                      const std::string& out, const FeatureStore* store = nullptr,
                      const ExtractWatcher& watcher = {});

}  // namespace melgrad
