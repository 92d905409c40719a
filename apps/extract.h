// From a data set of audio files to a spectrogram cache.
#pragma once

#include <string>

#include "apps/cli.h"
#include "io/arrays/feature_store.h"
#include "io/datasets/dataset.h"
#include "kernels/device.h"
#include "kernels/mel.h"

namespace melgrad {

struct ExtractResult {
  std::int64_t items = 0, resumed = 0, skipped = 0;
  double audio_seconds = 0;  // of what was decoded now
  double wall_seconds = 0;
  bool interrupted = false;
};

// What whoever uses these features should know, also as lines on stderr: filters that are empty.
std::vector<std::string> tell_of_features(const MelOptions& mel);

// Decodes on all cores, computes features on the device, writes `out` (io/arrays/cache.h). Files that cannot
// be used are skipped and listed, on stderr and in the cache. What an interrupted or earlier extraction left
// is taken over where the files have not changed since, and so are features in `store`, which keeps these
// too.
ExtractResult extract(const DataSet& set, const MelOptions& mel, DType dtype, Device& device, int threads,
                      const std::string& out, const FeatureStore* store = nullptr);

// --no-cache of commands that extract by themselves, and the store that it leaves them.
void add_no_cache(CLI::App& command, Settings& settings);
std::optional<FeatureStore> feature_store(const Settings& settings);

}  // namespace melgrad
