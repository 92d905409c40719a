// Test results as text: what result.json holds, for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/metrics/tag_metrics.h"

namespace melgrad {

// "0.705"; "-" where it is undefined.
std::string figure_text(double value);

// Of what Task::test or test_model returned.
std::string result_text(const nlohmann::ordered_json& result);

// A confusion matrix as rates per class, rows true.
std::string as_table(const std::vector<std::vector<std::int64_t>>& confusion,
                     const std::vector<std::string>& classes);
// A row per tag, the macro row and the baseline's row; 100 columns for tags of up to 16 letters.
std::string as_table(const TagMetrics& metrics);

}  // namespace melgrad
