#include "io/files/user_folder.h"

#include <cstdlib>

namespace melgrad {
namespace {

std::filesystem::path variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::optional<std::filesystem::path> user_folder(const char* own, const char* base, const std::string& usual,
                                                 const std::string& below) {
  if (std::getenv(own) != nullptr) {
    const auto folder = variable(own);
    return folder.empty() ? std::nullopt : std::optional(folder);
  }
  if (const auto folder = variable(base); folder.is_absolute()) return folder / below;
  if (const auto home = variable("HOME"); home.is_absolute()) return home / usual / below;
  return std::nullopt;
}

}  // namespace melgrad
