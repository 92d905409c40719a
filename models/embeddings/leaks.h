// What a test of embeddings may owe to tracks that stand on both sides of its splits.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "models/training/data.h"

namespace melgrad {

// Of all test tracks of `splits`, how many
//   identical       have a training or validation track with the same vectors
//   nearly          have one that is nearly the same: cosine of at least `threshold` between their
//                   standardised mean vectors, as two encodings of one recording; the five nearest are named
//   <column>        have one with the same value in that column ("artist", "album", ...), "fold" apart
// `nearly` is null where there are too many tracks to compare each with each.
nlohmann::ordered_json leaks(const TrainingData& data, const Cache& cache, const std::vector<Split>& splits);

}  // namespace melgrad
