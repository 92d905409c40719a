// All that commands print: answers on standard output, everything else on standard error. Names from outside
// (files, labels, tags) are made fit here, so that none can break a line or reach the terminal as an escape.
// That an answer cannot be printed is an Error (output); that a message cannot be shown hinders nothing.
#pragma once

#include <concepts>
#include <fmt/format.h>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/text.h"

namespace melgrad {

// Text that is lines already, its names made printable by who put it together: a table.
struct Lines {
  std::string text;
};

namespace screen {

template <typename T>
decltype(auto) shown(const T& value) {
  if constexpr (std::same_as<T, Lines>) return std::string_view(value.text);
  else if constexpr (std::convertible_to<const T&, std::string_view>) return printable(value);
  else return (value);
}

template <typename T>
using Shown = decltype(shown(std::declval<const T&>()));

void write_out(std::string_view text);  // throws Error (output)
void write_message(std::string_view text) noexcept;
// Whether nothing is written from here on: by a rank that is not the first.
void silence(bool silent) noexcept;

}  // namespace screen

// On standard output. Texts among the arguments are made printable, Lines apart.
template <typename... Args>
void print(fmt::format_string<screen::Shown<Args>...> format, const Args&... args) {
  screen::write_out(fmt::format(format, screen::shown(args)...));
}

void print_json(const nlohmann::json& json);
void print_json(const nlohmann::ordered_json& json);

// One line on standard error.
template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  screen::write_message(printable(fmt::format(format, std::forward<Args>(args)...)) + "\n");
}

// The same of a line that is put together: for what takes Notes (models/training/notes.h).
inline void say_line(const std::string& line) { say("{}", line); }

// For `main`. At the start: numbers 0, 1 and 2 that the caller has closed are taken, by what can neither be
// read nor written, so that no file of ours gets them and what is printed is still seen to be lost. At the
// end: writes out what is pending; Error (output) if any of it, now or before, was lost.
void take_standard_files();
void flush_output();

}  // namespace melgrad
