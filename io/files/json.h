// JSON out of files that may come from anywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/error.h"
#include "kernels/text.h"

namespace melgrad {

// Each as the number that prints at its shortest: the library would print the double that a float is.
inline std::vector<double> decimals(const std::vector<float>& values) {
  std::vector<double> out;
  out.reserve(values.size());
  for (const float value : values) out.push_back(decimal(value));
  return out;
}

// null where there is no finite number.
inline nlohmann::ordered_json or_null(std::optional<double> number) {
  return number && std::isfinite(*number) ? nlohmann::ordered_json(*number) : nlohmann::ordered_json();
}

struct NotACount : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Whether it is a whole number, 0 to 2^63 - 1.
template <class Json>
bool is_count(const Json& json) {
  if (json.is_number_unsigned())
    return json.template get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  return json.is_number_integer() && json.template get<std::int64_t>() >= 0;
}

// It, or NotACount. The library's own conversion takes fractions, true and negative numbers, and what it
// makes of 1e30 is undefined.
template <class Json>
std::int64_t count_of(const Json& json) {
  if (!is_count(json)) throw NotACount("must be a count, but is " + json.dump().substr(0, 40));
  return json.template get<std::int64_t>();
}

template <class Json>
std::vector<std::int64_t> counts_of(const Json& json) {
  std::vector<std::int64_t> counts;
  for (const Json& one : json) counts.push_back(count_of(one));
  return counts;
}

// A generator's seed: a whole number, 0 to 2^64 - 1.
template <class Json>
std::uint64_t seed_of(const Json& json) {
  return json.is_number_unsigned() ? json.template get<std::uint64_t>()
                                   : static_cast<std::uint64_t>(count_of(json));
}

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
  } catch (const NotACount& e) {
    fail(ErrorKind::input, "{}: {}", where, e.what());
  }
}

// The JSON as text, whatever its strings hold: bytes that are not UTF-8 become \xff (kernels/text.h).
template <class Json>
Json with_utf8(const Json& json) {
  if (json.is_string()) return as_utf8(json.template get_ref<const std::string&>());
  if (!json.is_structured()) return json;
  Json out = json.is_object() ? Json::object() : Json::array();
  for (const auto& [key, value] : json.items()) {
    if (json.is_object()) out[as_utf8(key)] = with_utf8(value);
    else out.push_back(with_utf8(value));
  }
  return out;
}

template <class Json>
std::string json_text(const Json& json, int indent = -1) {
  try {
    return json.dump(indent);
  } catch (const nlohmann::json::type_error&) {  // a string in it is no UTF-8
    return with_utf8(json).dump(indent);
  }
}

}  // namespace melgrad
