// What is worth a line and is no error. Nothing here or above prints: whoever calls decides where a line
// goes.
#pragma once

#include <fmt/format.h>
#include <functional>
#include <string>
#include <utility>

namespace melgrad {

using Notes = std::function<void(const std::string& line)>;  // empty: nobody listens

template <typename... Args>
void note(const Notes& notes, fmt::format_string<Args...> format, Args&&... args) {
  if (notes) notes(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace melgrad
