// A finished network on any data set: what a run says of its own test tracks (training/task.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/training/model_file.h"

namespace melgrad {

class TrainingData;

// Classes go together by their names: throws Error (input), `where` first, for one that the model lacks.
void expect_answers(const LoadedModel& model, const std::vector<std::string>& classes,
                    const std::string& where);

// What the model makes of each of `tracks`, the mean over its segments. Classes: the data's first, in their
// order; of genres the model's others behind them.
struct TrackProbabilities {
  std::vector<std::string> classes;
  std::vector<float> mean;  // [tracks, classes]
};
TrackProbabilities track_probabilities(Device& device, LoadedModel& model, const TrainingData& data,
                                       const std::vector<std::int32_t>& tracks);

// `data` is of the model's recipe. Its classes must be among the model's. Genres: the model may answer any of
// its classes; tags: those of the data are looked at. What is returned:
//   recipe, model (classes), and test: as Task::test has it
nlohmann::ordered_json test_model(Device& device, LoadedModel& model, const TrainingData& data,
                                  const std::vector<std::int32_t>& tracks);

}  // namespace melgrad
