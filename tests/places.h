// Where tests find the project's files: the tree they were built from, or the one that MELGRAD_SOURCE names
// in the environment, when the programs have travelled (apps/package/bundle.sh).
#pragma once

#include <cstdlib>
#include <string>

namespace melgrad {

inline std::string source_path(const std::string& relative) {
  const char* elsewhere = std::getenv("MELGRAD_SOURCE");
  return std::string(elsewhere != nullptr ? elsewhere : MELGRAD_SOURCE_DIR) + "/" + relative;
}

}  // namespace melgrad
