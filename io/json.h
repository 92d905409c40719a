// JSON out of files that may come from anywhere.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "kernels/error.h"

namespace melgrad {

// What `take` makes of the JSON of `where`, a file or a part of one; Error (input) naming it where the JSON
// cannot be parsed, lacks a key or holds a value of another kind.
template <class Take>
auto reading_json(const std::string& where, const Take& take) {
  try {
    return take();
  } catch (const nlohmann::json::exception& e) {
    // "[json.exception.type_error.302] type must be string, but is null"
    const std::string_view text = e.what();
    const auto end = text.find("] ");
    fail(ErrorKind::input, "{}: {}", where, end == std::string_view::npos ? text : text.substr(end + 2));
  }
}

}  // namespace melgrad
