// What `evaluate` has in two files: runs with their own test tracks (evaluate.cpp), and any models, one or
// several whose probabilities are averaged, on any tracks (ensemble.cpp).
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/data/data_set.h"
#include "io/files/atomic_file.h"

namespace melgrad {

struct EvaluateArguments {
  std::vector<std::string> models;
  std::string mistakes, scores;  // files to write
  std::string tracks = "test";   // train, valid, test, all
  DataSetRequest data;
};

// The files that are asked for, opened before the work is done.
class EvaluationFiles {
 public:
  explicit EvaluationFiles(const EvaluateArguments& args);
  std::unique_ptr<AtomicFile> mistakes, scores;
};

// Writes the files and prints `result`, whose classes or tags are `classes`. `saved`: the file it stands in
// besides, if any.
void tell_evaluation(const Settings& settings, const EvaluateArguments& args,
                     const nlohmann::ordered_json& result, const std::vector<std::string>& classes,
                     EvaluationFiles& files, const std::string& saved);

// What says how audio is read plays no part elsewhere: Error (usage).
void expect_no_audio_flags(const EvaluateArguments& args, const std::string& because);

// Models together, on data that are named, or runs on the part of their split that is asked for.
void evaluate_models(Settings& settings, const EvaluateArguments& args);

}  // namespace melgrad
