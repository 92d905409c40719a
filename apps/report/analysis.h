// The part of a report on a data set: what `melgrad analyze --out` found in its labels and its sound.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/report/page.h"

namespace melgrad {

struct Analysis {
  std::string path;
  nlohmann::ordered_json found;
};

// Throws Error (input) if it is no JSON of an analysis.
Analysis read_analysis(const std::string& path);

// How frequent the tags are and which come together; which sound comes with a tag, with effect sizes; where
// the clips of two tags lie. What lacks something an analysis has is named in `problems` and left out whole.
void add_analyses(Page& page, const std::vector<Analysis>& analyses, std::vector<std::string>& problems);

}  // namespace melgrad
