// Words for messages, and names from outside made fit for them.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace melgrad {

// The name with the smallest edit distance to `word`; "" if there are no names.
std::string nearest(const std::string& word, const std::vector<std::string>& names);
// "; did you mean X?" with the nearest name, or with the only one that `word` begins; "" if none comes near.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& names);
// "a, b, c"
std::string joined(const std::vector<std::string>& words);

// What the system says of an `errno`, and which limit it is where it is one of `ulimit`'s.
std::string system_reason(int error);

// One line for a screen, a log or a page, whatever a file or a label is called: control characters (C0, DEL,
// C1), line and paragraph separators, what turns the direction of writing, and bytes that are not UTF-8 are
// written out as \n, \t, \r, \x1b, \u202e, \xff. All else stays as it is.
std::string printable(std::string_view text);
// For files that must be UTF-8 (JSON, caches): bytes that are not become \xff, all else stays, control
// characters too.
std::string as_utf8(std::string_view text);

// The number that all of the text is; nothing for anything else, as one that `Number` cannot hold.
template <typename Number>
std::optional<Number> number_in(std::string_view text) {
  Number value{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error == std::errc{} && end == last ? std::optional(value) : std::nullopt;
}

// A number at the shortest that reads back to the same one: "0.2", "1e-07", and "0" for either zero.
std::string shortest(double value);
std::string shortest(float value);
// The double that prints as `value` prints at its shortest: 0.3 for 0.3f, whose own value is
// 0.30000001192092896. Reads back to `value`.
double decimal(float value);

}  // namespace melgrad
