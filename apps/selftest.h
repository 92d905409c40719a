// Every operation of a device against the reference in double precision, on the calls that training and
// evaluating the shipped models make.
#pragma once

#include <functional>

#include "models/recipe.h"
#include "tests/reference/comparing_ops.h"

namespace melgrad {

struct Selftest {
  std::map<std::string, ComparingOps::Finding> operations;
  std::vector<std::string> stopped;  // parts that an error ended early, with the error

  std::int64_t wrong() const;  // operations
  bool passed() const { return wrong() == 0 && stopped.empty(); }
};

// `part` is told the name of each part of the work before it begins.
Selftest run_selftest(
    Device& device, const std::vector<Recipe>& recipes,
    const std::function<void(const std::string&)>& part = [](const std::string&) {});

// One line per operation and a last one that sums up; `device` names it.
std::string selftest_text(const Selftest& result, const std::string& device);

}  // namespace melgrad
