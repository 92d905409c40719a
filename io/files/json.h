// JSON out of files that may come from anywhere, and as text. What is a template here is there for
// nlohmann::json and for nlohmann::ordered_json, compiled in json.cpp: the library's own takes a second in
// every source.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/error.h"

namespace melgrad {

// Each as the number that prints at its shortest: the library would print the double that a float is.
std::vector<double> decimals(const std::vector<float>& values);

// null where there is no finite number.
nlohmann::ordered_json or_null(std::optional<double> number);

struct NotACount : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Whether it is a whole number, 0 to 2^63 - 1.
template <class Json>
bool is_count(const Json& json);

// It, or NotACount. The library's own conversion takes fractions, true and negative numbers, and what it
// makes of 1e30 is undefined.
template <class Json>
std::int64_t count_of(const Json& json);

template <class Json>
std::vector<std::int64_t> counts_of(const Json& json);

// A generator's seed: a whole number, 0 to 2^64 - 1.
template <class Json>
std::uint64_t seed_of(const Json& json);

// Throws nlohmann::json::exception, which reading_json makes an Error.
template <class Json = nlohmann::ordered_json>
Json parse_json(std::string_view text);
// Nothing where the text is no JSON.
template <class Json = nlohmann::ordered_json>
std::optional<Json> json_or_none(std::string_view text);

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
std::string json_text(const Json& json, int indent = -1);

}  // namespace melgrad
