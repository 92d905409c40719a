// The pieces of `extract` that other commands have in common with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/terminal/cli.h"
#include "apps/terminal/command_line.h"
#include "models/training/extraction.h"

namespace melgrad {

// What whoever uses these features should know, also as lines on stderr: filters that are empty.
std::vector<std::string> tell_of_features(const MelOptions& mel);

// extract (models/training/extraction.h) with its progress on stderr and Ctrl-C as the wish to stop.
ExtractResult extract_shown(const DataSet& set, const MelOptions& mel, DType dtype, Device& device,
                            int threads, const std::string& out, const FeatureStore* store = nullptr);

// --no-cache of commands that extract by themselves, and the store that it leaves them.
void add_no_cache(CommandLine& command, Settings& settings);
std::optional<FeatureStore> feature_store(const Settings& settings);

}  // namespace melgrad
