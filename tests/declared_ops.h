// The names of all operations, read from the source of kernels/ops.h: what tests of completeness compare
// with.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/places.h"

namespace melgrad {

// All names `virtual void name(` in kernels/ops.h.
inline std::vector<std::string> declared_ops() {
  std::ifstream file(source_path("kernels/ops.h"));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string opening = "virtual void ";
  std::vector<std::string> names;
  for (std::size_t at = text.find(opening); at != std::string::npos; at = text.find(opening, at)) {
    at += opening.size();
    names.push_back(text.substr(at, text.find('(', at) - at));
  }
  return names;
}

}  // namespace melgrad
