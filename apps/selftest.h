// Every operation of a device against the reference in double precision, on the calls that training and
// evaluating the shipped models make.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "apps/terminal/cli.h"
#include "kernels/reference/comparing_ops.h"
#include "models/recipes/recipe.h"

namespace melgrad {

struct Selftest {
  std::map<std::string, ComparingOps::Finding> operations;
  std::vector<std::string> stopped;  // parts that an error ended early, with the error

  std::int64_t wrong() const;  // operations
  bool passed() const { return wrong() == 0 && stopped.empty(); }
};

// What to run through the device.
struct SelftestScope {
  std::vector<Recipe> recipes;
  std::vector<std::string> presets;  // of features
};
SelftestScope shipped_scope();

// `part` is told the name of each part of the work before it begins.
Selftest run_selftest(
    Device& device, const SelftestScope& scope,
    const std::function<void(const std::string&)>& part = [](const std::string&) {});

// Runs it, prints one line per operation and a last one that sums up, and sets the exit code.
void selftest(Device& device, const SelftestScope& scope, Settings& settings);

}  // namespace melgrad
